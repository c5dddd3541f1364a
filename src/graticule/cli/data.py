"""`graticule data`: what a data set on disk holds, before hours are spent on it."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal, TextIO

import typer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from graticule.data.sources.check import Check
    from graticule.data.sources.contract import Problems

__all__ = ["app"]

_LISTED: Final = 20
_COUNTRIES: Final = 15

app = typer.Typer(help="Data sets of pictures with known places.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keeps `check` a command of its own while it is the only one."""


@app.command()
def check(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="im2gps3k, yfcc4k, mp16, osv5m, or folder for one's own photos."),
    ],
    path: Annotated[
        Path, typer.Argument(metavar="PATH", help="The folder that holds it as it was published.")
    ],
    *,
    split: Annotated[
        str | None, typer.Option(metavar="S", help="train or test, of osv5m; both if not given.")
    ] = None,
    format: Annotated[Literal["table", "json"], typer.Option(help="JSON lists every problem.")] = "table",
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE", dir_okay=False, help="Write it there, with every problem and country."),
    ] = None,
) -> None:
    """Say what a data set holds: usable pictures by country, and what is missing or malformed, row by row.

    Nothing is unpacked and no pixel is decoded. Exit status 0 if anything can be used, 1 if nothing can.
    """
    import sys

    from graticule.cli.progress import progress
    from graticule.data.sources.check import check_source
    from graticule.output import atomic_text

    with progress("Looking through", total=0) as advance:
        checks = check_source(name, path, split, progress=advance)
    write = _write_json if format == "json" else _write_tables
    if output is None:
        write(checks, path, sys.stdout)
    else:
        with atomic_text(output) as stream:
            write(checks, path, stream)
    if not any(check.records for check in checks):
        raise typer.Exit(1)


def _write_json(checks: list[Check], path: Path, stream: TextIO) -> None:
    """Written piece by piece: there may be millions of problems."""
    import json

    stream.write(f'{{"path": {json.dumps(str(path))}, "parts": [')
    for number, check in enumerate(checks):
        fields = {
            "source": check.source,
            "split": check.split,
            "records": check.records,
            "stored": check.stored,
            "countries": check.countries,
            "problem_kinds": check.kinds,
        }
        stream.write(
            (", " if number else "") + json.dumps(fields, ensure_ascii=False)[:-1] + ', "problems": ['
        )
        for row, problem in enumerate(check.problems):
            line = json.dumps({"where": problem.where, "what": problem.what}, ensure_ascii=False)
            stream.write((",\n" if row else "\n") + line)
        stream.write("]}")
    stream.write("]}\n")


def _write_tables(checks: list[Check], path: Path, stream: TextIO) -> None:
    """For people: all to a file, and to a terminal what fits one."""
    import sys

    everything = stream is not sys.stdout
    for check in checks:
        name = check.source if check.split is None else f"{check.source}, {check.split}"
        lie = "".join(f", {kind}: {count:,}" for kind, count in check.stored.items())
        stream.write(f"{name} in {path}\n")
        stream.write(f"usable pictures: {check.records:,}{lie}; problems: {len(check.problems):,}\n\n")
        _write_counts(
            "Usable pictures by country", check.countries, stream, None if everything else _COUNTRIES
        )
        _write_counts("What is missing or malformed", check.kinds, stream, None)
        _write_problems(check.problems, stream, None if everything else _LISTED)


def _write_counts(title: str, counts: Mapping[str, int], stream: TextIO, limit: int | None) -> None:
    if not counts:
        return
    stream.write(f"{title}\n")
    for name, count in list(counts.items())[:limit]:
        stream.write(f"{count:>11,}  {_shown(name)}\n")
    if limit is not None and len(counts) > limit:
        rest = list(counts.values())[limit:]
        stream.write(f"{sum(rest):>11,}  in {len(rest):,} more: --format json or --output has all\n")
    stream.write("\n")


def _write_problems(problems: Problems, stream: TextIO, limit: int | None) -> None:
    """A line each, as it is: there may be millions, and names may hold anything."""
    for problem in islice(problems, limit):
        stream.write(_shown(f"{problem.where}: {problem.what}") + "\n")
    if limit is not None and len(problems) > limit:
        stream.write(f"and {len(problems) - limit:,} more: --format json or --output has all\n")
    if problems:
        stream.write("\n")


def _shown(text: str) -> str:
    """Text from a data set without what would move a terminal's cursor or break a line."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
