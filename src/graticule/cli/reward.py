"""`graticule reward`: teach a model which of its own samples are near the truth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from graticule.cli.options import Config, Device, Minutes, RunFolder

__all__ = ["reward"]


def reward(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="Whose samples are judged: a name or a folder.")
    ],
    *,
    out: RunFolder,
    source: Annotated[
        Literal["orbit"], typer.Option(help="Where pictures of known places come from.")
    ] = "orbit",
    features: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", exists=True, file_okay=False, help="Pictures of a folder of features instead."
        ),
    ] = None,
    index: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            exists=True,
            file_okay=False,
            help="Their index with neighbours, where they are those of MODEL's gallery.",
        ),
    ] = None,
    config: Config = None,
    views: Annotated[
        int | None, typer.Option(metavar="N", help="How many are learned from; else 16384.")
    ] = None,
    validation_views: Annotated[
        int | None, typer.Option(metavar="N", help="How many are judged on; else 2048.")
    ] = None,
    samples: Annotated[int | None, typer.Option(metavar="N", help="Drawn of each picture; else 10.")] = None,
    temperature: Annotated[
        float | None, typer.Option(metavar="X", help="They are drawn at; else 0.7.")
    ] = None,
    near_km: Annotated[
        float | None,
        typer.Option(metavar="KM", help="What is near; else 50 for views from above and 200 for photos."),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(metavar="N", help="How many batches are learned from; else 768.")
    ] = None,
    batch: Annotated[
        int | None, typer.Option(metavar="N", help="Pictures a step, each with all its samples; else 64.")
    ] = None,
    accumulate: Annotated[
        int | None, typer.Option(metavar="N", help="Parts a process computes a batch in; else 1.")
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(metavar="X", help="At its highest; else 0.0001.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="Of samples, first weights and order; else 0.")
    ] = None,
    device: Device = None,
    minutes: Minutes = float("inf"),
) -> None:
    """Train a reward model, which chooses among the candidates of MODEL, and say how well it tells near from far.

    Run it again after an interruption: what is done is kept. `torchrun -m graticule reward ...` draws and trains on
    several processes.
    """
    if index is not None and features is None:
        raise typer.BadParameter("--index goes with --features")
    from graticule.data.orbit.mosaic import Mosaic, training_mosaic_path
    from graticule.model import Model
    from graticule.training.distributed import only_main
    from graticule.training.recipe import read_recipe
    from graticule.training.reward import RewardRecipe, default_near_km, train_reward
    from graticule.training.reward_pictures import FeatureFolder, OrbitViews

    opened = Model.open(model)
    given = {
        "near_km": near_km,
        "views": views,
        "validation_views": validation_views,
        "samples": samples,
        "temperature": temperature,
        "batch": batch,
        "accumulate": accumulate,
        "steps": steps,
        "learning_rate": learning_rate,
        "seed": seed,
        "device": device,
    }
    recipe = read_recipe(RewardRecipe, config, given, otherwise={"near_km": default_near_km(opened)})
    if features is not None:
        pictures: FeatureFolder | OrbitViews = FeatureFolder(features, index)
    else:
        pictures = OrbitViews(Mosaic.open(training_mosaic_path()))
    done = train_reward(opened, pictures, out, recipe, report=typer.echo, stop_after_s=60 * minutes)
    only_main(typer.echo)(f"finished: {out}" if done else "stopped; run the same command again to go on")
