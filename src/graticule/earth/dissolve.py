"""The outline of many cells together, as a GeoJSON geometry: sides that two of them share are gone.

On a face of S2's cube, cells are squares of a grid of integers, where their union is exact. The faces that hold the
poles are dissolved in quarters, and the one that the antimeridian halves in halves: then no piece crosses either, and
each can be drawn in longitude and latitude as RFC 7946 wants it. Pieces that touch are united there.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Final

import numpy as np
import shapely
from numpy.typing import NDArray

from graticule.earth import cube, hilbert, s2

__all__ = ["dissolved", "squares"]

_HALF: Final = 1 << (s2.MAX_LEVEL - 1)
"""Squares to the middle of a face."""
_STEP: Final = _HALF // 32
"""Squares between two points along a bent side: at most 1.8 degrees."""
_POLAR: Final = (2, 5)
_ANTIMERIDIAN: Final = 3
_GRID_DEG: Final = 1e-9
"""Pieces are united on a grid of a tenth of a millimetre."""


def dissolved(cells: NDArray[np.uint64]) -> dict[str, Any]:
    """The union of cells as a GeoJSON MultiPolygon: longitude first, outer rings counterclockwise, cut at 180 degrees.

    Args:
        cells: S2 cell ids (N,) of any levels, none inside another.
    """
    whole = s2.level_of(cells) == 0
    cells = np.concatenate([cells[~whole], s2.children(cells[whole]).reshape(-1)])
    face, i, j, width = squares(cells)
    polar = np.isin(face, _POLAR)
    split_i, split_j = polar & (i >= _HALF), (polar | (face == _ANTIMERIDIAN)) & (j >= _HALF)
    pieces = []
    for piece in np.unique(np.stack([face, split_i, split_j]), axis=1).T.tolist():
        mine = (face == piece[0]) & (split_i == piece[1]) & (split_j == piece[2])
        low_i, low_j, side = i[mine], j[mine], width[mine]
        union = shapely.union_all(shapely.box(low_i, low_j, low_i + side, low_j + side))
        middle = s2.centres(cells[mine])[1][0]
        pieces += [_on_earth(polygon, piece[0], float(middle)) for polygon in shapely.get_parts(union)]
    united = shapely.union_all(pieces, grid_size=_GRID_DEG)
    parts = [shapely.geometry.polygon.orient(part) for part in shapely.get_parts(united)]
    return dict(shapely.geometry.mapping(shapely.MultiPolygon(parts)))


def squares(
    cells: NDArray[np.uint64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Face, lowest i, lowest j and width in squares of each cell, each (N,)."""
    width = np.left_shift(1, s2.MAX_LEVEL - s2.level_of(cells)).astype(np.int64)
    face = (cells >> np.uint64(61)).astype(np.int64)
    low, _ = s2.id_range(cells)
    position = (low >> np.uint64(1)).astype(np.int64) & (4**s2.MAX_LEVEL - 1)
    i, j = (axis & -width for axis in hilbert.grid_of(position, swapped=face & 1))
    return face, i, j, width


def _on_earth(polygon: shapely.Polygon, face: int, middle_deg: float) -> shapely.Polygon:
    """A polygon of a face's grid in longitude and latitude, its longitudes within 180 degrees of `middle_deg`."""
    outer, *holes = (
        _ring(shapely.get_coordinates(ring).astype(np.int64), face, middle_deg)
        for ring in (polygon.exterior, *polygon.interiors)
    )
    return shapely.Polygon(outer, holes)


def _ring(corners: NDArray[np.int64], face: int, middle_deg: float) -> NDArray[np.float64]:
    """A closed ring of corners (N, 2) on the grid -> longitudes and latitudes (M, 2), with points along its sides."""
    points = np.concatenate([_along(*side) for side in pairwise(corners)])
    face_of_each, no_width = np.full(len(points), face), np.zeros(len(points), dtype=np.int64)
    lat, lon = cube.middle_of(face_of_each, points[:, 0], points[:, 1], width=no_width)
    lon = (lon - middle_deg + 180) % 360 - 180 + middle_deg
    for pole in np.flatnonzero(np.abs(lat) > 90 - 1e-9)[:1]:
        # A pole has no longitude: the ring comes to it along one meridian, and leaves along another.
        lat, lon = np.roll(lat, -pole), np.roll(lon, -pole)
        lat, lon = np.append(lat, lat[0]), np.append(lon, lon[-1])
        lon[0] = lon[1]
    return np.stack([np.append(lon, lon[0]), np.append(lat, lat[0])], axis=-1)


def _along(start: NDArray[np.int64], end: NDArray[np.int64]) -> NDArray[np.int64]:
    """The start of a side and the multiples of the step on it (N, 2), so that pieces that touch share their points."""
    axis = int(start[0] == end[0])
    low, high = sorted((int(start[axis]), int(end[axis])))
    between = np.arange(low // _STEP * _STEP + _STEP, high, _STEP)
    if start[axis] > end[axis]:
        between = between[::-1]
    points = np.tile(start, (len(between) + 1, 1))
    points[1:, axis] = between
    return points
