"""`graticule evaluate`: how far off is a model?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from graticule.cli.options import CHOOSING, RewardFolder

__all__ = ["evaluate"]


def evaluate(
    path: Annotated[
        Path | None,
        typer.Argument(
            metavar="PATH", exists=True, file_okay=False, help="Folder of the source; none for orbit."
        ),
    ] = None,
    *,
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME|FOLDER",
            help="Which model is judged; may be given again, to compare.",
            show_default="orbit",
        ),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Judge on views of the embedded world (orbit), or on im2gps3k, yfcc4k, mp16, osv5m or folder at PATH.",
        ),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Which part of the source; of orbit validation or test (default)."),
    ] = None,
    views: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="How many views of orbit.", show_default="10,000")
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
    features: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            exists=True,
            file_okay=False,
            help="Judge on what [b]graticule extract[/b] made with the models' encoder: no picture is read.",
        ),
    ] = None,
    distance: Annotated[
        Literal["haversine", "geodesic"],
        typer.Option(help="On a sphere (and < a threshold), or on the WGS84 ellipsoid (and <=)."),
    ] = "haversine",
    places: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV|FEATURES",
            exists=True,
            help="Labelled places, such as the training split: names regions and cities of answers, and authors.",
        ),
    ] = None,
    audit: Annotated[
        bool, typer.Option("--audit", help="Judge again without gallery rows that leak, and say both.")
    ] = False,
    near_cosine: Annotated[
        float | None,
        typer.Option(metavar="C", min=-1, max=1, help="Vectors this alike leak.", show_default="0.98"),
    ] = None,
    near_km: Annotated[
        float | None, typer.Option(metavar="KM", min=0, help="Places this near leak.", show_default="0.1")
    ] = None,
    select: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Judge, beside the model's own answers, those chosen among candidates by log-probability, similarity, "
            "minimum-risk, reward or fusion.",
            rich_help_panel=CHOOSING,
        ),
    ] = None,
    decode: Annotated[
        Literal["beam", "sample"],
        typer.Option(help="Where the candidates of --select come from.", rich_help_panel=CHOOSING),
    ] = "beam",
    samples: Annotated[
        int,
        typer.Option(
            metavar="N", min=1, help="Places that [b]sample[/b] draws a picture.", rich_help_panel=CHOOSING
        ),
    ] = 30,
    temperature: Annotated[
        float, typer.Option(metavar="X", help="Below 1 for likelier places.", rich_help_panel=CHOOSING)
    ] = 0.7,
    reward: RewardFolder = None,
    format: Annotated[Literal["table", "json"], typer.Option(help="What is written.")] = "table",
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", dir_okay=False, help="Write here, whole or not at all.")
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.html", dir_okay=False, help="Write a page with charts, maps and misses too."
        ),
    ] = None,
) -> None:
    """Compare models with baselines, and with each other, on pictures whose places are known.

    [b]--source orbit[/b], or [b]--source NAME PATH[/b], or [b]--images DIR --truth CSV[/b], or
    [b]--features DIR[/b].
    """
    if not audit and (near_cosine, near_km) != (None, None):
        raise typer.BadParameter("--near-cosine and --near-km say what --audit looks for: give it too")
    if select is None and (decode, reward) != ("beam", None):
        raise typer.BadParameter("--decode and --reward are about candidates to choose among: give --select")
    if decode != "sample" and (samples, temperature) != (30, 0.7):
        raise typer.BadParameter("--samples and --temperature want --decode sample")

    import json
    from dataclasses import replace

    from graticule.cli.present import show_table
    from graticule.cli.progress import progress
    from graticule.data.orbit.mosaic import Mosaic
    from graticule.decoding.sample import Sampling
    from graticule.evaluation.leakage import Nearness
    from graticule.evaluation.methods import Choice
    from graticule.evaluation.places import PlaceTable
    from graticule.evaluation.report import Settings, compare_models, find_pictures
    from graticule.output import atomic_text

    for written in (report, output):
        if written is not None:
            _see_that_it_can_be_written(written)
    pictures = find_pictures(
        source,
        path,
        split=split,
        views=views,
        images=images,
        truth=truth,
        mosaic=None if mosaic is None else Mosaic.open(mosaic),
        features=features,
    )
    given = {"cosine": near_cosine, "km": near_km}
    nearness = replace(Nearness(), **{name: value for name, value in given.items() if value is not None})
    drawn = Sampling(count=samples, temperature=temperature)
    settings = Settings(
        distance=distance,
        places=None if places is None else PlaceTable.read(places),
        audit=nearness if audit else None,
        choice=None if select is None else Choice(select, drawn if decode == "sample" else None, reward),
    )
    with progress("Judging", total=len(pictures.ids)) as advance:
        found = compare_models(model or ["orbit"], pictures, settings=settings, progress=advance)
    if report is not None:
        from graticule.figures.report import report_page

        with atomic_text(report) as stream:
            stream.write(report_page(found))
    if format == "table":
        show_table(*found.table(), output=output)
        return
    text = json.dumps(found.to_dict(), indent=2)
    if output is None:
        typer.echo(text)
    else:
        with atomic_text(output) as stream:
            stream.write(text + "\n")


def _see_that_it_can_be_written(path: Path) -> None:
    """Better now than after hours of encoding."""
    import os

    from graticule.errors import InputError

    plain = path.is_file() or not path.exists()  # pipes and devices are written to as they are
    if plain and not os.access(path.resolve().parent, os.W_OK):
        raise InputError(f"{path}: can't be written; make its folder, or name another file.")
