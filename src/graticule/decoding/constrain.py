"""Answers that lie in a region: which tokens lead there, and where in a cell the answer then is.

What the model says is not changed, only confined: children that the region does not reach are left out, and nothing
is normalised anew. What a search then finds adds up to the model's probability of the region.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from graticule.earth import s2
from graticule.earth.cells import TokenScheme
from graticule.earth.regions import Region
from graticule.errors import ConfigError

__all__ = ["CellMask", "probability_inside"]

_KEPT = 1 << 18


class CellMask:
    """Which cells of a scheme a region reaches into.

    A cell that the region only touches is none of them; see `earth.regions.cuts`. One that is has a child that is, so
    who follows the mask always arrives. Rows are remembered by prefix, for all pictures and searches.

    Example:
        >>> from graticule.earth.regions import parse_region
        >>> mask = CellMask(TokenScheme.uniform(4), parse_region("Chad"))
        >>> mask.children(torch.zeros(1, 1, 0, dtype=torch.int64))
        tensor([[[ True, False, False, False, False, False]]])
    """

    def __init__(self, scheme: TokenScheme, region: Region) -> None:
        """Bind a region to the cells of a scheme."""
        self.scheme = scheme
        self.region = region
        self._rows: dict[int, NDArray[np.bool_]] = {}

    def children(self, prefixes: Tensor) -> Tensor:
        """Into which children of each prefix the region reaches.

        Args:
            prefixes: `(B, W, t)` int64, with t < T. After t = 0 tokens a prefix is the Earth.

        Returns:
            `(B, W, V_t)` bool, on the device of the prefixes; without any True after a prefix that is itself outside.

        Raises:
            ConfigError: The prefixes are complete.
            CoordinateError: A token is out of range.
        """
        *shape, length = prefixes.shape
        if length >= self.scheme.length:
            raise ConfigError(f"the prefixes are complete: all {self.scheme.length} tokens are chosen.")
        if length == 0:
            return torch.from_numpy(self._row(0, 0)).expand(*shape, -1).to(prefixes.device)
        cells, inverse = np.unique(self.scheme.decode(prefixes.cpu().numpy()), return_inverse=True)
        if len(self._rows) > _KEPT:
            self._rows.clear()
        rows = np.stack([self._row(cell, length) for cell in cells.tolist()])[inverse.reshape(shape)]
        return torch.from_numpy(rows).to(prefixes.device)

    def places(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Where the answer is in each cell, and how much of the cell counts.

        Args:
            tokens: `(B, W, T)` int64, complete. Shorter prefixes are answered too.

        Returns:
            `(B, W, 2)` float64 degrees and `(B, W)` float64, on the CPU. The place is a point of the region in the
            cell: its centre, if that is one. The share is that of the cell's area in the region. It is 0 where
            the cell is outside, or what is inside is too thin for a point in it to be found; the place then is some
            point of the region elsewhere.

        Raises:
            CoordinateError: A token is out of range.
        """
        cells = self.scheme.decode(tokens.cpu().numpy())
        points, found = self.region.points(cells)
        shares = np.where(found, self.region.shares(cells), 0.0)
        return torch.from_numpy(points), torch.from_numpy(shares)

    def _row(self, cell: int, length: int) -> NDArray[np.bool_]:
        """Into which children of a cell the region reaches (V_t,). Cell 0 is the Earth."""
        row = self._rows.get(cell)
        if row is None:
            size = self.scheme.vocabulary[length]
            part = self.region.cuts.part(cell) if cell else None
            if isinstance(part, bool):
                row = np.full(size, part)
            else:
                children = _children(cell, self.scheme.levels[length], size)
                row = np.array([self.region.cuts.reaches(child) for child in children], dtype=np.bool_)
            self._rows[cell] = row
        return row


def probability_inside(region: Region, ids: ArrayLike, mass: ArrayLike) -> float:
    """The probability of a region, given that of cells: a cell that lies across its border counts by its share.

    Args:
        region: Where the truth may be.
        ids: S2 cell ids (N,) of any levels, none inside another.
        mass: Probability of each (N,).

    Raises:
        CoordinateError: An id is not a cell's.
    """
    return float(np.sum(region.shares(ids) * np.asarray(mass, dtype=np.float64)))


def _children(cell: int, level: int, size: int) -> list[int]:
    """The cells of a level inside a cell, or of the whole Earth, in the order of their tokens."""
    step = 1 << 2 * (s2.MAX_LEVEL - level) + 1
    first = (cell - (cell & -cell) if cell else 0) + step // 2
    return [first + step * token for token in range(size)]
