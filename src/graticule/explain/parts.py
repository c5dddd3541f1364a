"""The parts of a credible region, each with a name and its probability."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from graticule.earth import s2
from graticule.earth.credible import CredibleRegion
from graticule.earth.places import Places
from graticule.explain.naming import name_of
from graticule.explain.pieces import connected

__all__ = ["Part", "name_cell", "parts_of"]

_COARSE: Final = ((4, 3), (7, 2), (s2.MAX_LEVEL - 1, 1))
"""Cells of up to a level are looked at in so many levels of their children: points some 50 to 300 km apart."""


@dataclass(frozen=True)
class Part:
    """A part of a credible region."""

    words: str
    probability: float
    latitude: float
    """Of its most probable cell."""
    longitude: float

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "words": self.words,
            "probability": self.probability,
            "latitude": self.latitude,
            "longitude": self.longitude,
        }


def parts_of(region: CredibleRegion, places: Places) -> tuple[Part, ...]:
    """The parts of a region, the most probable first.

    Cells that touch are one part, and parts of one name are too: two valleys of northern Chile are northern Chile.

    Args:
        region: of a prediction.
        places: names.
    """
    cells, shares = region.cells, region.probabilities
    pieces = connected(cells)
    points, owner = _points(cells)
    weights = shares[owner] / np.bincount(owner, minlength=len(cells))[owner]
    found = places.at(*points.T, towns=False)
    best: dict[str, int] = {}
    held: dict[str, float] = {}
    for piece in np.unique(pieces):
        inside = np.flatnonzero(pieces == piece)
        rows = np.flatnonzero(pieces[owner] == piece)
        name = name_of(points[rows], weights[rows], [found[row] for row in rows], places)
        top = int(inside[shares[inside].argmax()])
        held[name] = held.get(name, 0.0) + float(shares[inside].sum())
        if name not in best or shares[top] > shares[best[name]]:
            best[name] = top
    lat, lon = s2.centres(cells)
    return tuple(
        Part(name, held[name], float(lat[best[name]]), float(lon[best[name]]))
        for name in sorted(held, key=lambda name: -held[name])
    )


@lru_cache(maxsize=4096)
def name_cell(cell: int, places: Places) -> str:
    """What a large cell is called.

    Args:
        cell: S2 cell id.
        places: names.
    """
    points, _ = _points(np.array([cell], dtype=np.uint64))
    return name_of(points, np.full(len(points), 1 / len(points)), places.at(*points.T, towns=False), places)


def _points(cells: NDArray[np.uint64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Points that stand for cells: latitudes and longitudes (P, 2), and the row of the cell of each (P,)."""
    levels, below = s2.level_of(cells), -1
    points, owners = [], []
    for level, depth in _COARSE:
        rows = np.flatnonzero((levels > below) & (levels <= level))
        some = cells[rows]
        for _ in range(depth):
            some = s2.children(some).reshape(-1)
        points.append(np.stack(s2.centres(some), axis=-1))
        owners.append(np.repeat(rows, 4**depth))
        below = level
    return np.concatenate(points), np.concatenate(owners)
