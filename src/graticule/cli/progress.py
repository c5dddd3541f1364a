"""A progress bar for people: on stderr, only if that is a terminal, with rate and end time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text

__all__ = ["progress"]


@contextmanager
def progress(label: str, *, total: int, quiet: bool = False) -> Iterator[Callable[[int, int], None]]:
    """Show a bar while the block runs.

    Args:
        label: What is being done.
        total: How many things there are.
        quiet: Show nothing, because something else is being written to the same terminal.

    Yields:
        A function to call with how many are done and how many there are.
    """
    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        _End(),
        console=console,
        transient=True,
        disable=quiet or not console.is_terminal,
    )
    with bar:
        task = bar.add_task(label, total=total)
        yield lambda done, of: bar.update(task, completed=done, total=of)


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f}/s" if task.speed else "", style="progress.data.speed")


class _End(ProgressColumn):
    def render(self, task: Task) -> Text:
        if task.time_remaining is None:
            return Text("")
        end = datetime.now() + timedelta(seconds=task.time_remaining)
        return Text(f"ends {end:%H:%M:%S}", style="progress.remaining")
