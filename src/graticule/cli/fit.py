"""`graticule fit`: a model of one's own photos."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from graticule.cli.options import Minutes

__all__ = ["fit"]


def fit(
    folder: Annotated[
        Path,
        typer.Argument(metavar="FOLDER", help="Your photos, and those in folders below; they are only read."),
    ],
    *,
    out: Annotated[
        Path,
        typer.Option(
            metavar="MODEL",
            file_okay=False,
            help="The model folder to write; its run/ keeps what is finished.",
        ),
    ],
    truth: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV",
            exists=True,
            dir_okay=False,
            help="Where they were taken: path,latitude,longitude. Else such a table in FOLDER says it, or their EXIF.",
        ),
    ] = None,
    encoder: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FOLDER",
            help="The model that is built upon; the one that answers by default if not given.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Of the split and of learning.")] = 0,
    minutes: Minutes = float("inf"),
) -> None:
    """Fit a model to your own photos, from 200 with a known place upward, and judge it fairly.

    MODEL is for `graticule locate --model MODEL`; its MODEL_CARD.md says how good it is. It holds the coordinates of
    your photos. Nothing is sent anywhere. Run it again after an interruption: what is done is kept.
    """
    from graticule.cli.progress import progress
    from graticule.training.fit import fit_folder

    done = fit_folder(
        folder,
        out,
        truth=truth,
        encoder=encoder,
        seed=seed,
        report=typer.echo,
        progress=partial(progress, total=0),
        stop_after_s=60 * minutes,
    )
    typer.echo(f"finished: {out}" if done else "stopped; run the same command again to go on")
