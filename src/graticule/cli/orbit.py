"""`graticule orbit`: the embedded world, a virtual camera over a mosaic of the Earth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

__all__ = ["app"]

app = typer.Typer(
    help="The embedded world: views of the Earth from above, with known coordinates.", no_args_is_help=True
)


@app.callback()
def _group() -> None:
    """Keeps `render` a command of its own while it is the only one."""


@app.command()
def render(
    *,
    mosaic: Annotated[
        Path, typer.Option(metavar="FILE", help="An equirectangular picture of the whole Earth.")
    ],
    views: Annotated[int, typer.Option(metavar="N", min=1, help="How many views.")],
    seed: Annotated[int, typer.Option(metavar="S", min=0, help="Another seed, other views.")],
    out: Annotated[
        Path, typer.Option(metavar="DIR", file_okay=False, help="Folder for pictures and tables.")
    ],
    layout: Annotated[
        Literal["folder", "im2gps", "yfcc4k", "mp16", "osv5m"],
        typer.Option(
            help="How data sets are published: names, tables, containers. Other than folder is JPEG."
        ),
    ] = "folder",
    size: Annotated[int, typer.Option(min=8, max=2048, help="Pixels on a side.")] = 64,
    plain: Annotated[
        bool, typer.Option("--plain", help="Without variation of light, haze and noise.")
    ] = False,
) -> None:
    """Write views of a mosaic, and truth.csv with where each looks (path, latitude, longitude).

    With [b]--layout[/b] they are laid out as a published data set, which [b]graticule data check[/b] and the commands
    that take a source read: im2gps is Im2GPS3k, mp16 is MP16-Pro, osv5m has a train and a test split.
    """
    from graticule.cli.progress import progress
    from graticule.data.orbit.folder import render_folder

    with progress("Rendering", total=views) as advance:
        render_folder(
            mosaic, out, views=views, seed=seed, size=size, plain=plain, layout=layout, progress=advance
        )
    typer.echo(f"{views} views and {'truth.csv' if layout == 'folder' else 'their tables'} in {out}")
