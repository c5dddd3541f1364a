"""The outline of a cell on a map: S2 cells have straight sides on the cube, not in latitude and longitude."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from graticule.earth import cube, hilbert, s2
from graticule.errors import CoordinateError

__all__ = ["cell_from_token", "cell_outline"]


def cell_from_token(token: str) -> np.uint64:
    """The id of a cell from its token: hexadecimal without the trailing zeros (`S2CellId::FromToken`).

    Raises:
        CoordinateError: If it is no token of a cell.
    """
    try:
        cell = np.uint64(int(token.ljust(16, "0"), 16)) if len(token) <= 16 else np.uint64(0)
    except (ValueError, OverflowError):
        cell = np.uint64(0)
    if not s2.is_valid(cell):
        raise CoordinateError(f"cell {token!r}: is no S2 cell token")
    return cell


def cell_outline(cell: np.uint64, *, points_a_side: int = 16) -> NDArray[np.float64]:
    """The sides of a cell, counterclockwise as seen from above, closed.

    Args:
        cell: S2 cell id.
        points_a_side: Points that follow each bent side.

    Returns:
        Latitudes and longitudes in degrees (4 * points_a_side + 1, 2). Longitudes are continuous: next to the
        antimeridian they run past 180 or -180.

    Raises:
        CoordinateError: If it is no S2 cell.
    """
    width = 1 << (s2.MAX_LEVEL - int(s2.level_of(cell)))
    low, _ = s2.id_range(cell)
    face = int(cell) >> 61
    position = np.array([(int(low) >> 1) & (4**s2.MAX_LEVEL - 1)], dtype=np.int64)
    i, j = (int(axis[0]) & -width for axis in hilbert.grid_of(position, swapped=np.array([face & 1])))
    steps = np.linspace(0, width, points_a_side, endpoint=False).astype(np.int64)
    still, back = np.zeros_like(steps), width - steps
    along_i = np.concatenate([steps, still + width, back, still, [0]]) + i
    along_j = np.concatenate([still, steps, still + width, back, [0]]) + j
    lat, lon = cube.middle_of(np.full(len(along_i), face), along_i, along_j, width=np.zeros_like(along_i))
    _, middle = s2.centres(cell)
    lon = (lon - middle + 180) % 360 - 180 + middle
    return np.stack([lat, lon], axis=-1)
