"""`graticule write`: estimates into the metadata of pictures, and back out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from graticule.printable import printable

if TYPE_CHECKING:
    from rich.table import Table

    from graticule.metadata.results import Results
    from graticule.metadata.run import Outcome

__all__ = ["write"]

_LISTED: Final = 20


def write(
    results: Annotated[
        Path | None,
        typer.Argument(
            metavar="RESULTS", help="The JSON lines that `graticule locate` wrote; reviewed or not."
        ),
    ] = None,
    *,
    really: Annotated[
        bool,
        typer.Option("--write", help="Write. Without it, nothing is changed: it only says what would be."),
    ] = False,
    folder: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            exists=True,
            file_okay=False,
            help="Where the paths of the results start, else here; nothing outside it is touched.",
        ),
    ] = None,
    in_place: Annotated[
        bool,
        typer.Option(
            "--in-place", help="Into the pictures by exiftool, with a backup of each; else into sidecars."
        ),
    ] = False,
    sidecars: Annotated[
        Literal["full", "stem"],
        typer.Option(help="Called [b]full[/b], picture.jpg.xmp, or by the [b]stem[/b], picture.xmp."),
    ] = "full",
    min_confidence: Annotated[
        float | None,
        typer.Option(metavar="P", min=0.01, max=0.99, help="Only what is this probable within --radius."),
    ] = None,
    radius: Annotated[
        float | None, typer.Option(metavar="KM", min=0, help="The distance that --min-confidence is about.")
    ] = None,
    max_radius: Annotated[
        float | None, typer.Option(metavar="KM", min=0, help="Only estimates that are 90 % within this.")
    ] = None,
    reviewed_only: Annotated[
        bool, typer.Option("--reviewed-only", help="Only what a person confirmed or moved.")
    ] = False,
    undo: Annotated[
        Path | None,
        typer.Option(metavar="JOURNAL", dir_okay=False, help="Bring back what was before, byte by byte."),
    ] = None,
    format: Annotated[
        Literal["table", "json"], typer.Option(help="JSON lists every picture; the table begins to.")
    ] = "table",
) -> None:
    """Write estimates into metadata: XMP sidecars, or the pictures themselves. A dry run unless --write is given.

    What has a position is left alone, always. What is written says that it is an estimate, and how sure. Before
    anything is changed it is noted in a journal beside RESULTS, NAME.write-journal.jsonl, for --undo.

    Exit status 1 if a picture was refused, or a line could not be read; the others are written.
    """
    if (results is None) == (undo is None):
        raise typer.BadParameter("give either RESULTS, or --undo JOURNAL")
    if (min_confidence is None) != (radius is None):
        raise typer.BadParameter("give --min-confidence and --radius together, or neither")
    if undo is not None:
        raise typer.Exit(_undo(undo, format))

    from graticule.cli.progress import progress
    from graticule.metadata.decide import Rules
    from graticule.metadata.results import read_results
    from graticule.metadata.run import Manner
    from graticule.metadata.run import write as run

    assert results is not None
    read = read_results(results)
    rules = Rules(min_confidence, radius, max_radius, reviewed_only)
    manner = Manner(folder, in_place, sidecars)
    try:
        with progress("Writing" if really else "Looking", total=len(read.answers)) as advance:
            outcomes = list(run(read, rules, manner, dry_run=not really, progress=advance))
    except KeyboardInterrupt:
        if really:
            typer.echo(f"graticule: stopped; the same command goes on. {_way_back(results)}", err=True)
        raise
    if format == "json":
        _print_json(read, outcomes, really)
    else:
        _print_table(read, outcomes, really)
    refused = any(outcome.action == "refuse" for outcome in outcomes)
    raise typer.Exit(1 if refused or read.problems else 0)


def _print_json(results: Results, outcomes: list[Outcome], really: bool) -> None:
    import json

    from graticule.metadata.journal import journal_path

    pictures = [_as_json(outcome) for outcome in outcomes]
    problems = [{"line": problem.line, "message": problem.what} for problem in results.problems]
    journal = str(journal_path(results.path)) if really and _count(outcomes, "write") else None
    content = {"dry_run": not really, "journal": journal, "pictures": pictures, "problems": problems}
    typer.echo(json.dumps(content, ensure_ascii=False, indent=1))


def _as_json(outcome: Outcome) -> dict[str, Any]:
    shown: dict[str, Any] = {"line": outcome.line, "path": outcome.path, "action": outcome.action}
    if outcome.placement is None:
        return shown | {"why": outcome.why}
    return shown | {
        "target": str(outcome.target),
        "latitude": outcome.placement.latitude,
        "longitude": outcome.placement.longitude,
        "radius_km": outcome.placement.radius_km,
        "review": outcome.placement.review,
    }


def _print_table(results: Results, outcomes: list[Outcome], really: bool) -> None:
    """What is written to stdout; what is refused to stderr, as other commands have it."""
    from graticule.cli.present import show_table

    written = [outcome for outcome in outcomes if outcome.action == "write"]
    if written:
        show_table(_table_of(written[:_LISTED]))
    if len(written) > _LISTED:
        typer.echo(f"and {len(written) - _LISTED:,} more")
    such_as = f", such as {written[0].target}" if written else ""
    typer.echo(f"{len(written):,} {'written' if really else 'to be written'}{such_as}")
    for why, count in _reasons(outcomes):
        typer.echo(f"{count:,} left alone: {why}")
    _report([(o.path, o.why) for o in outcomes if o.action == "refuse"], "refused")
    _report([(f"{results.path}, line {p.line}", p.what) for p in results.problems], "malformed")
    if written and really:
        typer.echo(_way_back(results.path))
    elif written:
        typer.echo("graticule: a dry run, nothing was changed; --write writes", err=True)


def _way_back(results: Path) -> str:
    """What to type to undo, fit to be pasted."""
    import shlex

    from graticule.metadata.journal import journal_path

    return f"To take it back: graticule write --undo {shlex.quote(str(journal_path(results)))}"


def _table_of(written: list[Outcome]) -> Table:
    from rich.table import Table
    from rich.text import Text

    from graticule.earth.notation import format_km, format_place

    table = Table(header_style="bold", pad_edge=False, box=None)
    table.add_column("Picture", overflow="fold")
    table.add_column("Position", no_wrap=True)
    table.add_column("90 % within", justify="right", no_wrap=True)
    table.add_column("Reviewed", no_wrap=True)
    for outcome in written:
        placed = outcome.placement
        assert placed is not None  # of what is written
        table.add_row(
            Text(printable(outcome.path)),  # a file may be called "[red]"
            format_place(placed.latitude, placed.longitude),
            "" if placed.radius_km is None else format_km(placed.radius_km),
            placed.review or "",
        )
    return table


def _report(refused: list[tuple[str, str]], word: str) -> None:
    for name, why in refused[:_LISTED]:
        typer.echo(printable(f"{word}  {name}: {why}"), err=True)
    if len(refused) > _LISTED:
        typer.echo(f"{word}  and {len(refused) - _LISTED:,} more; --format json has all", err=True)


def _count(outcomes: list[Outcome], action: str) -> int:
    return sum(outcome.action == action for outcome in outcomes)


def _reasons(outcomes: list[Outcome]) -> list[tuple[str, int]]:
    """Why pictures are left alone, the most frequent first."""
    from collections import Counter

    return Counter(outcome.why for outcome in outcomes if outcome.action == "leave").most_common()


def _undo(journal: Path, format: str) -> int:
    """Undo, say so, and give the exit status."""
    import json

    from graticule.metadata.undo import undo

    outcomes = list(undo(journal))
    refused = [(outcome.path, outcome.why) for outcome in outcomes if outcome.action == "refuse"]
    if format == "json":
        files = [{"path": o.path, "action": o.action, "why": o.why} for o in outcomes]
        typer.echo(json.dumps({"journal": str(journal), "files": files}, ensure_ascii=False, indent=1))
    else:
        typer.echo(
            f"as before: {len(outcomes) - len(refused):,} of {len(outcomes):,} files that were changed"
        )
        _report(refused, "refused")
    return 1 if refused else 0
