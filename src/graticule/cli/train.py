"""`graticule train`: make a model folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["app"]

app = typer.Typer(
    help="Train models; every stage can be stopped and goes on where it was.", no_args_is_help=True
)


@app.callback()
def _group() -> None:
    """Keeps `orbit` a command of its own while it is the only one."""


@app.command()
def orbit(
    *,
    out: Annotated[
        Path, typer.Option(metavar="DIR", file_okay=False, help="The model folder to write.")
    ] = Path("models/orbit"),
    run: Annotated[
        Path, typer.Option(metavar="DIR", file_okay=False, help="Keeps checkpoints, features and logs.")
    ] = Path("runs/orbit"),
    recipe: Annotated[
        Path | None,
        typer.Option(
            metavar="JSON", dir_okay=False, exists=True, help="Settings other than the shipped model's."
        ),
    ] = None,
    minutes: Annotated[
        float, typer.Option(metavar="N", min=0, help="Stop, resumable, after so long; run again to go on.")
    ] = float("inf"),
) -> None:
    """Train the shipped model: alignment, features, baseline and GeoToken, then the model folder.

    Takes some hours on two cores. Run it again after an interruption: what is done is kept.
    """
    from graticule.training.orbit import read_recipe, train_orbit

    done = train_orbit(read_recipe(recipe), run, out, report=typer.echo, stop_after_s=60 * minutes)
    typer.echo(f"finished: {out}" if done else "stopped; run the same command again to go on")
