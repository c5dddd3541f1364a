"""The nearest town."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from s2geometry import S2CellId, S2Point_ToRaw

from graticule.earth import s2
from graticule.earth.cell_size import reach_km
from graticule.earth.distance import EARTH_RADIUS_KM, unit_vectors
from graticule.earth.places import data

__all__ = ["nearest_towns", "town_name"]

_LEVELS: Final = (1, 3, 5)
"""Of the S2 cells that points are gathered in: some 4,000 to 300 km wide."""
_REACH: Final = (reach_km(np.array(_LEVELS)) / EARTH_RADIUS_KM).tolist()
"""From the middles of such cells to their corners, as angles."""
_ROUNDING: Final = 1e-6
"""An angle: rounding must not shut the nearest town out."""


def nearest_towns(
    lat: NDArray[np.float64], lon: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The town nearest to each point, and how far it is in km.

    The points of a small cell are compared with the towns that may be nearest to any place in it, which are kept for
    the next call. (`graticule.evaluation.nearest` is for millions of places, and needs scipy.)

    Args:
        lat: (N,) degrees.
        lon: (N,) degrees.

    Returns:
        Rows for `town_name` (N,), kilometres (N,).
    """
    towns, points = _towns(), unit_vectors(lat, lon)
    cells = s2.cell_ids(lat, lon, level=_LEVELS[-1])
    order = np.argsort(cells, kind="stable")
    rows = np.empty(len(points), dtype=np.int64)
    for some in np.split(order, np.flatnonzero(np.diff(cells[order])) + 1):
        if len(some):
            among = _may_be_nearest(int(cells[some[0]]), len(_LEVELS) - 1)
            rows[some] = among[(points[some] @ towns[among].T).argmax(axis=1)]
    chords = np.linalg.norm(points - towns[rows], axis=1)
    return rows, 2 * EARTH_RADIUS_KM * np.arcsin(np.minimum(chords / 2, 1))


def town_name(row: int) -> str:
    """What GeoNames calls a town."""
    return data.names("town_names")[row]


@lru_cache(maxsize=2048)
def _may_be_nearest(cell: int, depth: int) -> NDArray[np.int32]:
    """Which towns may be nearest to a place in a cell of level `_LEVELS[depth]`: by the triangle inequality, twice."""
    if depth == 0:
        among = np.arange(len(_towns()), dtype=np.int32)
    else:
        among = _may_be_nearest(S2CellId(cell).parent(_LEVELS[depth - 1]).id(), depth - 1)
    cosines = _towns()[among] @ np.array(S2Point_ToRaw(S2CellId(cell).ToPoint()))
    away = math.acos(min(1.0, cosines.max()))
    near: NDArray[np.int32] = among[cosines >= math.cos(min(math.pi, away + 2 * _REACH[depth] + _ROUNDING))]
    return near


@lru_cache(maxsize=1)
def _towns() -> NDArray[np.float64]:
    """Unit vectors of all towns (T, 3)."""
    lat, lon = data.table("towns").T / 1e4
    return unit_vectors(lat, lon)
