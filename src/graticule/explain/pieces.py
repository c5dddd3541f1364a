"""Cells that lie together on the ground."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from s2geometry import S2CellId

from graticule.earth import s2

__all__ = ["connected"]


def connected(cells: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Number the pieces that cells make on the ground: cells that share a side or a corner are of one.

    Args:
        cells: (N,) S2 cell ids of mixed levels, none inside another.

    Returns:
        The piece of each cell (N,), from 0.
    """
    order = np.argsort(cells)
    along = cells[order]
    low, high = s2.id_range(along)
    roots = np.arange(len(cells))
    for place, cell in enumerate(along.tolist()):
        neighbours = [other.id() for other in S2CellId(cell).GetAllNeighbors(S2CellId(cell).level())]
        # Of two cells that touch, the larger one holds a neighbour of the smaller one's size.
        beside = np.array(neighbours, dtype=np.uint64)
        holding = np.searchsorted(low, beside, side="right") - 1
        for other in holding[(holding >= 0) & (beside <= high[holding])].tolist():
            roots[_root(roots, other)] = _root(roots, place)
    pieces = np.empty(len(cells), dtype=np.int64)
    pieces[order] = np.unique([_root(roots, place) for place in range(len(cells))], return_inverse=True)[1]
    return pieces


def _root(roots: NDArray[np.int64], place: int) -> int:
    """What stands for a cell's piece; the way there is shortened for the next."""
    while roots[place] != place:
        roots[place] = roots[roots[place]]
        place = int(roots[place])
    return place
