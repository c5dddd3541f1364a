"""Whether a model's probabilities keep their word.

Densities of pictures with known places are held against these: how likely the truth was, how often regions and circles
hold it, how much ground a search would cover, how doubt and error go together. How a model is taught to keep its word
is told in `graticule.evaluation.calibration_fit`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from graticule.alignment.contract import ImageLocationAlignment
from graticule.decoding.calibration import STEPS, Calibration
from graticule.earth import s2
from graticule.earth.density import Density
from graticule.earth.distance import haversine_km
from graticule.errors import InputError
from graticule.evaluation.metrics import Estimate
from graticule.tokens.contract import CellModel, StateT
from graticule.tokens.query import Query

__all__ = [
    "COVERAGES",
    "Coverage",
    "Outcomes",
    "RiskCurve",
    "calibration_error",
    "check_places",
    "coverage_table",
    "in_batches",
    "nats_per_km2",
    "observe",
    "recall_by_area",
    "risk_by_coverage",
    "wilson",
]

COVERAGES = (0.5, 0.8, 0.9, 0.95)
"""How often regions and circles are asked to hold the truth, in tables."""
_BATCH = 128
_THINNEST = 1e-15
"""Probability per km2 that an impossible place is counted with: a millionth of an even spread over the Earth."""


@dataclass(frozen=True)
class Outcomes:
    """How the densities of N pictures stand to the truth.

    Attributes:
        calibration: What they were made under.
        before: (N,), share of the probability in cells denser than the one that holds the truth.
        searched_km2: (N,), area of these cells and that one: how much ground a search would cover to find it.
        nats: (N,), negative log-likelihood of the truth per km2; an impossible place counts as one of 1e-15.
        points: (N, 2), the answers, in degrees.
        distance_km: (N,), between the answer and the truth.
        radius_km: (N, 99), of circles asked to hold the truth in 1 to 99 % of pictures.
        region_km2: (N, 4), areas of regions asked to hold it as often as `COVERAGES` say.
        entropy_bits: (N,), as `Density.entropy_bits`.
        resolved: (N,), share of the probability in cells of the finest level.
        levels: (T,), the S2 levels of the model's tokens.
        confidence: (N, T), probability of the most probable cell of each of them.
        right: (N, T) bool, whether that cell holds the truth.
    """

    calibration: Calibration
    before: NDArray[np.float64]
    searched_km2: NDArray[np.float64]
    nats: NDArray[np.float64]
    points: NDArray[np.float64]
    distance_km: NDArray[np.float64]
    radius_km: NDArray[np.float64]
    region_km2: NDArray[np.float64]
    entropy_bits: NDArray[np.float64]
    resolved: NDArray[np.float64]
    levels: tuple[int, ...]
    confidence: NDArray[np.float64]
    right: NDArray[np.bool_]

    @property
    def region_covers(self) -> NDArray[np.bool_]:
        """Whether the region asked for each of 1 to 99 % holds the truth (N, 99)."""
        asked = np.array(self.calibration.regions)
        return np.asarray((self.before[:, None] < asked) | (asked >= 1))

    @property
    def circle_covers(self) -> NDArray[np.bool_]:
        """Whether the circle asked for each of 1 to 99 % holds the truth (N, 99)."""
        return np.asarray(self.distance_km[:, None] <= self.radius_km)


def observe(
    calibration: Calibration,
    model: CellModel[StateT],
    query: Query,
    *,
    lat_lon: NDArray[np.float64],
    alignment: ImageLocationAlignment | None = None,
) -> Outcomes:
    """Make the densities of pictures with known places, and hold them against these.

    Args:
        calibration: `Calibration.none(model)` for the model as it is.
        model: The model itself, without temperatures.
        query: N pictures.
        lat_lon: Where they were taken, in degrees (N, 2).
        alignment: The one that made the query; needed if the calibration has a blend.

    Raises:
        InputError: There are no pictures, or places for another number of them.
    """
    check_places(query, lat_lon, least=1)
    levels = model.scheme.levels
    columns: list[tuple[NDArray[np.float64], ...]] = []
    for part in in_batches(len(lat_lon)):
        found = calibration.density(model, query[part], alignment=alignment)
        columns.append(_outcome(calibration, found, levels, lat_lon[part]))
    before, searched, nats, points, distance, radius, region, entropy, resolved, confidence, right = (
        np.concatenate(column) for column in zip(*columns, strict=True)
    )
    return Outcomes(
        calibration=calibration,
        before=before,
        searched_km2=searched,
        nats=nats,
        points=points,
        distance_km=distance,
        radius_km=radius,
        region_km2=region,
        entropy_bits=entropy,
        resolved=resolved,
        levels=levels,
        confidence=confidence,
        right=right.astype(np.bool_),
    )


def _outcome(
    calibration: Calibration, found: Density, levels: Sequence[int], lat_lon: NDArray[np.float64]
) -> tuple[NDArray[np.float64], ...]:
    """The columns of `Outcomes` for a batch, in order."""
    rows = np.arange(len(lat_lon))
    column = found.holding(lat_lon[:, 0], lat_lon[:, 1])
    point = found.point()
    best = [found.best_cell(level) for level in levels]
    truth = [s2.cell_ids(lat_lon[:, 0], lat_lon[:, 1], level=level) for level in levels]
    return (
        found.before[rows, column],
        found.area_km2.cumsum(axis=1)[rows, column],
        nats_per_km2(found, lat_lon),
        point,
        haversine_km(*point.T, *lat_lon.T),
        calibration.radii_km(found, point),
        np.stack([(found.area_km2 * calibration.credible(found, c)).sum(axis=1) for c in COVERAGES], axis=1),
        found.entropy_bits(),
        (found.mass * (found.levels == levels[-1])).sum(axis=1) / found.total,
        np.stack([share for _, share in best], axis=1),
        np.stack([cell == true for (cell, _), true in zip(best, truth, strict=True)], axis=1),
    )


@dataclass(frozen=True)
class Coverage:
    """What regions and circles asked to hold the truth in a share of pictures do."""

    asked: float
    """That share."""
    region: Estimate
    """Share of pictures whose region holds the truth, with its 95 % Wilson interval."""
    region_km2: float
    """Median area of the regions."""
    region_mean_km2: float
    """Their mean area, which the least certain pictures rule."""
    circle: Estimate
    """Share of pictures whose circle around the answer holds the truth."""
    radius_km: float
    """Median radius of the circles."""


def coverage_table(outcomes: Outcomes) -> list[Coverage]:
    """How often regions and circles hold the truth, for each of `COVERAGES`."""
    table = []
    for place, asked in enumerate(COVERAGES):
        step = round(asked * (STEPS + 1)) - 1
        table.append(
            Coverage(
                asked=asked,
                region=wilson(outcomes.region_covers[:, step]),
                region_km2=float(np.median(outcomes.region_km2[:, place])),
                region_mean_km2=float(outcomes.region_km2[:, place].mean()),
                circle=wilson(outcomes.circle_covers[:, step]),
                radius_km=float(np.median(outcomes.radius_km[:, step])),
            )
        )
    return table


def wilson(hits: ArrayLike, *, confidence: float = 0.95) -> Estimate:
    """A share, and the interval it lies in (Wilson 1927): near 0 and 1 too it stays between them.

    Args:
        hits: Whether each picture counts (N,).
        confidence: Of the interval, between 0 and 1.

    Raises:
        InputError: There are no pictures.
    """
    seen = np.asarray(hits, dtype=np.float64)
    if not len(seen):
        raise InputError("no pictures: a share needs one at least.")
    count, share = len(seen), float(seen.mean())
    z2 = NormalDist().inv_cdf((1 + confidence) / 2) ** 2
    middle = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = math.sqrt(z2 / count * (share * (1 - share) + z2 / (4 * count))) / (1 + z2 / count)
    return Estimate(share, max(0.0, middle - half), min(1.0, middle + half))


def calibration_error(confidence: ArrayLike, right: ArrayLike, *, bins: int = 15) -> float:
    """Expected calibration error: how far confidence is from being right, bin by bin (Guo et al. 2017).

    Args:
        confidence: Probability given to each answer (N,).
        right: Whether it was right (N,).
        bins: Equal parts of 0 to 1.
    """
    said, was = np.asarray(confidence, dtype=np.float64), np.asarray(right, dtype=np.float64)
    bin_of = np.minimum((said * bins).astype(np.int64), bins - 1)
    gaps = np.bincount(bin_of, weights=said - was, minlength=bins)
    return float(np.abs(gaps).sum() / len(said))


def recall_by_area(searched_km2: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How many truths are found by searching each picture's densest cells, up to an area.

    Args:
        searched_km2: `Outcomes.searched_km2` (N,).

    Returns:
        Areas in km2, growing (N,), and the share of pictures whose truth lies within each (N,).
    """
    areas = np.sort(np.asarray(searched_km2, dtype=np.float64))
    return areas, np.arange(1, len(areas) + 1) / len(areas)


