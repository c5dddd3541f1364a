"""The smallest region that holds a share of the probability, as cells and as a shape for a map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["CredibleRegion"]


@dataclass(frozen=True, eq=False)
class CredibleRegion:
    """Where a picture was taken, with a probability.

    Attributes:
        mass: the share that was asked for; the cells hold at least as much.
        area_km2: of all of it.
        cells: `(C,)` uint64, S2 cell ids of mixed levels, the densest first. Where an answer was confined to a
            region, a cell across its border counts with the part inside.
        probabilities: `(C,)` float64, of each cell.
    """

    mass: float
    area_km2: float
    cells: NDArray[np.uint64]
    probabilities: NDArray[np.float64]

    @property
    def probability(self) -> float:
        """What the cells hold together."""
        return float(self.probabilities.sum())

    def geometry(self) -> dict[str, Any]:
        """A GeoJSON MultiPolygon of the cells, those that touch made one."""
        from graticule.earth.dissolve import dissolved

        return dissolved(self.cells)
