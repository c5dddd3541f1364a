"""`graticule train`: make a model folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from graticule.cli.options import Device, Features, Minutes

__all__ = ["app"]

app = typer.Typer(
    help="Train models; every stage can be stopped and goes on where it was.", no_args_is_help=True
)


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
    minutes: Minutes = float("inf"),
) -> None:
    """Train the shipped model: alignment, features, baseline and GeoToken, then the model folder.

    Takes some hours on two cores. Run it again after an interruption: what is done is kept.
    """
    from graticule.training.orbit import read_recipe, train_orbit

    done = train_orbit(read_recipe(recipe), run, out, report=typer.echo, stop_after_s=60 * minutes)
    typer.echo(f"finished: {out}" if done else "stopped; run the same command again to go on")


@app.command()
def geotoken(
    features: Features,
    *,
    index: Annotated[
        Path,
        typer.Option(
            metavar="DIR",
            exists=True,
            file_okay=False,
            help="Their index, made with the alignment and with neighbours; it becomes the model's gallery.",
        ),
    ],
    alignment: Annotated[
        str, typer.Option(metavar="MODEL|FOLDER", help="What `graticule align` wrote, or a model.")
    ],
    out: Annotated[
        Path,
        typer.Option(metavar="DIR", file_okay=False, help="The model folder; its run/ keeps checkpoints."),
    ],
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="YAML",
            exists=True,
            dir_okay=False,
            help="Settings, such as configs/geotoken-paper.yaml; what is given beside it wins over them.",
        ),
    ] = None,
    encoder: Annotated[
        str | None,
        typer.Option(metavar="NAME|FOLDER", help="Whose features these are; else what extract.json names."),
    ] = None,
    epochs: Annotated[
        float | None, typer.Option(metavar="N", help="How often each picture is learned from; else 10.")
    ] = None,
    batch: Annotated[int | None, typer.Option(metavar="N", help="Pictures a step; else 512.")] = None,
    accumulate: Annotated[
        int | None, typer.Option(metavar="N", help="Parts a process computes a batch in; else 1.")
    ] = None,
    seed: Annotated[int | None, typer.Option(metavar="N", help="Of first weights and order; else 0.")] = None,
    device: Device = None,
    minutes: Minutes = float("inf"),
) -> None:
    """Train GeoToken on FEATURES and write a model that `graticule locate` takes.

    Run it again after an interruption: what is done is kept. `torchrun -m graticule train geotoken ...` trains on
    several processes.
    """
    from graticule.training.distributed import only_main
    from graticule.training.geotoken_folder import GeoTokenRecipe, train_geotoken
    from graticule.training.recipe import read_recipe

    given = {"epochs": epochs, "batch": batch, "accumulate": accumulate, "seed": seed, "device": device}
    done = train_geotoken(
        features,
        out,
        read_recipe(GeoTokenRecipe, config, given),
        index=index,
        alignment=alignment,
        encoder=encoder,
        report=typer.echo,
        stop_after_s=60 * minutes,
    )
    only_main(typer.echo)(f"finished: {out}" if done else "stopped; run the same command again to go on")


@app.command()
def gallery(
    features: Features,
    *,
    alignment: Annotated[
        str, typer.Option(metavar="MODEL|FOLDER", help="What `graticule align` wrote, or a model.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", file_okay=False, help="The model folder to write.")],
    places: Annotated[
        int, typer.Option(metavar="N", min=1, help="Places it may answer with, at most; drawn from FEATURES.")
    ] = 100_000,
    encoder: Annotated[
        str | None,
        typer.Option(metavar="NAME|FOLDER", help="Whose features these are; else what extract.json names."),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Of the draw.")] = 0,
) -> None:
    """Make a model of an alignment that answers with known places, as GeoCLIP does; nothing is learned."""
    from graticule.training.gallery_folder import make_gallery_model

    make_gallery_model(
        features, out, alignment=alignment, places=places, encoder=encoder, seed=seed, report=typer.echo
    )
    typer.echo(f"finished: {out}")
