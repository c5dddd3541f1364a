"""How far a long run is, with rate and end time, on stderr: a bar on a terminal, else a line a minute."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from time import monotonic
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text

__all__ = ["progress"]

_PERIOD_S: Final = 3600
"""What the rate is taken over: a step may take minutes, as a block of pictures does with a large encoder."""
_SILENCE_S: Final = 60


@contextmanager
def progress(label: str, *, total: int, quiet: bool = False) -> Iterator[Callable[[int, int], None]]:
    """Show a bar while the block runs; where there is no terminal, such as in a log file, write a line a minute.

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
        speed_estimate_period=_PERIOD_S,
        get_time=monotonic,
        disable=quiet or not console.is_terminal,
    )
    with bar:
        task = bar.add_task(label, total=total)
        told = monotonic()

        def advance(done: int, of: int) -> None:
            nonlocal told
            bar.update(task, completed=done, total=of)
            if not (quiet or console.is_terminal) and monotonic() - told >= _SILENCE_S:
                told = monotonic()
                parts = (column.render(bar.tasks[task]).plain for column in (_Rate(), _End()))
                line = ", ".join([f"{label}: {done:,} of {of:,}", *filter(None, parts)])
                console.print(line, markup=False, highlight=False, soft_wrap=True)

        yield advance


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        if not task.speed:
            return Text("")
        digits = 0 if task.speed >= 10 else 2
        return Text(f"{task.speed:,.{digits}f}/s", style="progress.data.speed")


class _End(ProgressColumn):
    def render(self, task: Task) -> Text:
        if task.time_remaining is None:
            return Text("")
        end = datetime.now() + timedelta(seconds=task.time_remaining)
        return Text(f"ends {end:%H:%M:%S}", style="progress.remaining")
