"""Where one lag ends and the next begins: linear, logarithmic, or with equally many pairs in each."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from graticule.earth.distance import EARTH_RADIUS_KM, haversine_km, unit_vectors
from graticule.earth.variogram.checks import checked_places
from graticule.earth.variogram.pairs import NearPairs
from graticule.errors import ConfigError

__all__ = ["HALF_WAY_ROUND_KM", "Spacing", "lag_edges"]

Spacing: TypeAlias = Literal["linear", "log", "equal-count"]

HALF_WAY_ROUND_KM: Final = np.pi * EARTH_RADIUS_KM
"""No two points are farther apart, in km."""

_PAIRS_LOOKED_AT: Final = 1_000_000
_SHORTEST: Final = 1 / 1000  # of the longest lag: where logarithmic lags begin


def lag_edges(
    lat_lon: ArrayLike,
    spacing: Spacing = "log",
    *,
    bins: int = 20,
    max_km: float | None = None,
    min_km: float | None = None,
    seed: int = 0,
) -> NDArray[np.float64]:
    """The edges of lags from 0 to the longest.

    `linear` lags are equally wide. `log` lags widen by a constant factor, and the first takes all from 0 to `min_km`.
    `equal-count` lags hold about as many pairs each: their edges are quantiles of the lags of all pairs if there are a
    million or fewer, else of a million drawn with the seed.

    Args:
        lat_lon: Places (N, 2) in degrees.
        spacing: How the lags are laid.
        bins: How many lags.
        max_km: End of the longest; half of the largest distance among the pairs looked at if not given, the custom of
            the trade (Journel and Huijbregts 1978), since few points take part in longer ones.
        min_km: End of the first of `log` lags; a thousandth of `max_km` if not given.
        seed: Of the pairs looked at.

    Returns:
        Edges (bins + 1,) in km, rising; fewer where equal-count edges coincide.

    Raises:
        CoordinateError: A place is not on Earth.
        ConfigError: There is no such spacing, or the numbers can't be met.
    """
    places = checked_places(lat_lon)
    if spacing not in get_args(Spacing):
        raise ConfigError(f"lags {spacing!r}: there are {', '.join(get_args(Spacing))}")
    if bins < 1:
        raise ConfigError(f"bins {bins}: give at least 1")
    if max_km is None:
        max_km = float(_some_lags(places, HALF_WAY_ROUND_KM, seed).max(initial=0)) / 2
        if max_km == 0:
            raise ConfigError("max_km: all points lie at one place, so there are no lags; give other points")
    if not 0 < max_km <= HALF_WAY_ROUND_KM + 1:
        raise ConfigError(f"max_km {max_km:g}: give a distance above 0 and up to {HALF_WAY_ROUND_KM:,.0f} km")
    if spacing == "linear":
        return np.linspace(0, max_km, bins + 1)
    if spacing == "log":
        start = max_km * _SHORTEST if min_km is None else min_km
        if not 0 < start < max_km:
            raise ConfigError(f"min_km {start:g}: give a distance above 0 and below max_km {max_km:g}")
        return np.concatenate([[0.0], np.geomspace(start, max_km, bins)])
    lags = _some_lags(places, max_km, seed)
    lags = np.sort(lags[lags < max_km])
    if not len(lags):
        raise ConfigError(f"max_km {max_km:g}: no two points are so near each other; give a larger one")
    # Between two pairs, since rounding would decide where a pair right on an edge goes.
    ends = np.maximum(np.arange(1, bins) * len(lags) // bins, 1).clip(max=len(lags) - 1)
    inner = (lags[ends - 1] + lags[ends]) / 2
    return np.unique(np.concatenate([[0.0], inner, [max_km]]))


def _some_lags(places: NDArray[np.float64], reach_km: float, seed: int) -> NDArray[np.float64]:
    """Lags of all pairs that may be within reach, or of a million of them."""
    near = NearPairs(unit_vectors(*places.T), reach_km)
    if near.total <= _PAIRS_LOOKED_AT:
        numbers = np.arange(near.total)
    else:
        numbers = np.random.default_rng(seed).integers(near.total, size=_PAIRS_LOOKED_AT)
    i, j = near[numbers]
    return haversine_km(*places[i].T, *places[j].T)
