"""A calibration from few photos: what a few dozen teach is kept only if it holds for others."""

from __future__ import annotations

import numpy as np

from graticule.decoding.calibration import Calibration
from graticule.evaluation.calibration import observe
from graticule.evaluation.calibration_fit import conformal, fit
from graticule.evaluation.probabilistic import uncalibrated
from graticule.model import Model
from graticule.training.fit_choice import Part

__all__ = ["calibrate_on_few"]


def calibrate_on_few(model: Model, photos: Part) -> Calibration:
    """The calibration fitted on these photos, without its temperatures and blend if they do harm.

    Where a model is right on every one of thirty photos, they call for temperatures near 0, and the thirty-first
    photo would be impossible. So temperatures and blend, which `fit` learns from half of the photos, are held against
    the other half. If these are likelier under those that the model had, they stay as they were, and regions and
    circles alone are fitted, on all.

    Args:
        model: with its own calibration, if it has one.
        photos: not learned from.
    """
    # Photos come in the order of their names, which is that of time; `fit` takes every other one.
    order = np.random.default_rng(0).permutation(len(photos))
    query, lat_lon = model.query_of_features(photos.features[order]), photos.lat_lon[order]
    cells, alignment = model.cell_model, model.alignment
    about = {"name": model.config.name, "fitted_on": f"{len(photos)} of one's own photos"}
    before = uncalibrated(model)
    fitted = fit(
        cells, query, lat_lon=lat_lon, alignment=alignment, mass=before.mass, width=before.width, **about
    )
    if model.calibration is not None:
        had = {"temperatures": model.calibration.temperatures, "blend": model.calibration.blend}
        before = before.model_copy(update=had)
    seen = observe(before, cells, query, lat_lon=lat_lon, alignment=alignment)
    others = slice(1, None, 2)
    held = observe(fitted, cells, query[others], lat_lon=lat_lon[others], alignment=alignment)
    if held.nats.mean() <= seen.nats[others].mean():
        return fitted
    kept = {"temperatures": before.temperatures, "blend": before.blend}
    return fitted.model_copy(update={**kept, **conformal(seen)})
