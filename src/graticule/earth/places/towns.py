"""The nearest town."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from graticule.earth import s2
from graticule.earth.distance import EARTH_RADIUS_KM, unit_vectors
from graticule.earth.places import data

__all__ = ["nearest_towns", "town_name"]

_FEW: Final = 32
"""Points that are compared with every town that may be theirs."""
_ROUNDING: Final = 1e-6
"""An angle: rounding must not shut the nearest town out."""


def nearest_towns(
    lat: NDArray[np.float64], lon: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The town nearest to each point, and how far it is in km.

    Points along S2's curve are halved again and again, and each part is left with those towns that may be nearest to
    one of its points. (`graticule.evaluation.nearest` is for millions of places, and needs scipy.)

    Args:
        lat: (N,) degrees.
        lon: (N,) degrees.

    Returns:
        Rows for `town_name` (N,), kilometres (N,).
    """
    towns, points = _towns(), unit_vectors(lat, lon)
    order = np.argsort(s2.cell_ids(lat, lon), kind="stable")
    rows = np.empty(len(points), dtype=np.int64)
    parts = [(order, np.arange(len(towns)))]
    while parts:
        some, among = parts.pop()
        if len(some) <= _FEW:
            rows[some] = among[(points[some] @ towns[among].T).argmax(axis=1)]
            continue
        halves = np.array_split(some, 2)
        parts += [(half, among[_may_be_nearest(points[half], towns[among])]) for half in halves]
    chords = np.linalg.norm(points - towns[rows], axis=1)
    return rows, 2 * EARTH_RADIUS_KM * np.arcsin(np.minimum(chords / 2, 1))


def town_name(row: int) -> str:
    """What GeoNames calls a town."""
    return data.names("town_names")[row]


def _may_be_nearest(points: NDArray[np.float64], towns: NDArray[np.float64]) -> NDArray[np.int64]:
    """Which towns (T, 3) may be nearest to one of the points (N, 3): by the triangle inequality, twice."""
    middle = points[len(points) // 2]
    cosines = towns @ middle
    away, reach = np.arccos(np.clip([cosines.max(), (points @ middle).min()], -1, 1))
    return np.flatnonzero(cosines >= np.cos(min(np.pi, away + 2 * reach + _ROUNDING)))


@lru_cache(maxsize=1)
def _towns() -> NDArray[np.float64]:
    """Unit vectors of all towns (T, 3)."""
    lat, lon = data.table("towns").T / 1e4
    return unit_vectors(lat, lon)
