"""How results reach the person or program that asked: answers on stdout or in a file, refusals on stderr."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Final

from rich.console import Console, RenderableType
from rich.text import Text

from graticule.batch.records import place_names, records_of
from graticule.batch.run import Batch, journal_of, run_batch
from graticule.batch.summary import Summary
from graticule.cli.progress import progress
from graticule.output import (
    WRITERS,
    atomic_text,
    candidates_table,
    fallback_warnings,
    notices,
    region_warnings,
    results_table,
)
from graticule.prediction import Prediction, Result
from graticule.printable import printable

__all__ = ["present_batch", "present_stream", "present_table", "show_table"]

_FILE_WIDTH: Final = 120


def present_table(batch: Batch, output: Path | None, *, purpose: str, skipped: int) -> Summary:
    """Answer, and show a table for people on the terminal, or write it to a file. See `present_batch`."""
    with progress("Locating", total=len(batch.pictures)) as advance:
        results = [result for _, group in batch.results(progress=advance) for result in group]
    summary = Summary()
    for _ in summary(records_of(results, batch.pictures)):
        pass
    show_table(*_tables(results, batch, purpose), output=output)
    _say_refusals(summary)
    _say_counts(summary)
    _say_skipped(skipped)
    return summary


def present_stream(batch: Batch, format: str, *, skipped: int) -> Summary:
    """Answer to stdout, in a format of `WRITERS`, as answers come. See `present_batch`."""
    summary = Summary()
    WRITERS[format](summary(record for group in batch.groups() for record in group), sys.stdout)
    _say_counts(summary)
    _say_skipped(skipped)
    return summary


def present_batch(
    batch: Batch, output: Path, format: str, *, sheet: Path | None, skipped: int, retry_refused: bool
) -> Summary:
    """Answer into a file, going on where a run was stopped, and say on stderr what came of it.

    Args:
        batch: what is asked.
        output: the file.
        format: as for `graticule.output.write_file`.
        sheet: where a contact sheet is wanted, if one is.
        skipped: pictures that were left out because they have GPS.
        retry_refused: as for `run_batch`.
    """
    summary, total, began, pages = Summary(), len(batch.pictures), time.monotonic(), list[Path]()

    def draw(records: Iterable[dict[str, object]]) -> None:
        if sheet is not None:
            from graticule.figures.contact_sheet import write_contact_sheet

            with progress("Contact sheet", total=total) as advance:
                pages.extend(write_contact_sheet(records, sheet, total=total, progress=advance))

    try:
        with progress("Locating", total=total) as advance:
            answered_now = run_batch(
                batch,
                output,
                format,
                retry_refused=retry_refused,
                through=summary,
                then=draw,
                report=lambda line: _say("graticule:", line),
                progress=advance,
            )
    except KeyboardInterrupt:
        if journal_of(output).exists():
            _say(
                "graticule:",
                f"stopped; what is done is kept in {journal_of(output)}: the same command goes on",
            )
        raise
    seconds = time.monotonic() - began
    _say_batch(
        summary, output, format, skipped=skipped, answered_now=answered_now, seconds=seconds, pages=pages
    )
    return summary


def show_table(*tables: RenderableType, output: Path | None = None) -> None:
    """Print rich renderables to the terminal, or as plain text to a file."""
    if output is None:
        _print(tables, Console())
    else:
        with atomic_text(output) as stream:
            _print(tables, Console(file=stream, width=_FILE_WIDTH))


def _tables(results: list[Result], batch: Batch, purpose: str) -> list[RenderableType]:
    names = place_names(results, batch.places)
    places = {results[number].path: str(place) for number, place in names.items()} if batch.places else None
    tables: list[RenderableType] = [
        results_table(results, model=batch.locator.name, purpose=purpose, places=places)
    ]
    if warnings := notices(results) + region_warnings(results) + fallback_warnings(results):
        tables.append(Text("\n".join(warnings), style="yellow"))
    if len(results) == 1 and isinstance(results[0], Prediction):
        tables.append(candidates_table(results[0]))
    return tables


def _print(tables: Iterable[RenderableType], console: Console) -> None:
    for number, table in enumerate(tables):
        if number:
            console.print()
        console.print(table)


def _say_batch(
    summary: Summary,
    output: Path,
    format: str,
    *,
    skipped: int,
    answered_now: int,
    seconds: float,
    pages: list[Path],
) -> None:
    """What came of a batch, why pictures were refused, where things are and what may be done with them.

    The rate is that of this run, which may have gone on with what another had done.
    """
    _say_refusals(summary)
    _say_counts(summary)
    doubts = {"not sure": summary.not_sure, "of nothing known": summary.unknown}
    told = ", ".join(f"{count:,} {what}" for what, count in doubts.items() if count)
    sure = f"{summary.answered:,} answered" + (f" ({told})" if told else "")
    left = f", {skipped:,} left out, they have GPS" if skipped else ""
    rate = f", {answered_now / seconds:,.1f} pictures/s" if answered_now and seconds >= 1 else ""
    _say("graticule:", f"{sure}{left}; {timedelta(seconds=round(seconds))}{rate}; {output}")
    if pages:
        _say(
            "graticule:", f"contact sheet: {pages[0]}" + (f" and {len(pages) - 1} more" if pages[1:] else "")
        )
    if format == "jsonl" and summary.answered:
        name = shlex.quote(str(output))
        _say("graticule:", f"next: graticule review {name}, then graticule write {name}")


def _say_refusals(summary: Summary) -> None:
    for line in summary.refusals():
        _say("refused ", line)


def _say_counts(summary: Summary) -> None:
    """What a judge cost, what a selector did not answer, and how much was refused."""
    if summary.tokens:
        _say("graticule:", f"the judge's server counted {summary.tokens:,} tokens")
    if summary.fallbacks:
        told = (
            f"{summary.fallbacks} of {summary.answered} answers are the model's own: the selector gave none"
        )
        _say("graticule:", told)
    if summary.refused:
        _say("graticule:", f"{summary.refused} of {summary.pictures} pictures refused")


def _say_skipped(skipped: int) -> None:
    if skipped:
        _say("graticule:", f"{skipped:,} left out, they have GPS")


def _say(who: str, what: str) -> None:
    # A log that can't be written to must not end a night's work.
    with suppress(OSError):
        print(f"{who} {printable(what)}", file=sys.stderr)
