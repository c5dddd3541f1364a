"""`graticule demo`: the example pictures on a map."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["demo"]


def demo(
    *,
    examples: Annotated[
        Path,
        typer.Option(metavar="DIR", exists=True, file_okay=False, help="Holds truth.csv and its pictures."),
    ] = Path("examples"),
    out: Annotated[
        Path, typer.Option(metavar="DIR", file_okay=False, help="Folder for maps and index.html.")
    ] = Path("demo"),
    model: Annotated[str, typer.Option(metavar="NAME|FOLDER", help="Which model answers.")] = "orbit",
) -> None:
    """Locate the example pictures, and draw a map of each beside the truth."""
    from graticule.cli.present import show_table
    from graticule.cli.progress import progress
    from graticule.demo import run

    with progress("Drawing", total=0) as advance:
        shown = run(examples, out, model=model, progress=advance)
    show_table(shown.table)
    typer.echo(f"\nMaps: {shown.page}")
