"""`graticule align`: carry frozen features to where places and names are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from graticule.cli.options import Config, Device, Features, Minutes, RunFolder

__all__ = ["align"]


def align(
    features: Features,
    *,
    out: RunFolder,
    config: Config = None,
    policy: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="How wrong places are weighed: [b]none[/b], [b]semivariogram[/b], ..."
        ),
    ] = None,
    beta_false: Annotated[
        float | None,
        typer.Option(metavar="X", help="How fast a near place that looks alike loses weight; else 4."),
    ] = None,
    beta_hard: Annotated[
        float | None,
        typer.Option(metavar="X", help="How fast a far place that looks alike gains weight; else 4."),
    ] = None,
    rho_km: Annotated[
        float | None,
        typer.Option(metavar="KM", help="What parts near from far; else the semivariogram's range."),
    ] = None,
    refit_every: Annotated[
        int | None,
        typer.Option(metavar="N", help="Fit the semivariogram to the vectors as they move, every N steps."),
    ] = None,
    text: Annotated[
        Path | None,
        typer.Option(
            metavar="CLIP",
            exists=True,
            file_okay=False,
            help="A local CLIP whose text tower reads the place names in FEATURES/shard-*.txt.",
        ),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(metavar="N", help="How many batches are learned from; else 5000.")
    ] = None,
    batch: Annotated[int | None, typer.Option(metavar="N", help="Pictures a step; else 512.")] = None,
    learning_rate: Annotated[
        float | None, typer.Option(metavar="X", help="At its highest; else 0.001.")
    ] = None,
    seed: Annotated[int | None, typer.Option(metavar="N", help="Of first weights and order; else 0.")] = None,
    device: Device = None,
    minutes: Minutes = float("inf"),
) -> None:
    """Train an alignment of frozen features with places and, where there are names, with names.

    FEATURES holds shard-*.safetensors with features (N, F) and lat_lon (N, 2), and maybe text (N, W). Run it again
    after an interruption: what is done is kept. `torchrun -m graticule align ...` trains on several processes.
    """
    from graticule.training.distributed import only_main
    from graticule.training.recipe import read_recipe
    from graticule.training.spaces import SpacesRecipe, align_folder

    given = {
        "policy": {"name": policy, "beta_false": beta_false, "beta_hard": beta_hard, "rho_km": rho_km},
        "refit_every": refit_every,
        "steps": steps,
        "batch": batch,
        "learning_rate": learning_rate,
        "seed": seed,
        "device": device,
    }
    recipe = read_recipe(SpacesRecipe, config, given)
    done = align_folder(features, out, recipe, clip=text, report=typer.echo, stop_after_s=60 * minutes)
    only_main(typer.echo)(f"finished: {out}" if done else "stopped; run the same command again to go on")
