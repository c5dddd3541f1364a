"""Whether one geolocator is better than another on the same pictures.

The pictures differ in difficulty far more than two systems do on one picture, so intervals of two
systems may overlap although one is plainly better. Here each resample draws the same pictures for both
and takes the difference, which cancels the difficulty (paired bootstrap; Efron and Tibshirani 1993).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from graticule.errors import InputError
from graticule.evaluation.metrics import (
    THRESHOLDS_KM,
    Estimate,
    bootstrap,
    checked_distances,
    interval,
    statistics,
)

__all__ = ["Comparison", "Difference", "paired_difference"]


@dataclass(frozen=True)
class Difference(Estimate):
    """The first system's figure less the second's, and the interval it lies in."""

    @property
    def clear_of_zero(self) -> bool:
        """Whether the whole interval is on one side of zero: the systems differ in this figure."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class Comparison:
    """How much two systems differ on the same pictures, each figure the first's less the second's."""

    count: int
    """Number of pictures."""
    within: Mapping[float, Difference]
    """Difference of the fractions nearer than each threshold, in km: positive when the first is better."""
    median_km: Difference
    """Difference of the median distances: negative when the first is better."""
    mean_km: Difference
    """Difference of the mean distances: negative when the first is better."""
    geoscore: Difference
    """Difference of the mean GeoScores: positive when the first is better."""


def paired_difference(
    a_km: ArrayLike,
    b_km: ArrayLike,
    *,
    thresholds: Sequence[float] = THRESHOLDS_KM,
    inclusive: bool = False,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Comparison:
    """Differences a - b of every figure of `metrics.summarise`, with paired bootstrap intervals.

    Many figures are compared at once: at 0.95, one in twenty is clear of zero by chance alone.

    Args:
        a_km: Distances between the first system's answers and the truths in km (N,).
        b_km: Those of the second system's answers to the same pictures, in the same order (N,).
        thresholds: Distances in km.
        inclusive: Whether within means `<=` instead of `<`.
        resamples: How many times the pictures are drawn again.
        confidence: Share of the resamples that an interval holds.
        seed: Seed of the draws; the same seed gives the same intervals.

    Raises:
        InputError: The numbers of distances differ or are zero, or one is negative, infinite or NaN.
        ConfigError: `resamples` is not positive, or `confidence` not between 0 and 1.
    """
    a, b = checked_distances(a_km), checked_distances(b_km)
    if len(a) != len(b):
        raise InputError(f"{len(a)} and {len(b)} distances: compare two systems on the same pictures")

    def figures(km: NDArray[np.float64]) -> NDArray[np.float64]:
        return statistics(km, thresholds=thresholds, inclusive=inclusive)

    def differences(draw: NDArray[np.int64]) -> NDArray[np.float64]:
        return figures(a[draw]) - figures(b[draw])

    values = differences(np.arange(len(a)))
    samples = bootstrap(differences, len(a), resamples=resamples, seed=seed)
    low, high = interval(samples, confidence=confidence)
    *within, median, mean, score = map(Difference, values.tolist(), low.tolist(), high.tolist())
    return Comparison(
        count=len(a),
        within=dict(zip(thresholds, within, strict=True)),
        median_km=median,
        mean_km=mean,
        geoscore=score,
    )
