r"""Fitting models to an empirical semivariogram by weighted least squares.

Weights of a lag with N pairs, mean lag h and semivariance gamma:

| weights | of a lag         |                                                                                        |
|---------|------------------|----------------------------------------------------------------------------------------|
| equal   | 1                | every lag alike                                                                        |
| count   | N                | every pair alike                                                                       |
| cressie | N / gamma0(h)^2  | the precision of a lag whose pairs were independent (Cressie 1985)                     |

gamma0 is the monotone fit, the same for all models, and not the model being fitted: so one set of weights judges all,
and no model lowers its error by raising its curve.

Given length and shape, nugget and sill follow by linear least squares held at 0 or more. So only length and shape are
searched, within bounds, on a grid of all of them and then on finer ones around its best point. The same numbers give
the same fit.

Cressie's weights, and counts still more, follow the number of pairs, and of all pairs few are near: over a lag ten
times as long there are a hundred times as many. Where the curve near 0 matters, weigh lags of growing width equally.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Literal, TypeAlias, get_args

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from graticule.earth.variogram.empirical import (
    Dissimilarity,
    Empirical,
    Floats,
    Progress,
    empirical_semivariogram,
)
from graticule.earth.variogram.lags import Spacing, lag_edges
from graticule.earth.variogram.models import (
    MATERN_SHAPES,
    PARAMETRIC,
    Kind,
    MonotoneModel,
    ParametricModel,
    VariogramModel,
    correlation,
    unit_range,
)
from graticule.errors import ConfigError, InputError, MissingExtraError

__all__ = ["KINDS", "Fit", "Weights", "best", "fit_model", "fit_models", "fit_variogram"]

Weights: TypeAlias = Literal["equal", "count", "cressie"]
Interval: TypeAlias = tuple[float, float]

KINDS: Final[tuple[Kind, ...]] = (*PARAMETRIC, "monotone")
_FIGURES: Final = ("nugget", "sill", "practical_range_km")
_RANGES: Final = 64  # on the grid
_FARTHEST: Final = 3.0  # times the longest lag; a range out there says that no sill was reached
_STABLE_SHAPES: Final = (0.1, 2.0)
_FOUR: Final = ("stable", "matern")  # have a shape, and so four parameters rather than three
_GRID: Final = np.array([64, 20])  # points of the first grid, of ranges and of shapes
_AROUND: Final = np.linspace(-1, 1, 5)
_ROUNDS: Final = 100
_PRECISION: Final = 1e-7  # of a range's logarithm, and of a shape


@dataclass(frozen=True, eq=False)
class Fit:
    """A model fitted to an empirical semivariogram.

    Attributes:
        model: The curve.
        empirical: What it was fitted to.
        weights: By which weights.
        error: Weighted root mean square of what is left, in the units of the semivariance.
        aicc: Akaike's criterion for small samples, n ln(error^2) + 2p + 2p(p+1)/(n-p-1) of n lags and p parameters
            (McBratney and Webster 1986, with Hurvich and Tsai's correction). Only differences between models fitted
            to the same lags by the same weights mean anything, and they rank rather than test, since lags are not
            independent. None for the monotone model, whose parameters can't be counted so.
        intervals: 95 % intervals of nugget, sill and practical_range_km, given the kind of model; empty if not
            asked for.
    """

    model: VariogramModel
    empirical: Empirical
    weights: Weights
    error: float
    aicc: float | None
    intervals: dict[str, Interval]

    @property
    def reaches_sill(self) -> bool:
        """Whether the practical range lies within the lags that were seen."""
        return self.model.practical_range_km <= float(self.empirical.lag_km[-1])

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values, without the empirical semivariogram."""
        return {
            "model": self.model.to_dict(),
            "nugget": self.model.nugget,
            "sill": self.model.sill,
            "practical_range_km": self.model.practical_range_km,
            "intervals_95": {name: list(interval) for name, interval in self.intervals.items()},
            "reaches_sill": self.reaches_sill,
            "weights": self.weights,
            "error": self.error,
            "aicc": self.aicc,
        }


def fit_variogram(
    features: ArrayLike | Tensor,
    lat_lon: ArrayLike | Tensor,
    *,
    model: Kind | Literal["best"] = "best",
    dissimilarity: Dissimilarity = "cosine",
    spacing: Spacing = "log",
    bins: int = 20,
    max_km: float | None = None,
    pairs: int | None = None,
    weights: Weights = "equal",
    replicates: int = 200,
    seed: int = 0,
    progress: Progress | None = None,
) -> Fit:
    """Features and places to a fitted model, in one call: `lag_edges`, `empirical_semivariogram`, `fit_model`.

    Args:
        features: Feature vectors (N, D).
        lat_lon: Their places (N, 2), in degrees.
        model: Which model; "best" fits all parametric ones and keeps the one of the lowest `aicc`.
        dissimilarity: What is averaged.
        spacing: How lags are laid.
        bins: How many.
        max_km: End of the longest.
        pairs: Draw so many pairs; all if not given.
        weights: Of the lags.
        replicates: Of the bootstrap behind the intervals; 0 for none.
        seed: Of draws and bootstrap.
        progress: Told how many pairs are done, and of how many.

    Returns:
        The fit; it holds the empirical semivariogram.

    Raises:
        CoordinateError: A place is not on Earth.
        InputError: The features can't be used, or too few lags hold pairs.
        ConfigError: A setting makes no sense.
        MissingExtraError: scipy is not installed.
    """
    edges = lag_edges(lat_lon, spacing, bins=bins, max_km=max_km, seed=seed)
    empirical = empirical_semivariogram(
        features,
        lat_lon,
        edges_km=edges,
        dissimilarity=dissimilarity,
        pairs=pairs,
        seed=seed,
        progress=progress,
    )
    kind = best(fit_models(empirical, weights=weights)).model.kind if model == "best" else model
    return fit_model(empirical, kind, weights=weights, replicates=replicates, seed=seed)


def fit_models(
    empirical: Empirical, kinds: Sequence[Kind] = KINDS, *, weights: Weights = "equal"
) -> list[Fit]:
    """Fit several models, without intervals; errors as of `fit_model`."""
    return [fit_model(empirical, kind, weights=weights, replicates=0) for kind in kinds]


def best(fits: Sequence[Fit]) -> Fit:
    """The parametric fit of the lowest `aicc`; the earliest of equals.

    Raises:
        ConfigError: None is parametric.
    """
    ranked = [(fit.aicc, number) for number, fit in enumerate(fits) if fit.aicc is not None]
    if not ranked:
        raise ConfigError(
            "best: choosing a model takes a parametric one; give some of " + ", ".join(PARAMETRIC)
        )
    return fits[min(ranked)[1]]


def fit_model(
    empirical: Empirical,
    kind: Kind,
    *,
    weights: Weights = "equal",
    replicates: int = 200,
    seed: int = 0,
) -> Fit:
    """Fit one model.

    The practical range is sought between half the shortest lag and three times the longest.

    Args:
        empirical: What to fit it to.
        kind: Which model.
        weights: Of the lags; this module's table.
        replicates: Of the block bootstrap behind the intervals (`Empirical.bootstrap`), each fitted anew by the same
            weights; 0 for none.
        seed: Of the bootstrap.

    Returns:
        The fit.

    Raises:
        ConfigError: There is no such model or weighting.
        InputError: Fewer than six lags hold pairs, too few for four parameters.
        MissingExtraError: scipy is not installed.
    """
    if kind not in KINDS:
        raise ConfigError(f"semivariogram model {kind!r}: there are {', '.join(KINDS)}")
    lags, found = empirical.lag_km, empirical.semivariance
    if kind != "monotone" and len(lags) < 6:
        raise InputError(
            f"only {len(lags)} lags hold pairs, and a fit takes 6: give more bins, or a longest lag that has pairs"
        )
    share = _shares(empirical, weights)
    model = _fitted(kind, lags, found, share)
    # A replicate may leave lags without pairs; what is left must bear a fit, as the lags themselves must.
    least = 1 if kind == "monotone" else 6
    models = [
        _fitted(kind, lags[seen], row[seen], share[seen])
        for row in empirical.bootstrap(replicates, seed=seed)
        for seen in [np.isfinite(row)]
        if seen.sum() >= least
    ]
    figures = {name: [getattr(m, name) for m in models] for name in _FIGURES}
    error = float(np.sqrt(share @ (found - model.gamma(lags)) ** 2))
    return Fit(
        model,
        empirical,
        weights,
        error,
        None if kind == "monotone" else _aicc(error, found, parameters=4 if kind in _FOUR else 3),
        {name: _interval(values) for name, values in figures.items() if values},
    )


def _interval(values: list[float]) -> Interval:
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def _aicc(error: float, found: Floats, *, parameters: int) -> float:
    n, p = len(found), parameters
    # A perfect fit would be infinitely good; rounding is as good as it gets.
    least = float(np.finfo(float).eps * max(found.max(), np.finfo(float).tiny))
    return 2 * n * float(np.log(max(error, least))) + 2 * p + 2 * p * (p + 1) / (n - p - 1)


def _shares(empirical: Empirical, weights: Weights) -> Floats:
    """Weights (B,) that sum to 1."""
    counts = empirical.counts.astype(np.float64)
    if weights == "equal":
        raw = np.ones_like(counts)
    elif weights == "count":
        raw = counts
    elif weights == "cressie":
        pilot = _rising(empirical.semivariance, counts)
        # A lag whose pairs are all alike would outweigh the rest without bounds.
        raw = counts / np.maximum(pilot, 1e-3 * (pilot.max() or 1.0)) ** 2
    else:
        raise ConfigError(f"weights {weights!r}: there are {', '.join(get_args(Weights))}")
    return np.asarray(raw / raw.sum())


def _rising(found: Floats, share: Floats) -> Floats:
    """The nearest values (B,) that never fall, by weighted least squares."""
    return np.asarray(_optimize().isotonic_regression(found, weights=share).x)


def _fitted(kind: Kind, lags: Floats, found: Floats, share: Floats) -> VariogramModel:
    """The best curve of a kind for semivariances (B,)."""
    if kind == "monotone":
        return MonotoneModel(tuple(lags.tolist()), tuple(_rising(found, share).tolist()))
    bounds = np.log([[0.5 * lags[lags > 0][0], _FARTHEST * lags[-1]]])
    ends = []
    for fixed in MATERN_SHAPES if kind == "matern" else (None,):
        if kind == "stable":
            bounds = np.stack([bounds[0], _STABLE_SHAPES])

        def rises(points: Floats, fixed: float | None = fixed) -> Floats:
            ranges = np.exp(points[:, :1])
            if kind == "stable":  # the practical range is where the power is 1
                return np.asarray(1 - 0.05 ** ((lags / ranges) ** points[:, 1:]))
            x = lags * unit_range(kind, fixed) / ranges
            return np.asarray(1 - correlation(kind, torch.from_numpy(x), fixed).numpy())

        def costs(points: Floats, rises: Callable[[Floats], Floats] = rises) -> Floats:
            return _linear(rises(points), found, share)[2]

        point = _lowest(costs, bounds)
        nugget, sill, cost = (float(part[0]) for part in _linear(rises(point[None]), found, share))
        shape = float(point[1]) if kind == "stable" else fixed
        ends.append((cost, nugget, sill, float(np.exp(point[0])) / unit_range(kind, shape), shape))
    _, nugget, sill, length, shape = min(ends, key=lambda end: end[0])
    return ParametricModel(kind, nugget, sill, length, shape)


def _lowest(costs: Callable[[Floats], Floats], bounds: Floats) -> Floats:
    """Where a function is lowest within bounds (d, 2): the best point of a grid, then of ever finer ones around it.

    A grid is made finer only once its best point is not on its rim, so that it follows a valley to its floor.
    """
    low, high = bounds.T
    steps = (high - low) / _GRID[: len(low)]
    grid = np.stack(np.meshgrid(*map(np.linspace, low, high, _GRID[: len(low)]), indexing="ij"), axis=-1)
    grid = grid.reshape(-1, len(low))
    point = grid[np.argmin(costs(grid))]
    around = np.stack(np.meshgrid(*[_AROUND] * len(low), indexing="ij"), axis=-1).reshape(-1, len(low))
    # The middle comes first, so that of equals it stays where it is.
    around = around[np.argsort(np.abs(around).max(axis=1), kind="stable")]
    for _ in range(_ROUNDS):
        nearby = np.clip(point + steps * around, low, high)
        number = int(np.argmin(costs(nearby)))
        if np.abs(around[number]).max() < 1:
            steps = steps / 2
        point = nearby[number]
        if steps.max() < _PRECISION:
            break
    return np.asarray(point)


def _linear(rises: Floats, found: Floats, share: Floats) -> tuple[Floats, Floats, Floats]:
    """The best nugget and sill, 0 or more, for each curve that rises from 0 to 1.

    Args:
        rises: Curves at the lags (..., B).
        found: What they should meet (B,).
        share: Weights (B,) that sum to 1, or less where a lag is missing.

    Returns:
        Nuggets, sills and weighted mean squares of what is left, each (...).
    """
    share = share / share.sum()
    middle, height = rises @ share, found @ share
    spread = (rises**2) @ share - middle**2
    slope = ((rises * found) @ share - middle * height) / np.maximum(spread, 1e-300)
    sill = np.where(spread > 1e-14, np.maximum(slope, 0), 0)
    nugget = height - sill * middle
    # Where the nugget would be negative the curve starts at 0, and the sill alone is chosen.
    through = ((rises * found) @ share) / np.maximum((rises**2) @ share, 1e-300)
    sill, nugget = np.where(nugget < 0, through, sill), np.maximum(nugget, 0)
    left = found - nugget[..., None] - sill[..., None] * rises
    return nugget, sill, (left**2) @ share


@cache
def _optimize() -> Any:
    try:
        from scipy import optimize
    except ImportError as error:
        raise MissingExtraError.of("variogram", "scipy") from error
    return optimize
