"""`graticule evaluate`: how far off is a model?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

__all__ = ["evaluate"]


def evaluate(
    *,
    model: Annotated[str, typer.Option(metavar="NAME|FOLDER", help="Which model is judged.")] = "orbit",
    source: Annotated[
        Literal["orbit"] | None, typer.Option(help="Judge on views of the embedded world.")
    ] = None,
    split: Annotated[Literal["validation", "test"], typer.Option(help="Which views of the source.")] = "test",
    views: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="How many views of the source.")
    ] = None,
    mosaic: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="What views of orbit look at: an equirectangular picture of the Earth.",
        ),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(metavar="DIR", exists=True, file_okay=False, help="Judge on these pictures."),
    ] = None,
    truth: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV", exists=True, dir_okay=False, help="Their places: path, latitude, longitude."
        ),
    ] = None,
    distance: Annotated[
        Literal["haversine", "geodesic"],
        typer.Option(help="On a sphere (and < a threshold), or on the WGS84 ellipsoid (and <=)."),
    ] = "haversine",
    format: Annotated[Literal["table", "json"], typer.Option(help="What is written.")] = "table",
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", dir_okay=False, help="Write here, whole or not at all.")
    ] = None,
) -> None:
    """Compare a model with baselines on pictures whose places are known.

    Either [b]--source orbit[/b], or [b]--images DIR --truth CSV[/b].
    """
    if (source is None) == (images is None) or (images is None) != (truth is None):
        raise typer.BadParameter("give either --source orbit, or --images DIR together with --truth CSV")

    if mosaic is not None and source != "orbit":
        raise typer.BadParameter("--mosaic is what views look at: give it with --source orbit")

    import json

    from graticule.cli.present import show_table
    from graticule.cli.progress import progress
    from graticule.data.orbit.mosaic import Mosaic
    from graticule.evaluation.report import evaluate as judge
    from graticule.output import atomic_text

    with progress("Judging", total=views or 0) as advance:
        report = judge(
            model,
            source=source,
            split=split,
            views=views,
            mosaic=None if mosaic is None else Mosaic.open(mosaic),
            images=images,
            truth=truth,
            distance=distance,
            progress=advance,
        )
    if format == "table":
        show_table(report.table(), output=output)
        return
    text = json.dumps(report.to_dict(), indent=2)
    if output is None:
        typer.echo(text)
    else:
        with atomic_text(output) as stream:
            stream.write(text + "\n")
