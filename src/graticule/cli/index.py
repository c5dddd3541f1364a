"""`graticule index`: what finds the pictures most like a query."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from graticule.cli.options import Features, Minutes

__all__ = ["index"]


def index(
    features: Features,
    *,
    out: Annotated[
        Path,
        typer.Option(metavar="DIR", file_okay=False, help="The folder to write; its building/ is temporary."),
    ],
    alignment: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL|FOLDER",
            help="Whose image vectors are indexed: a model's, or an alignment's; else the features themselves.",
        ),
    ] = None,
    spaces: Annotated[
        str,
        typer.Option(
            metavar="NAMES",
            help="Which vectors of the alignment: location, or all it has, as in image,location,text.",
        ),
    ] = "location",
    kind: Annotated[
        Literal["auto", "exact", "ivfpq"],
        typer.Option(
            help="How it is searched: exact compares with all; auto does so up to 100,000 pictures."
        ),
    ] = "auto",
    neighbours: Annotated[
        int | None,
        typer.Option(
            metavar="K", min=1, help="Also find the K nearest others of every picture, for training."
        ),
    ] = None,
    duplicate_cosine: Annotated[
        float,
        typer.Option(metavar="X", min=-1, max=1, help="No neighbours: pictures as alike as this and near."),
    ] = 0.98,
    duplicate_m: Annotated[float, typer.Option(metavar="M", min=0, help="What near is, in metres.")] = 100.0,
    minutes: Minutes = float("inf"),
) -> None:
    """Index the pictures of FEATURES, as `graticule extract` leaves them, for search and for training.

    Run it again after an interruption, whatever it was: what is done is kept. A picture's neighbours leave out itself,
    those of its own author or sequence, and those that look alike and lie near.
    """
    from graticule.retrieval.neighbours import NeighbourConfig
    from graticule.training.index import index_folder

    wanted = None
    if neighbours is not None:
        wanted = NeighbourConfig(
            count=neighbours, duplicate_cosine=duplicate_cosine, duplicate_km=duplicate_m / 1000
        )
    done = index_folder(
        features,
        out,
        alignment=alignment,
        spaces=spaces.split(","),
        kind=kind,
        neighbours=wanted,
        report=typer.echo,
        stop_after_s=60 * minutes,
    )
    typer.echo(f"finished: {out}" if done else "stopped; run the same command again to go on")
