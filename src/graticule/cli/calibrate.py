"""`graticule calibrate`: teach a model how far to trust itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

__all__ = ["calibrate"]


def calibrate(
    model: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="A model folder; what is learnt is kept in it.")
    ],
    *,
    source: Annotated[
        Literal["orbit"] | None, typer.Option(help="Fit on views of the embedded world.")
    ] = None,
    views: Annotated[int, typer.Option(metavar="N", min=1, help="How many views of the source.")] = 16_384,
    images: Annotated[
        Path | None,
        typer.Option(metavar="DIR", exists=True, file_okay=False, help="Fit on these pictures."),
    ] = None,
    truth: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV", exists=True, dir_okay=False, help="Their places: path, latitude, longitude."
        ),
    ] = None,
) -> None:
    """Fit a model's probabilities, circles and fusion of selectors on pictures whose places are known.

    Either [b]--source orbit[/b], or [b]--images DIR --truth CSV[/b]: pictures like those it will be asked about, and
    none that it has learned from. FOLDER gets calibration.json, familiarity.json and fusion.json, which
    [b]graticule locate[/b] follows.
    """
    if (source is None) == (images is None) or (images is None) != (truth is None):
        raise typer.BadParameter("give either --source orbit, or --images DIR together with --truth CSV")

    import numpy as np

    from graticule.cli.progress import progress
    from graticule.data.orbit.mosaic import Mosaic, training_mosaic_path
    from graticule.evaluation.familiarity_fit import Looks
    from graticule.evaluation.pictures import OrbitPictures, Pictures, TruthPictures, encode
    from graticule.model import CALIBRATION, FAMILIARITY, FUSION, Model
    from graticule.store import add_texts
    from graticule.training.calibrate import calibrate as fit
    from graticule.training.orbit import CALIBRATION_VIEW

    opened = Model.open(model)
    pictures: Pictures
    if images is not None and truth is not None:
        pictures = TruthPictures(truth, images)
    else:
        pictures = OrbitPictures(Mosaic.open(training_mosaic_path()), "validation", views, CALIBRATION_VIEW)
    looks = Looks()
    with progress("Encoding", total=len(pictures.ids)) as advance:
        features, rows = encode(pictures, opened.encoder, look=looks.add, progress=advance)
    # Files of a folder may be in order of time and place; halves of it must be alike.
    order = np.random.default_rng(0).permutation(len(rows))
    lat_lon, fitted_on = pictures.lat_lon[rows[order]], f"{len(rows)} {pictures.words}"
    calibration, fusion = fit(opened, features[order], lat_lon, fitted_on=fitted_on)
    known = looks.fit(name=opened.config.name, fitted_on=fitted_on)
    add_texts(
        model,
        {CALIBRATION: calibration.to_json(), FAMILIARITY: known.to_json(), FUSION: fusion.to_json()},
    )
    blend = calibration.blend
    typer.echo(f"{model}: calibrated on {calibration.fitted_on}")
    typer.echo(f"  temperatures {', '.join(f'{t:.2f}' for t in calibration.temperatures)}")
    typer.echo(
        "  the alignment has nothing to add"
        if blend is None
        else f"  cells to the power {blend.cells:.2f}, the alignment to {blend.similarity:.2f}, from level "
        f"{blend.coarsest_level}"
    )
    circle = calibration.circles[89]
    typer.echo(
        "  no circle short of the Earth is known to hold 90 %"
        if circle is None
        else f"  circles of 90 % are {circle:.2f} times as wide"
    )
    typer.echo(
        "  too few pictures to tell what is unlike them"
        if known.farthest is None
        else "  of pictures less like these than 999 in 1,000 are, nothing will be known"
    )
