"""What a model's probabilities are worth on pictures with known places: likelihood, coverage, ground, doubt.

A point may be right by luck; these figures ask whether the model knew. `graticule.evaluation.calibration` has each
of them for densities in memory; here they are taken over any number of pictures, and reduced to what a report shows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from graticule.decoding.calibration import Calibration
from graticule.earth.distance import EARTH_KM2
from graticule.evaluation.calibration import (
    Coverage,
    Outcomes,
    calibration_error,
    coverage_table,
    observe,
    recall_by_area,
    risk_by_coverage,
)
from graticule.evaluation.metrics import Estimate, bootstrap, interval
from graticule.locator import BEAM_WIDTH
from graticule.model import Model

__all__ = [
    "KNOWING_NOTHING",
    "Curve",
    "Probabilities",
    "Risk",
    "is_of_locate",
    "outcomes",
    "probabilities",
    "uncalibrated",
]

KNOWING_NOTHING: Final = math.log(EARTH_KM2)
"""Negative log-likelihood of an even spread over the Earth, in nats per km2: 20.05."""
_AREAS_KM2: Final = 10.0 ** np.arange(0, 8.75, 0.25)
_ANSWERED: Final = np.arange(5, 101, 5) / 100
_BATCH = 1024


@dataclass(frozen=True)
class Curve:
    """Points of a curve, left to right."""

    x: list[float]
    y: list[float]


@dataclass(frozen=True)
class Risk:
    """What is lost on the pictures that are answered, when the least sure are not."""

    curve: Curve
    """Share of pictures answered, those of the least entropy first, and their mean distance in km."""
    area: float
    """Under the curve, in km: its mean (AURC)."""
    best_area: float
    """Of one who knows the distances."""
    no_area: float
    """Of one whose doubts say nothing."""


@dataclass(frozen=True)
class Probabilities:
    """What the probabilities of one model are worth.

    Distances in it are great circles on a sphere, as everywhere in a density.
    """

    fitted_on: str
    """What its calibration was fitted on; "nothing" for the model as it is."""
    nll: Estimate
    """Mean negative log-likelihood of the truth per km2, in nats; an impossible truth counts as one of 1e-15."""
    median_nll: float
    """Its median."""
    coverage: list[Coverage]
    """How often regions of 50, 80, 90 and 95 % hold the truth, and how large they are."""
    regions: Curve
    """Share asked, and share of pictures whose region holds the truth."""
    circles: Curve
    """Share asked, and share of pictures whose circle holds the truth."""
    recall: Curve
    """Area searched in km2, and share of truths found in the densest cells of so much ground."""
    searched_km2: float
    """Ground to be searched in the median picture."""
    risk: Risk
    level_errors: dict[int, float]
    """S2 level -> expected calibration error of its most probable cell."""


def uncalibrated(model: Model) -> Calibration:
    """A model as it is: the density that `locate` makes of a search of `BEAM_WIDTH`, with nothing corrected."""
    return Calibration.none(model.cell_model, mass=1.0, width=BEAM_WIDTH)


def is_of_locate(calibration: Calibration) -> bool:
    """Whether the densities made under a calibration are those that `locate` makes, so that their points are too."""
    return (calibration.mass, calibration.width) == (1.0, BEAM_WIDTH)


def probabilities(seen: Outcomes) -> Probabilities:
    """What the densities of N pictures, held against the truth, come to."""
    asked = (np.arange(1, seen.region_covers.shape[1] + 1) / 100).tolist()
    areas, found = recall_by_area(seen.searched_km2)
    places = areas.searchsorted(_AREAS_KM2, side="right")
    recall = np.where(places > 0, found[np.maximum(places - 1, 0)], 0.0)
    return Probabilities(
        fitted_on=seen.calibration.fitted_on,
        nll=_mean(seen.nats),
        median_nll=float(np.median(seen.nats)),
        coverage=coverage_table(seen),
        regions=Curve(asked, seen.region_covers.mean(axis=0).tolist()),
        circles=Curve(asked, seen.circle_covers.mean(axis=0).tolist()),
        recall=Curve(_AREAS_KM2.tolist(), recall.tolist()),
        searched_km2=float(np.median(seen.searched_km2)),
        risk=_risk(seen),
        level_errors={
            level: calibration_error(said, was)
            for level, said, was in zip(seen.levels, seen.confidence.T, seen.right.T, strict=True)
        },
    )


@torch.inference_mode()
def outcomes(
    model: Model, features: Tensor, lat_lon: NDArray[np.float64], *, calibration: Calibration
) -> Outcomes:
    """`observe` over any number of pictures, a batch of queries in memory at a time.

    Args:
        model: Its cell model is judged.
        features: (N, F) encoder features.
        lat_lon: (N, 2) degrees, the truth.
        calibration: What to correct the model with, `uncalibrated(model)` for nothing.

    Raises:
        InputError: There are no pictures.
        ConfigError: The calibration is of a model with other tokens.
    """
    parts = [
        observe(
            calibration,
            model.cell_model,
            model.query_of_features(features[part]),
            lat_lon=lat_lon[part],
            alignment=model.alignment,
        )
        for part in _parts(len(features))
    ]
    arrays: dict[str, Any] = {
        column.name: np.concatenate([getattr(part, column.name) for part in parts])
        for column in fields(Outcomes)
        if isinstance(getattr(parts[0], column.name), np.ndarray)
    }
    return replace(parts[0], **arrays)


def _mean(values: NDArray[np.float64]) -> Estimate:
    """Their mean, with a 95 % bootstrap interval."""
    samples = bootstrap(
        lambda draw: values[draw].mean(axis=-1, keepdims=True), len(values), resamples=1000, seed=0
    )
    low, high = interval(samples, confidence=0.95)
    return Estimate(float(values.mean()), float(low[0]), float(high[0]))


def _risk(seen: Outcomes) -> Risk:
    curve = risk_by_coverage(seen.entropy_bits, seen.distance_km)
    rows = np.maximum(np.ceil(_ANSWERED * len(curve.risk)).astype(np.int64) - 1, 0)
    shown = Curve(_ANSWERED.tolist(), curve.risk[rows].tolist())
    return Risk(shown, area=curve.area, best_area=curve.best_area, no_area=curve.no_area)


def _parts(count: int) -> list[slice]:
    return [slice(start, start + _BATCH) for start in range(0, max(count, 1), _BATCH)]
