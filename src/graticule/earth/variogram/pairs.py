"""Pairs of points that may be within reach of each other, numbered so that some can be drawn.

The points lie on the unit sphere, in the little cubes of a grid whose sides are as long as the reach (its chord).
Two points within reach of each other then lie in one cube, or in two that touch. There are no poles and no
antimeridian in such a grid. Numbering the pairs of points in such cubes makes a uniform draw of pairs as easy as a
draw of whole numbers.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray

from graticule.earth.distance import EARTH_RADIUS_KM

__all__ = ["NearPairs", "versine"]

Rows = NDArray[np.int64]

_BITS = 21  # of each of a cube's three coordinates, so that together they fit a 64-bit integer
_FINEST = 2.0**-19  # the shortest side that leaves room in those bits; 12 m on the ground
# A cube and those of its neighbours that come after it, so that two cubes meet once.
_NEXT = [step for step in product((-1, 0, 1), repeat=3) if step >= (0, 0, 0)]


def versine(km: ArrayLike) -> NDArray[np.float64]:
    """1 - cos of the angle under a distance on the ground: it grows with distance, and costs two points a product."""
    angle = np.clip(np.asarray(km) / EARTH_RADIUS_KM, 0, np.pi)
    # Not 1 - cos, which has lost its digits where the angle is small.
    return np.asarray(2 * np.sin(angle / 2) ** 2)


class NearPairs:
    """All pairs of points in one cube or two that touch: every pair within reach, once, and some that are farther.

    Args:
        vectors: Points (N, 3), unit vectors.
        reach_km: How far apart the points of a pair may be on the ground.

    Attributes:
        total: How many pairs there are.
    """

    def __init__(self, vectors: NDArray[np.float64], reach_km: float) -> None:
        # The chord of the reach, and a little more, since a coordinate's last digits are rounded.
        side = max(float(np.sqrt(2 * versine(reach_km))) * (1 + 1e-9), _FINEST)
        cubes = np.zeros(len(vectors), dtype=np.int64)
        for along in vectors.T:
            # From 1 on, so that a step back stays positive.
            cubes = cubes << _BITS | np.floor((along + 1) / side).astype(np.int64) + 1
        self._order = np.argsort(cubes, kind="stable")
        cubes = cubes[self._order]
        self._starts = np.flatnonzero(np.diff(cubes, prepend=-1))
        self._sizes = np.diff(self._starts, append=len(cubes))
        found = cubes[self._starts]
        meetings = [self._meet(found, step) for step in _NEXT]
        self._first, self._second = (np.concatenate(part) for part in zip(*meetings, strict=True))
        self._ends = self._sizes[self._first]
        self._ends *= self._sizes[self._second]
        alone = np.flatnonzero(self._first == self._second)
        own = self._sizes[self._first[alone]]
        self._ends[alone] = own * (own - 1) // 2
        np.cumsum(self._ends, out=self._ends)
        self.total = int(self._ends[-1])

    def __getitem__(self, numbers: Rows) -> tuple[Rows, Rows]:
        """The two rows (P,), (P,) of each pair numbered (P,), from 0 to `total` - 1."""
        meeting = np.searchsorted(self._ends, numbers, side="right")
        first, second = self._first[meeting], self._second[meeting]
        one, other = self._sizes[first], self._sizes[second]
        alone = first == second
        pairs = np.where(alone, one * (one - 1) // 2, one * other)
        number = numbers - (self._ends[meeting] - pairs)
        # Within a cube of n points: the pairs of neighbours round a ring, then of those two apart, and so on half way
        # round. Every pair comes once.
        i, step = number % one, number // one
        j = np.where(alone, (i + step + 1) % one, step)
        return self._order[self._starts[first] + i], self._order[self._starts[second] + j]

    @staticmethod
    def _meet(found: Rows, step: tuple[int, ...]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Which of the cubes found meet which, one step away."""
        dx, dy, dz = step
        wanted = found + ((dx << 2 * _BITS) + (dy << _BITS) + dz)
        place = np.searchsorted(found, wanted)
        np.minimum(place, len(found) - 1, out=place)
        first = np.flatnonzero(found[place] == wanted)
        return first.astype(np.int32), place[first].astype(np.int32)
