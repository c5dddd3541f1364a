"""How far off a geolocator is: accuracy within distances, median, mean and GeoScore.

All of it is computed from the distances between answers and truths. Which distance, and whether a picture
exactly as far off as a threshold counts, is the `Ruler`'s to say (`graticule.evaluation.rulers`); where nothing is
said, it is the great circle on a sphere of 6371 km, and `<`, as OSV-5M has it.

Every figure comes with a percentile bootstrap interval (Efron 1979): the pictures are drawn again with
replacement, many times, and the interval holds the middle of what the figure then is. It tells how far
the figure would move with other pictures of the same kind, not whether these pictures are a fair sample.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from graticule.errors import ConfigError, InputError

__all__ = [
    "GEOSCORE_SCALE_KM",
    "PUBLISHED_KM",
    "THRESHOLDS_KM",
    "Estimate",
    "Summary",
    "bootstrap",
    "checked_distances",
    "geoscore",
    "interval",
    "statistics",
    "summarise",
]

THRESHOLDS_KM = (25, 50, 100, 200, 750, 2500)
"""Distances within which accuracy is given for views from above, which nobody can place within a street."""

PUBLISHED_KM = (1, 25, 200, 750, 2500)
"""Those of the field's tables: street, city, region, country, continent."""

GEOSCORE_SCALE_KM = 1492.7
"""Distance over which a GeoScore falls to 1/e, in km (OSV-5M, sec. 4)."""

# Pictures drawn in one go, which bounds memory to some tens of megabytes whatever the number of pictures.
_DRAWS = 1 << 20


@dataclass(frozen=True)
class Estimate:
    """A figure and the interval it lies in."""

    value: float
    """The figure on the pictures as they are."""
    low: float
    """Lower end of the interval."""
    high: float
    """Upper end of the interval."""


@dataclass(frozen=True)
class Summary:
    """How far off the answers to a set of pictures are."""

    count: int
    """Number of pictures."""
    within: Mapping[float, Estimate]
    """Fraction of pictures nearer to the truth than each threshold, in km."""
    median_km: Estimate
    """Median distance."""
    mean_km: Estimate
    """Mean distance."""
    geoscore: Estimate
    """Mean GeoScore, 0 to 5000."""


def geoscore(distance_km: ArrayLike) -> NDArray[np.float64]:
    """GeoScore of each answer: 5000 exp(-d / 1492.7), the score of a guessing game (OSV-5M, sec. 4).

    Args:
        distance_km: Distances between answers and truths in km (N,).

    Returns:
        Scores (N,), from 5000 at no distance towards 0.
    """
    return 5000 * np.exp(np.asarray(distance_km, dtype=np.float64) / -GEOSCORE_SCALE_KM)


def summarise(
    distance_km: ArrayLike,
    *,
    thresholds: Sequence[float] = THRESHOLDS_KM,
    inclusive: bool = False,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Summary:
    """Accuracy within each threshold, median, mean and GeoScore, with intervals.

    Args:
        distance_km: Distances between answers and truths in km (N,).
        thresholds: Distances in km.
        inclusive: Whether within means `<=` instead of `<`.
        resamples: How many times the pictures are drawn again.
        confidence: Share of the resamples that an interval holds.
        seed: Seed of the draws; the same seed gives the same intervals.

    Raises:
        InputError: There are no distances, or one is negative, infinite or NaN.
        ConfigError: `resamples` is not positive, or `confidence` not between 0 and 1.
    """
    distances = checked_distances(distance_km)
    values = statistics(distances, thresholds=thresholds, inclusive=inclusive)
    samples = bootstrap(
        lambda draw: statistics(distances[draw], thresholds=thresholds, inclusive=inclusive),
        len(distances),
        resamples=resamples,
        seed=seed,
    )
    low, high = interval(samples, confidence=confidence)
    *within, median, mean, score = map(Estimate, values.tolist(), low.tolist(), high.tolist())
    return Summary(
        count=len(distances),
        within=dict(zip(thresholds, within, strict=True)),
        median_km=median,
        mean_km=mean,
        geoscore=score,
    )


def statistics(
    distance_km: NDArray[np.float64], *, thresholds: Sequence[float], inclusive: bool = False
) -> NDArray[np.float64]:
    """The figures of sets of distances.

    Args:
        distance_km: Distances in km (..., N).
        thresholds: Distances in km (K,).
        inclusive: Whether within means `<=` instead of `<`.

    Returns:
        Figures (..., K + 3): the fraction within each threshold, median, mean, mean GeoScore.
    """
    near = np.less_equal if inclusive else np.less
    within = [near(distance_km, threshold).mean(axis=-1) for threshold in thresholds]
    median, mean = np.median(distance_km, axis=-1), distance_km.mean(axis=-1)
    return np.stack([*within, median, mean, geoscore(distance_km).mean(axis=-1)], axis=-1)


def bootstrap(
    statistic: Callable[[NDArray[np.int64]], NDArray[np.float64]], count: int, *, resamples: int, seed: int
) -> NDArray[np.float64]:
    """A statistic of pictures drawn again with replacement.

    Args:
        statistic: From the indices of pictures drawn (R, N) to K figures of each draw (R, K).
        count: Number of pictures, N.
        resamples: How many times to draw.
        seed: Seed of the draws.

    Returns:
        Figures (resamples, K).

    Raises:
        ConfigError: `resamples` is not positive.
    """
    if resamples < 1:
        raise ConfigError(f"resamples is {resamples}: an interval needs one at least, better 1000")
    rng = np.random.default_rng(seed)
    rows = max(1, _DRAWS // count)
    return np.concatenate(
        [
            statistic(rng.integers(count, size=(min(rows, resamples - done), count)))
            for done in range(0, resamples, rows)
        ]
    )


def interval(
    samples: NDArray[np.float64], *, confidence: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The ends (K,) of the intervals that hold the middle `confidence` of resampled figures (R, K).

    Raises:
        ConfigError: `confidence` is not between 0 and 1.
    """
    if not 0 < confidence < 1:
        raise ConfigError(f"confidence is {confidence}: it must lie between 0 and 1, such as 0.95")
    low, high = np.quantile(samples, [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
    return low, high


def checked_distances(distance_km: ArrayLike) -> NDArray[np.float64]:
    """Distances in km (N,), each of them a distance.

    Raises:
        InputError: There are no distances, or one is negative, infinite or NaN.
    """
    distances = np.asarray(distance_km, dtype=np.float64)
    if distances.ndim != 1 or len(distances) == 0:
        raise InputError(f"distances of shape {distances.shape}: give one for each picture, and one at least")
    wrong = ~((distances >= 0) & np.isfinite(distances))
    if wrong.any():
        index = int(np.argmax(wrong))
        raise InputError(f"distance {distances[index]} at index {index} is not a number of kilometres")
    return distances
