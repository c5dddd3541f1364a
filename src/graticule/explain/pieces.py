"""Cells that lie together on the ground."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from graticule.earth import cube, s2
from graticule.earth.dissolve import squares

__all__ = ["connected"]


def connected(cells: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Number the pieces that cells make on the ground: cells that share a side or a corner are of one.

    Args:
        cells: (N,) S2 cell ids of mixed levels, none inside another.

    Returns:
        The piece of each cell (N,), from 0.
    """
    if not len(cells):
        return np.empty(0, dtype=np.int64)
    order = np.argsort(cells)
    low, high = s2.id_range(cells[order])
    beside = _beside(cells)
    holding = np.searchsorted(low, beside, side="right") - 1
    held = (holding >= 0) & (beside <= high[np.maximum(holding, 0)])
    pairs = np.stack([np.nonzero(held)[0], order[holding[held]]], axis=1)
    roots = list(range(len(cells)))
    for one, other in np.unique(pairs, axis=0).tolist():
        roots[_root(roots, one)] = _root(roots, other)
    return np.unique([_root(roots, cell) for cell in range(len(cells))], return_inverse=True)[1]


def _beside(cells: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Leaf cells right outside each cell (N, 8), at its corners and the middles of its sides.

    Of two cells that touch, the larger one holds one of the smaller one's.
    """
    face, i, j, width = squares(cells)
    steps = np.stack([np.full_like(width, -1), width // 2, width])
    around = [(a, b) for a in range(3) for b in range(3) if (a, b) != (1, 1)]
    across = np.stack([i + steps[a] for a, _ in around], axis=1).ravel()
    along = np.stack([j + steps[b] for _, b in around], axis=1).ravel()
    lat, lon = cube.middle_of(np.repeat(face, 8), across, along, width=np.ones_like(across))
    return s2.cell_ids(lat, lon).reshape(-1, 8)


def _root(roots: list[int], cell: int) -> int:
    """What stands for a cell's piece; the way there is shortened for the next."""
    while roots[cell] != cell:
        roots[cell] = cell = roots[roots[cell]]
    return cell
