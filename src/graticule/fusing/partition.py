"""One partition of the Earth for several pictures: fine wherever one of them, or a track, needs it fine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from graticule.earth import s2
from graticule.earth.cell_size import cell_areas_km2, reach_km
from graticule.earth.density import Density
from graticule.earth.distance import destination

__all__ = ["common_cells", "density_of", "needed_cells", "spread"]

_SHARE: Final = 0.98
"""Of a picture's probability, so much is kept as fine as it is, if that takes no more than so many cells."""
_CELLS: Final = 96
_RINGED: Final = 6
"""Around so many of them it is as fine, too."""
_FACES: Final = tuple((2 * face + 1) << 60 for face in range(6))
_SHIFT: Final = np.uint64(12)
"""A float holds 53 bits of a place along the curve: those down to level 24."""


def needed_cells(density: Density, *, most: int = _CELLS) -> NDArray[np.uint64]:
    """The likeliest cells of a density of one row, at most so many, which another partition has to keep apart.

    And those around the first few of them, which come to some eighty more.
    """
    order = density.likeliest(min(most, _CELLS))[0]
    mass = density.mass[0][order] / density.total[0]
    cells = density.cells[0][order[(mass.cumsum() - mass < _SHARE) & (mass > 0)]]
    return np.concatenate([cells, _around(cells[:_RINGED])])


def _around(cells: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Cells as large as the given ones, one and two sides off: where others may be who are not far."""
    lat, lon = s2.centres(cells)
    side = np.sqrt(cell_areas_km2(cells))
    bearings, sides = np.arange(0, 360, 45)[:, None, None], np.array([1.0, 2.0])[:, None]
    there = destination(lat, lon, bearing_deg=bearings, distance_km=sides * side)
    levels = s2.level_of(cells)
    found = [
        s2.cell_ids(*(part[..., levels == level].reshape(-1) for part in there), level=level)
        for level in np.unique(levels).tolist()
    ]
    return np.unique(np.concatenate([*found, np.zeros(0, np.uint64)]))


def common_cells(needed: Sequence[NDArray[np.uint64]]) -> NDArray[np.uint64]:
    """The coarsest partition of the Earth in which each cell needed is a cell, or split into cells.

    Args:
        needed: S2 cell ids, each (N,), of any levels.

    Returns:
        Disjoint cells (C,) that cover the Earth, along the Hilbert curve.
    """
    cells = np.unique(np.concatenate([*needed, np.zeros(0, np.uint64)]))
    split: set[int] = set()
    for level in range(s2.MAX_LEVEL):
        finer = cells[s2.level_of(cells) > level]
        if not len(finer):
            break
        split |= set(s2.parent(finer, level).tolist())
    parents = np.array(sorted(split), dtype=np.uint64)
    faces = np.array(_FACES, dtype=np.uint64)
    born = np.concatenate([faces, s2.children(parents).reshape(-1)]) if len(parents) else faces
    return np.sort(np.setdiff1d(born, parents))


def spread(density: Density, cells: NDArray[np.uint64]) -> NDArray[np.float64]:
    """The shares of a density of one row in the cells of another partition of the Earth (C,).

    Inside one of its own cells the probability is even along the Hilbert curve, which is even over the ground but for
    the few per cent by which S2's cells of a level differ there.
    """
    here = density.levels[0] >= 0
    own = density.cells[0][here]
    order = own.argsort()
    low, high = _ends(own[order])
    held = (density.mass[0][here][order] / density.total[0]).cumsum()
    # Between cells that a search left out as impossible nothing is added.
    along, below = (
        np.stack([low, high], -1).reshape(-1),
        np.stack([np.r_[0.0, held[:-1]], held], -1).reshape(-1),
    )
    first, last = _ends(cells)
    return np.asarray(np.maximum(np.interp(last, along, below) - np.interp(first, along, below), 0.0))


def density_of(cells: NDArray[np.uint64], mass: NDArray[np.float64]) -> Density:
    """A density of one row: cells (C,) with their probabilities (C,)."""
    levels = s2.level_of(cells)
    return Density(
        cells=cells[None],
        levels=levels[None],
        mass=mass[None],
        area_km2=cell_areas_km2(cells)[None],
        lat_lon=np.stack(s2.centres(cells), axis=-1)[None],
        reach_km=reach_km(levels)[None],
    ).weighed(mass[None])


def _ends(cells: NDArray[np.uint64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where each cell begins and ends along the curve."""
    half = cells & -cells
    low = ((cells - half) >> _SHIFT).astype(np.float64)
    return low, low + (half >> (_SHIFT - np.uint64(1))).astype(np.float64)
