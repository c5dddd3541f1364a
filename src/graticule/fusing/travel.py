"""How far one gets in a time: on foot, on wheels, by air."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from graticule.earth import s2
from graticule.earth.cell_size import cell_areas_km2
from graticule.earth.distance import EARTH_RADIUS_KM, unit_vectors

__all__ = ["PACES", "Ground"]

PACES: Final = ((0.55, 3.0), (0.40, 40.0), (0.05, 500.0))
"""Shares of journeys, and their speeds as the crow flies, in km/h."""
NEIGHBOURHOOD: Final = 3
"""S2 level, of cells 1,150 km wide: inside of one, pictures of an outing err alike."""
_NEAR_KM: Final = 0.1
"""How far off a picture is taken, and a receiver errs, with no time between."""


class Ground:
    """The cells of a partition, and the chances of getting from one to another.

    In a time t, with a speed v, one gets farther than d as seldom as a Student's t with two degrees of freedom on the
    plane says,

        P(d) = 1 / (1 + d^2 / (2 s^2)),    s = near + v t,

    and the chances of all `PACES` are added up. Far journeys are thus rare and not impossible.

    A cell of radius r, its centre d away, gets its share of what comes into the ring from d - r to d + r. Of two cells
    the smaller is where one sets out, and the way back is as likely per area.
    """

    def __init__(self, cells: NDArray[np.uint64]) -> None:
        """Measure a partition.

        Args:
            cells: disjoint cells (C,) that cover the Earth.
        """
        self.cells = cells
        self.area_km2 = cell_areas_km2(cells)
        self.even = self.area_km2 / self.area_km2.sum()
        """The probability of each cell (C,) if nothing is known."""
        level = np.minimum(s2.level_of(cells), NEIGHBOURHOOD)
        coarse = np.zeros_like(cells)
        for one in np.unique(level).tolist():
            coarse[level == one] = s2.parent(cells[level == one], one)
        self.neighbourhood = np.unique(coarse, return_inverse=True)[1]
        """The number of the cell of level `NEIGHBOURHOOD`, or coarser, that each cell is in (C,)."""
        self._points = unit_vectors(*s2.centres(cells))
        larger = np.maximum(self.area_km2[:, None], self.area_km2)
        self._rings = _Rings.of(_apart_km(self._points, self._points), larger)
        self._share = self.area_km2 / larger

    def ways(self, hours: float) -> NDArray[np.float64]:
        """The chance of being in a cell after so many hours, from each cell: (C from, C to), rows that sum to one."""
        chances = self._rings.chances(hours) * self._share
        return np.asarray(chances / chances.sum(axis=1, keepdims=True))

    def from_point(self, latitude: float, longitude: float, hours: float) -> NDArray[np.float64]:
        """The chance of being in each cell (C,) so many hours from a place, in degrees."""
        point = unit_vectors(np.array([latitude]), np.array([longitude]))
        [chances] = _Rings.of(_apart_km(point, self._points), self.area_km2[None]).chances(hours)
        return np.asarray(chances / chances.sum())


@dataclass(frozen=True)
class _Rings:
    """Rings around places that cells lie in: squared radii in km2, and the share of a ring that is the cell's."""

    inner: NDArray[np.float64]
    outer: NDArray[np.float64]
    share: NDArray[np.float64]

    @classmethod
    def of(cls, apart_km: NDArray[np.float64], area_km2: NDArray[np.float64]) -> _Rings:
        radius = np.sqrt(area_km2 / np.pi)
        outer = np.square(apart_km + radius)
        inner = np.square(np.maximum(apart_km - radius, 0.0))
        return cls(inner, outer, np.square(radius) / (outer - inner))

    def chances(self, hours: float) -> NDArray[np.float64]:
        """Of getting into each cell."""
        found = np.zeros_like(self.share)
        for share, speed in PACES:
            scale = 2 * (_NEAR_KM + speed * hours) ** 2
            # The difference of 1 / (1 + x) at both radii, in a form that keeps its digits.
            rings = (self.outer - self.inner) * scale / ((scale + self.inner) * (scale + self.outer))
            found += share * rings
        return found * self.share


def _apart_km(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Great-circle distances between unit vectors: (A, 3) and (B, 3) to (A, B)."""
    # Cosines near 1 lose digits, and with them a few centimetres.
    return np.asarray(EARTH_RADIUS_KM * np.arccos(np.clip(a @ b.T, -1.0, 1.0)))