@dataclass(frozen=True)
class RiskCurve:
    """What is lost on the pictures that are answered, when the least sure are not.

    Attributes:
        coverage: (N,), share of pictures answered, growing.
        risk: (N,), mean loss of these.
        area: Under the curve (AURC; Geifman and El-Yaniv 2017): the mean of `risk`.
        best_area: Of the curve of one who knows the losses.
        no_area: Of one whose doubts say nothing: the mean loss.
    """

    coverage: NDArray[np.float64]
    risk: NDArray[np.float64]
    area: float
    best_area: float
    no_area: float


def risk_by_coverage(doubt: ArrayLike, loss: ArrayLike) -> RiskCurve:
    """Answer the least doubtful pictures first, and see what they lose.

    Args:
        doubt: Of each picture (N,), such as `Outcomes.entropy_bits`: only its order matters.
        loss: Of each answer (N,), such as its distance in km.

    Raises:
        InputError: There are no pictures, or the numbers differ.
    """
    doubts, losses = np.asarray(doubt, dtype=np.float64), np.asarray(loss, dtype=np.float64)
    if doubts.shape != losses.shape or losses.ndim != 1 or not len(losses):
        raise InputError(
            f"doubts {doubts.shape} and losses {losses.shape}: give one of each for every picture."
        )
    answered = np.arange(1, len(losses) + 1)
    risk = losses[doubts.argsort(kind="stable")].cumsum() / answered
    best = np.sort(losses).cumsum() / answered
    return RiskCurve(
        coverage=answered / len(losses),
        risk=risk,
        area=float(risk.mean()),
        best_area=float(best.mean()),
        no_area=float(losses.mean()),
    )


def nats_per_km2(found: Density, lat_lon: NDArray[np.float64]) -> NDArray[np.float64]:
    """Negative log-likelihood of the true places, per km2 (B,)."""
    rows, column = np.arange(len(lat_lon)), found.holding(*lat_lon.T)
    thickness = found.mass[rows, column] / found.total / found.area_km2[rows, column]
    return -np.log(np.maximum(thickness, _THINNEST))


def in_batches(count: int) -> Iterator[slice]:
    """So many pictures, as many at a time as are searched together."""
    return (slice(start, min(start + _BATCH, count)) for start in range(0, count, _BATCH))


def check_places(query: Query, lat_lon: NDArray[np.float64], *, least: int) -> None:
    """See that there is a place for each picture.

    Raises:
        InputError: There are fewer pictures than the least, or places for another number of them.
    """
    if lat_lon.shape != (query.batch_size, 2) or len(lat_lon) < least:
        raise InputError(
            f"{query.batch_size} pictures and places {lat_lon.shape}: give latitude and longitude of each, and "
            f"{least} at least."
        )
