"""What a finished model can still learn from pictures with known places: how far to trust itself, and its selectors."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from graticule.decoding.calibration import Calibration
from graticule.decoding.candidates import Candidates
from graticule.decoding.select import Selector
from graticule.decoding.select.fusion import Fusion
from graticule.decoding.select.probability import LogProbability
from graticule.decoding.select.risk import MinimumRisk
from graticule.decoding.select.similarity import Similarity
from graticule.errors import InputError
from graticule.evaluation import calibration_fit
from graticule.evaluation.selection import fit_fusion, pool
from graticule.locator import BEAM_WIDTH, explore
from graticule.model import Model

__all__ = ["LEAST_PICTURES", "calibrate"]

LEAST_PICTURES: Final = 200
"""With half of them for circles, the one that holds the truth in 99 % of pictures is the widest of 100."""

_FUSED: Final = 4096
"""Pictures that are enough for the three weights of a fusion."""


def calibrate(
    model: Model, features: Tensor, lat_lon: NDArray[np.float64], *, fitted_on: str
) -> tuple[Calibration, Fusion]:
    """Fit a model's calibration and its fusion of selectors.

    Args:
        model: Its own calibration and fusion, if it has some, are passed over.
        features: (N, F) encoder features of pictures like those that will be asked about, and that it has not
            learned from, in no order that matters.
        lat_lon: Where they were taken, in degrees (N, 2).
        fitted_on: The pictures in words.

    Raises:
        InputError: There are fewer than `LEAST_PICTURES`, or places for another number of them.
    """
    if len(features) < LEAST_PICTURES:
        raise InputError(
            f"{fitted_on}: {len(features)} pictures are too few to calibrate on; give {LEAST_PICTURES} or more."
        )
    fitted = calibration_fit.fit(
        model.cell_model,
        model.query_of_features(features),
        lat_lon=lat_lon,
        name=model.config.name,
        fitted_on=fitted_on,
        alignment=model.alignment,
        mass=1.0,  # the density that a search of this width has seen
        width=BEAM_WIDTH,
    )
    selectors: dict[str, Selector] = {
        "log-probability": LogProbability(),
        "similarity": Similarity(model.alignment),
        "minimum-risk": MinimumRisk(),
    }
    # Candidates are those of the model as it now is.
    model = replace(model, calibration=fitted, fusion=None)
    few = slice(_FUSED)
    found = pool(model, features[few], lat_lon[few], traversal=_searched(model), selectors=selectors)
    return fitted, fit_fusion(found, model=model.config.name, fitted_on=f"beam candidates, {fitted_on}")


def _searched(model: Model) -> Any:
    """The candidates that `locate` chooses among, as a traversal."""

    def traversal(_: Any, query: Any, *, keys: Tensor) -> Candidates:
        return explore(model, query).candidates

    return traversal
