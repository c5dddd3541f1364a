"""Whether a model's probabilities keep their word, and how they are taught to.

Fitting takes pictures with known places, like those that will be asked about and unlike those the model was
trained on: one half for the temperatures, the other for regions and circles. What comes out is a
`graticule.decoding.calibration.Calibration`. Judging takes other pictures again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from graticule.alignment.contract import ImageLocationAlignment
from graticule.decoding.blend import Blend, Evidence, evidence
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
    "conformal",
    "conformal_quantile",
    "coverage_table",
    "fit",
    "fit_blend",
    "fit_temperature",
    "fit_temperatures",
    "observe",
    "recall_by_area",
    "risk_by_coverage",
    "true_token_log_probs",
    "wilson",
]

COVERAGES = (0.5, 0.8, 0.9, 0.95)
"""How often regions and circles are asked to hold the truth, in tables."""
_BATCH = 128
_NOMINAL = np.arange(1, STEPS + 1) / (STEPS + 1)
_COLDEST, _HOTTEST = 0.05, 20.0
_LEVELS = 3
"""How many of the finest levels are tried as the coarsest that a blend compares."""
_COMPARED = 64
"""Cells of a picture that the alignment is asked about: more cost time, and bring little."""
_THINNEST = 1e-15
"""Probability per km2 that an impossible place is counted with: a millionth of an even spread over the Earth."""


# --- Fitting -----------------------------------------------------------------------------------------------


def fit(
    model: CellModel[StateT],
    query: Query,
    *,
    lat_lon: NDArray[np.float64],
    name: str,
    fitted_on: str,
    alignment: ImageLocationAlignment | None = None,
    mass: float = 0.95,
    width: int = 8,
) -> Calibration:
    """Learn to keep one's word, from pictures with known places.

    Every other picture fits the temperatures and the blend; of these, what lowers the negative log-likelihood of the
    true places is kept. The rest fit regions and circles under them: had they been fitted on the same pictures,
    regions would be a little too small.

    Args:
        model: Any cell model, in eval mode if it has one.
        query: N pictures, in no order that matters, not those the model was trained on.
        lat_lon: Where they were taken, in degrees (N, 2).
        name: Of the model, for the record.
        fitted_on: The pictures in words, for the record.
        alignment: The one that made the query; without it there is no blend.
        mass: Setting of `density`.
        width: Setting of `density`.

    Raises:
        InputError: There are fewer than two pictures, or places for another number of them.
    """
    _check_places(query, lat_lon, least=2)
    even, odd = slice(0, None, 2), slice(1, None, 2)
    raw = Calibration.none(model, mass=mass, width=width)
    temperatures = fit_temperatures(model, query[even], lat_lon=lat_lon[even])
    versions = [raw, raw.model_copy(update={"temperatures": temperatures})]
    likelier = [
        _with_blend(version, model, query[even], alignment, lat_lon=lat_lon[even]) for version in versions
    ]
    sharpened, _ = min(likelier, key=lambda version: version[1])
    seen = observe(sharpened, model, query[odd], lat_lon=lat_lon[odd], alignment=alignment)
    about = {"model": name, "fitted_on": fitted_on, "pictures": len(lat_lon)}
    return sharpened.model_copy(update={**about, **conformal(seen)})


def conformal(seen: Outcomes) -> dict[str, Any]:
    """The sizes of regions and circles that held the truth in 1, 2, ... 99 % of pictures: fields of `Calibration`.

    Args:
        seen: Of pictures on which nothing else was fitted, under the calibration that is to get them.
    """
    regions = [conformal_quantile(seen.before, nominal) for nominal in _NOMINAL]
    circles = [
        conformal_quantile(seen.distance_km / radius, nominal)
        for radius, nominal in zip(seen.radius_km.T, _NOMINAL, strict=True)
    ]
    return {
        # A hair more: the cell, or the distance, that the quantile is must be inside.
        "regions": tuple(min(1.0, mass + 1e-9) for mass in regions),
        "circles": tuple(factor * (1 + 1e-9) if math.isfinite(factor) else None for factor in circles),
    }


def fit_temperatures(
    model: CellModel[StateT], query: Query, *, lat_lon: NDArray[np.float64]
) -> tuple[float, ...]:
    """The temperature of each token at which the true tokens are likeliest.

    Args:
        model: Any cell model.
        query: N pictures.
        lat_lon: Where they were taken, in degrees (N, 2).
    """
    steps = true_token_log_probs(model, query, lat_lon=lat_lon)
    return tuple(fit_temperature(log_probs, token) for log_probs, token in steps)


def true_token_log_probs(
    model: CellModel[StateT], query: Query, *, lat_lon: NDArray[np.float64]
) -> list[tuple[Tensor, Tensor]]:
    """What the model says of each token when the tokens before it are the true ones.

    Returns:
        For each token, log-probabilities `(N, V_t)` float64 and the true token `(N,)` int64.
    """
    truth = torch.from_numpy(model.scheme.encode(lat_lon[:, 0], lat_lon[:, 1]))
    said: list[list[Tensor]] = [[] for _ in model.scheme.levels]
    for part in _parts(len(lat_lon)):
        state = model.begin(query[part])
        for step, answers in enumerate(said):
            answers.append(model.next_log_probs(state)[:, 0].cpu().double())
            token = truth[part, step : step + 1]
            if step + 1 < len(said):
                state = model.advance(state, torch.zeros_like(token), token)
    return [(torch.cat(answers), truth[:, step]) for step, answers in enumerate(said)]


def fit_temperature(log_probs: Tensor, tokens: Tensor) -> float:
    """The temperature at which given tokens are likeliest.

    With b = 1 / temperature, the mean negative log-likelihood is convex in b, and its slope

        mean(E_b[z] - z_true),  z = log_probs,  E_b the expectation under softmax(b z)

    grows with b: the root is found by bisection, between temperatures of 0.05 and 20.

    Args:
        log_probs: `(N, V)`. Pictures whose true token is impossible are left out: no temperature helps them.
        tokens: `(N,)` int64, the true ones.

    Returns:
        1 where no picture's true token is possible.
    """
    true = log_probs.gather(1, tokens[:, None])
    possible = true[:, 0] > -torch.inf
    if not possible.any():
        return 1.0
    z, true = log_probs[possible], true[possible]
    finite = z.nan_to_num(neginf=0.0)
    cold, hot = math.log(_COLDEST), math.log(_HOTTEST)
    for _ in range(50):
        middle = (cold + hot) / 2
        expected = ((z * math.exp(-middle)).softmax(1) * finite).sum(1, keepdim=True)
        if (expected - true).sum() > 0:
            cold = middle
        else:
            hot = middle
    return math.exp((cold + hot) / 2)


def _with_blend(
    calibration: Calibration,
    model: CellModel[StateT],
    query: Query,
    alignment: ImageLocationAlignment | None,
    *,
    lat_lon: NDArray[np.float64],
) -> tuple[Calibration, float]:
    """A calibration with the blend that serves it best, if any does; and its mean negative log-likelihood."""
    parts = _parts(len(lat_lon))
    found = [(calibration.density(model, query[part]), query[part], lat_lon[part]) for part in parts]
    choices = [(calibration, float(np.mean(np.concatenate([_nats(cells, at) for cells, _, at in found]))))]
    for level in model.scheme.levels[-_LEVELS:] if alignment is not None else ():
        fitted = fit_blend(found, alignment, coarsest_level=level)  # type: ignore[arg-type]
        if fitted is not None:
            choices.append((calibration.model_copy(update={"blend": fitted[0]}), fitted[1]))
    return min(choices, key=lambda choice: choice[1])


def fit_blend(
    found: Sequence[tuple[Density, Query, NDArray[np.float64]]],
    alignment: ImageLocationAlignment,
    *,
    coarsest_level: int,
) -> tuple[Blend, float] | None:
    """The weights of cell model and alignment under which the true places are likeliest.

    They are fitted on the pictures whose true cell is among those compared; its negative log-share is convex in the
    weights.

    Args:
        found: Batches: densities of the cell model, their queries, and the true places (B, 2) in degrees.
        alignment: The one that made the queries.
        coarsest_level: Cells of this level and finer ones are compared.

    Returns:
        The blend, and the mean negative log-likelihood of all true places with it, in nats per km2. None if no true
        cell is among those compared, or the alignment has nothing to add.
    """
    batches: list[tuple[Evidence, Tensor, Tensor]] = []
    nats, log_before = [], []
    for cells, query, places in found:
        seen = evidence(cells, query, alignment, coarsest_level=coarsest_level, most=_COMPARED)
        true = (seen.columns == cells.holding(*places.T)[:, None]) & seen.real
        rows = np.flatnonzero(true.any(axis=1))
        kept = np.where(seen.real, np.exp(seen.log_mass), 0.0).sum(axis=1)
        column = true.argmax(axis=1)
        batches.append((seen, torch.from_numpy(rows), torch.from_numpy(column[rows])))
        nats.append(_nats(cells, places))
        # What weighing anew multiplies: the share that the true cell had of those compared.
        log_before.append(seen.log_mass[rows, column[rows]] - np.log(kept[rows]))
    if not sum(map(len, log_before)):
        return None
    weights = torch.tensor([1.0, 0.0], dtype=torch.float64, requires_grad=True)
    search = torch.optim.LBFGS([weights], max_iter=100, line_search_fn="strong_wolfe")

    def log_shares() -> Tensor:
        shares = [
            seen.logits(weights[0], weights[1])[rows].log_softmax(1)[torch.arange(len(rows)), true]
            for seen, rows, true in batches
        ]
        return torch.cat(shares)

    def lost() -> Tensor:
        search.zero_grad()
        loss = -log_shares().mean()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    search.step(lost)  # type: ignore[no-untyped-call]
    cells_weight, similarity = weights.tolist()
    if not (cells_weight > 0 and similarity > 0):
        return None
    gained = log_shares().detach().numpy() - np.concatenate(log_before)
    everything = np.concatenate(nats)
    blend = Blend(cells=cells_weight, similarity=similarity, coarsest_level=coarsest_level, most=_COMPARED)
    return blend, float((everything.sum() - gained.sum()) / len(everything))


def _nats(found: Density, lat_lon: NDArray[np.float64]) -> NDArray[np.float64]:
    """Negative log-likelihood of the true places, per km2 (B,)."""
    rows, column = np.arange(len(lat_lon)), found.holding(*lat_lon.T)
    thickness = found.mass[rows, column] / found.total / found.area_km2[rows, column]
    return -np.log(np.maximum(thickness, _THINNEST))


def conformal_quantile(scores: ArrayLike, coverage: float) -> float:
    """The score that a further picture stays at or below with a probability of at least `coverage`.

    The ceil((n + 1) coverage)-th smallest of n scores, if the further one is exchangeable with them (Vovk et al.
    2005); infinity where n is too small to tell.

    Args:
        scores: Of n pictures (n,).
        coverage: Between 0 and 1.
    """
    ordered = np.sort(np.asarray(scores, dtype=np.float64))
    rank = math.ceil((len(ordered) + 1) * coverage - 1e-9)
    return float(ordered[rank - 1]) if rank <= len(ordered) else math.inf


# --- Judging -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcomes:
    """How the densities of N pictures stand to the truth.

    Attributes:
        calibration: What they were made under.
        before: (N,), share of the probability in cells denser than the one that holds the truth.
        searched_km2: (N,), area of these cells and that one: how much ground a search would cover to find it.
        nats: (N,), negative log-likelihood of the truth per km2; an impossible place counts as one of 1e-15.
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
    _check_places(query, lat_lon, least=1)
    levels = model.scheme.levels
    columns: list[tuple[NDArray[np.float64], ...]] = []
    for part in _parts(len(lat_lon)):
        found = calibration.density(model, query[part], alignment=alignment)
        columns.append(_outcome(calibration, found, levels, lat_lon[part]))
    before, searched, nats, distance, radius, region, entropy, resolved, confidence, right = (
        np.concatenate(column) for column in zip(*columns, strict=True)
    )
    return Outcomes(
        calibration=calibration,
        before=before,
        searched_km2=searched,
        nats=nats,
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
        _nats(found, lat_lon),
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


def _parts(count: int) -> Iterator[slice]:
    return (slice(start, min(start + _BATCH, count)) for start in range(0, count, _BATCH))


def _check_places(query: Query, lat_lon: NDArray[np.float64], *, least: int) -> None:
    if lat_lon.shape != (query.batch_size, 2) or len(lat_lon) < least:
        raise InputError(
            f"{query.batch_size} pictures and places {lat_lon.shape}: give latitude and longitude of each, and "
            f"{least} at least."
        )
