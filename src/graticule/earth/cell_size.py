"""How large S2 cells are: their areas, and how far their corners reach."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from graticule.earth import hilbert, s2
from graticule.earth.distance import EARTH_RADIUS_KM

__all__ = ["cell_areas_km2", "reach_km"]


def reach_km(levels: NDArray[np.int64]) -> NDArray[np.float64]:
    """How far the farthest corner of any S2 cell of each level is from its centre (...)."""
    return np.where(levels > 0, 0.843 * 9220.0 * 0.5 ** np.maximum(levels, 0), 6087.0)


def cell_areas_km2(cells: NDArray[np.uint64]) -> NDArray[np.float64]:
    """The area of each cell on the sphere of 6371 km, to one part in a million (N,).

    Seen from the Earth's centre, a cell is a rectangle on a face of the cube at distance 1, between u0 and u1 and
    between v0 and v1. With F(u, v) = atan(u v / sqrt(1 + u^2 + v^2)) its solid angle is

        F(u1, v1) - F(u0, v1) - F(u1, v0) + F(u0, v0).

    The difference loses its digits in small cells; from level 11 on it is (u1 - u0) (v1 - v0) r^-3, with
    r = sqrt(1 + u^2 + v^2) in the cell's middle.

    Args:
        cells: S2 cell ids (N,), of any levels.
    """
    last = cells & -cells
    width = np.sqrt(last).astype(np.int64)
    position = ((cells - last) >> np.uint64(1)).astype(np.int64) & (4**s2.MAX_LEVEL - 1)
    grid = hilbert.grid_of(position, swapped=(cells >> np.uint64(61)).astype(np.int64) & 1)
    (u0, u, u1), (v0, v, v1) = (
        [_bent((low & -width) + part * width) for part in (0.0, 0.5, 1.0)] for low in grid
    )
    small = (u1 - u0) * (v1 - v0) * (1 + u * u + v * v) ** -1.5
    large = _corner(u1, v1) - _corner(u0, v1) - _corner(u1, v0) + _corner(u0, v0)
    return np.asarray(EARTH_RADIUS_KM**2 * np.where(width > 1 << (s2.MAX_LEVEL - 11), large, small))


def _bent(along: NDArray[np.float64]) -> NDArray[np.float64]:
    """The coordinate u or v, -1 to 1, of a distance from a face's side in leaf cells: S2's quadratic projection."""
    s = along * 0.5**s2.MAX_LEVEL
    farther = np.maximum(s, 1 - s)
    return np.asarray(np.copysign((4 * farther * farther - 1) / 3, s - 0.5))


def _corner(u: NDArray[np.float64], v: NDArray[np.float64]) -> NDArray[np.float64]:
    """Solid angle, with its sign, of the rectangle between a face's middle and (u, v)."""
    return np.asarray(np.arctan(u * v / np.sqrt(1 + u * u + v * v)))
