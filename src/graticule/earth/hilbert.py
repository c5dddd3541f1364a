"""The Hilbert curve of an S2 cube face: grid coordinates (i, j) <-> position along the curve.

S2 walks each face of its cube along a Hilbert curve. At every level a square splits into four, and the
square's orientation says in which order the curve visits them. Orientation is two bits: bit 0 swaps i
and j, bit 1 inverts both. Thirty levels make a face of 2^30 x 2^30 leaf squares.

The curve is followed six levels at a time through a table that maps six bits of i, six of j and an
orientation to twelve bits of position and the next orientation; thirty levels are five look-ups, and a
table is 32 KiB, small enough to stay in the processor's first cache.

Source: S2 Geometry, `s2cell_id.cc` (the curve) and `s2coords.h` (the order of visits).
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["LEVELS", "grid_of", "position_of"]

LEVELS = 30
"""How many times a face is split."""

_STEP = 6  # levels a look-up
_CHUNK = (1 << _STEP) - 1  # the six bits of i, or of j, that a look-up takes
_SHIFTS = range(LEVELS - _STEP, -1, -_STEP)  # of those bits, first look-up first

# For a square of each orientation, the child (2 * i bit + j bit) visited at each of the four positions,
# and how the child at each position is turned relative to its parent.
_VISITS = np.array([[0, 1, 3, 2], [0, 2, 3, 1], [3, 2, 0, 1], [3, 1, 0, 2]])
_TURNS = np.array([1, 0, 0, 3])


@cache
def _tables() -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    """Both look-up tables (4 * 4^6,), of (i, j) to position and of position to (i, j).

    A key is twelve bits of (i, j) or position and then the two bits of the orientation on entering the
    square; a value is the same with the orientation on leaving it.
    """
    start = np.arange(4)[:, None]
    position = np.broadcast_to(np.arange(4**_STEP), (4, 4**_STEP))
    orientation = np.broadcast_to(start, position.shape)
    grid = np.zeros_like(position)
    for shift in range(2 * (_STEP - 1), -1, -2):
        visit = position >> shift & 3
        child = _VISITS[orientation, visit]
        # i gathers in the upper six bits and j in the lower.
        grid = grid << 1 | (child >> 1) << _STEP | child & 1
        orientation = orientation ^ _TURNS[visit]
    to_position = np.empty(4 * 4**_STEP, dtype=np.uint16)
    to_grid = np.empty_like(to_position)
    to_position[grid << 2 | start] = position << 2 | orientation
    to_grid[position << 2 | start] = grid << 2 | orientation
    return to_position, to_grid


def position_of(
    i: NDArray[np.int64], j: NDArray[np.int64], *, swapped: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Position along the curve of each leaf square.

    Args:
        i: Column of the leaf square (N,), in [0, 2^30).
        j: Row of the leaf square (N,), in [0, 2^30).
        swapped: 1 where the face's curve starts with i and j swapped (the odd faces), else 0 (N,).

    Returns:
        Positions (N,), in [0, 4^30).
    """
    to_position, _ = _tables()
    position = np.zeros_like(i)
    orientation = swapped
    for shift in _SHIFTS:
        key = (i >> shift & _CHUNK) << (_STEP + 2)
        key |= (j >> shift & _CHUNK) << 2
        key |= orientation
        value = to_position[key].astype(np.int64)
        position <<= 2 * _STEP
        position |= value >> 2
        orientation = value & 3
    return position


def grid_of(
    position: NDArray[np.int64], *, swapped: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The leaf square at each position along the curve: the inverse of `position_of`.

    Args:
        position: Positions (N,), in [0, 4^30).
        swapped: 1 where the face's curve starts with i and j swapped (the odd faces), else 0 (N,).

    Returns:
        i and j (N,), each in [0, 2^30).
    """
    _, to_grid = _tables()
    i, j = np.zeros_like(position), np.zeros_like(position)
    orientation = swapped
    for shift in _SHIFTS:
        key = (position >> 2 * shift & (4**_STEP - 1)) << 2
        key |= orientation
        value = to_grid[key].astype(np.int64)
        i <<= _STEP
        i |= value >> (_STEP + 2)
        j <<= _STEP
        j |= value >> 2 & _CHUNK
        orientation = value & 3
    return i, j
