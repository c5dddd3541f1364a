"""How results reach the person or program that asked: answers on stdout or in a file, refusals on stderr."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final, TextIO

from rich.console import Console, RenderableType
from rich.text import Text

from graticule.output import (
    WRITERS,
    atomic_text,
    candidates_table,
    fallback_warnings,
    region_warnings,
    results_table,
)
from graticule.prediction import Prediction, Refusal, Result

__all__ = ["Tally", "present", "show_table"]

_NAMED_REFUSALS: Final = 20
_FILE_WIDTH: Final = 120


class Tally:
    """Lets results through and remembers the refusals, and how many answers a selector left to the model."""

    def __init__(self) -> None:
        self.answered = self.fallbacks = self.tokens = 0
        self.refusals: list[Refusal] = []

    def __call__(self, results: Iterable[Result]) -> Iterator[Result]:
        """The same results, counted."""
        for result in results:
            if isinstance(result, Refusal):
                self.refusals.append(result)
            else:
                self.answered += 1
                if result.selection is not None:
                    self.fallbacks += result.selection.fallback is not None
                    self.tokens += result.selection.tokens
            yield result

    def report(self, *, in_output: bool) -> None:
        """Say on stderr what was refused, and what a selector did not answer.

        Args:
            in_output: The output holds every reason already: the count is enough.
        """
        if self.tokens:
            print(f"graticule: the judge's server counted {self.tokens:,} tokens", file=sys.stderr)
        if self.fallbacks:
            print(
                f"graticule: {self.fallbacks} of {self.answered} answers are the model's own: the selector gave none",
                file=sys.stderr,
            )
        if not self.refusals:
            return
        if not in_output:
            for refusal in self.refusals[:_NAMED_REFUSALS]:
                print(f"refused  {refusal.error}", file=sys.stderr)
            if len(self.refusals) > _NAMED_REFUSALS:
                print(f"refused  and {len(self.refusals) - _NAMED_REFUSALS} more", file=sys.stderr)
        total = self.answered + len(self.refusals)
        print(f"graticule: {len(self.refusals)} of {total} pictures refused", file=sys.stderr)


def present(
    results: Iterable[Result], format: str, *, output: Path | None, model: str, purpose: str
) -> Callable[[], None]:
    """Write results in a format of `WRITERS` as they come, or gather them for a table.

    Returns:
        What is left to do once the progress bar is gone: printing the table.
    """

    def write_table(results: Iterable[Result], stream: TextIO) -> None:
        _print(_tables(list(results), model, purpose), Console(file=stream, width=_FILE_WIDTH))

    if output is not None:
        with atomic_text(output) as stream:
            WRITERS.get(format, write_table)(results, stream)
    elif format in WRITERS:
        WRITERS[format](results, sys.stdout)
    else:
        tables = _tables(list(results), model, purpose)
        return lambda: _print(tables, Console())
    return lambda: None


def show_table(*tables: RenderableType, output: Path | None = None) -> None:
    """Print rich renderables to the terminal, or as plain text to a file."""
    if output is None:
        _print(tables, Console())
    else:
        with atomic_text(output) as stream:
            _print(tables, Console(file=stream, width=_FILE_WIDTH))


def _tables(results: list[Result], model: str, purpose: str) -> list[RenderableType]:
    tables: list[RenderableType] = [results_table(results, model=model, purpose=purpose)]
    if warnings := region_warnings(results) + fallback_warnings(results):
        tables.append(Text("\n".join(warnings), style="yellow"))
    if len(results) == 1 and isinstance(results[0], Prediction):
        tables.append(candidates_table(results[0]))
    return tables


def _print(tables: Iterable[RenderableType], console: Console) -> None:
    for number, table in enumerate(tables):
        if number:
            console.print()
        console.print(table)
