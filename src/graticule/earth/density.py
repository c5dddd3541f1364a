"""A probability over the Earth: cells of mixed sizes, fine where it matters and coarse elsewhere.

Nothing is forgotten: the cells are a partition of the Earth, or of the region an answer was confined to. Inside a cell
the probability is taken to be spread evenly. `graticule.decoding.density` makes one of what a search saw.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from graticule.earth import s2
from graticule.earth.distance import EARTH_RADIUS_KM, haversine_km, unit_vectors
from graticule.errors import ConfigError

__all__ = ["GEOSCORE_SCALE_KM", "HALF_WAY_ROUND_KM", "Density", "Goal"]

Goal = Literal["geoscore", "median", "within"]
"""What a point should be best at: the mean GeoScore, the median distance, or the chance to be within a distance."""

GEOSCORE_SCALE_KM = 1492.7
"""Distance over which a GeoScore falls to 1/e, in km (OSV-5M, sec. 4)."""
HALF_WAY_ROUND_KM = np.pi * EARTH_RADIUS_KM
"""As far as one can be."""
_SUPPORT = 128  # cells a picture that `Density.point` weighs against each other


@dataclass(frozen=True)
class Density:
    """Disjoint cells of mixed levels for each of B pictures, the densest first, C at most.

    Rows are filled up at their ends with cell 0, of level -1, mass 0 and area 0.

    Attributes:
        cells: `(B, C)` uint64, S2 cell ids. A picture's cells cover the Earth, or the part a mask left of it.
        levels: `(B, C)` int64, their levels.
        mass: `(B, C)` float64, their probabilities. A row sums to one, or to the probability of the region of a
            mask; everything below is told as a share of that sum.
        area_km2: `(B, C)` float64, of the part of each cell that a mask left.
        lat_lon: `(B, C, 2)` float64 degrees, the centre of each cell, or a place in the part that a mask left; NaN
            where there is no cell.
        reach_km: `(B, C)` float64, at least how far the farthest point of each cell is from that place.
    """

    cells: NDArray[np.uint64]
    levels: NDArray[np.int64]
    mass: NDArray[np.float64]
    area_km2: NDArray[np.float64]
    lat_lon: NDArray[np.float64]
    reach_km: NDArray[np.float64]

    @cached_property
    def total(self) -> NDArray[np.float64]:
        """The mass of each picture's cells (B,)."""
        return np.asarray(self.mass.sum(axis=1))

    @cached_property
    def before(self) -> NDArray[np.float64]:
        """Share of the probability in denser cells, of each cell (B, C): the order in which regions grow."""
        shares = self._shares
        return shares.cumsum(axis=1) - shares

    def credible(self, mass: float) -> NDArray[np.bool_]:
        """Which cells make the smallest region that holds a share of the probability.

        The densest cells come first (highest posterior density), and the last of them is taken whole, so the
        region holds a little more than asked. Regions of less mass lie inside regions of more.

        Args:
            mass: Share of the probability, above 0; 1 or more takes every cell, impossible ones too.

        Returns:
            Booleans (B, C). The region's area is `(area_km2 * credible).sum(1)`.

        Raises:
            ConfigError: `mass` is not positive.
        """
        if not mass > 0:
            raise ConfigError(f"mass is {mass}: a region holds a share above 0 of the probability.")
        return (self.levels >= 0) & ((self.before < mass) | (mass >= 1))

    def probability(self, share: Callable[[NDArray[np.uint64]], NDArray[np.float64]]) -> NDArray[np.float64]:
        """The probability of a region.

        Args:
            share: From cell ids (N,) to the share of each cell's area in the region (N,), 0 to 1.

        Returns:
            Share of the probability (B,).
        """
        cells, places = np.unique(self.cells, return_inverse=True)
        inside = np.zeros(len(cells))
        real = cells != 0
        inside[real] = share(cells[real])
        return np.asarray((self._shares * inside[places.reshape(self.cells.shape)]).sum(axis=1))

    def entropy_bits(self) -> NDArray[np.float64]:
        """How spread the probability is: `-sum p log2(p / km2)`, the entropy of its density over the ground (B,).

        Two to its power is an area in km2: that over which an even spread would be as uncertain. It is all of the
        Earth (28.9 bits) if nothing is known, and a cell's area if that cell is certain.
        """
        held = self.mass > 0
        shares = np.where(held, self._shares, 1)
        return np.asarray(-(held * shares * np.log2(shares / np.where(held, self.area_km2, 1))).sum(axis=1))

    def best_cell(self, level: int) -> tuple[NDArray[np.uint64], NDArray[np.float64]]:
        """The most probable cell of a level (B,), 0 where there is none; and its share (B,). See `best_cells`."""
        cells, shares = self.best_cells(level, 1)
        return cells[:, 0], shares[:, 0]

    def best_cells(self, level: int, count: int) -> tuple[NDArray[np.uint64], NDArray[np.float64]]:
        """The most probable cells of a level, best first.

        What lies in cells coarser than that is not counted: where within them is not known.

        Args:
            level: S2 level, 0 to 30.
            count: How many, at most.

        Returns:
            Cells of each picture (B, K), 0 where there are no more of that level; and their shares of the
            probability (B, K).
        """
        cells, levels, shares = self._along_curve
        last = np.uint64(1) << np.uint64(2 * (s2.MAX_LEVEL - level))
        fine = levels >= level
        ancestors = np.where(fine, cells & ~(last - np.uint64(1)) | last, cells)
        # Along the curve the cells of one ancestor are a run.
        new = np.ones(cells.shape, dtype=np.bool_)
        new[:, 1:] = ancestors[:, 1:] != ancestors[:, :-1]
        runs = np.zeros(cells.shape)
        runs[new] = np.add.reduceat(np.where(fine, shares, 0).ravel(), np.flatnonzero(new))
        best = np.argsort(-np.where(new & fine, runs, -1.0), axis=1, kind="stable")[:, :count]
        there = np.take_along_axis(new & fine, best, 1)
        found = np.where(there, np.take_along_axis(ancestors, best, 1), np.uint64(0))
        return found, np.where(there, np.take_along_axis(runs, best, 1), 0.0)

    def finest_cell(self, probability: float) -> tuple[NDArray[np.uint64], NDArray[np.float64]]:
        """The smallest cell that holds at least a probability: an answer as fine as the model is sure.

        Args:
            probability: Above 0, at most 1.

        Returns:
            The cell of each picture (B,), 0 where not even a face of the cube holds so much; and its share of the
            probability (B,), 1 there.

        Raises:
            ConfigError: The probability is out of range.
        """
        if not 0 < probability <= 1:
            raise ConfigError(f"probability is {probability}: it must be above 0 and at most 1.")
        cells, shares = np.zeros(len(self.cells), dtype=np.uint64), np.ones(len(self.cells))
        for level in range(self.levels.max(initial=-1) + 1):
            finer, held = self.best_cell(level)
            # Rounding must not keep a certain cell from holding everything.
            enough = (held >= probability * (1 - 1e-9)) & (finer != 0)
            cells, shares = np.where(enough, finer, cells), np.where(enough, held, shares)
        return cells, shares

    def holding(self, lat: NDArray[np.float64], lon: NDArray[np.float64]) -> NDArray[np.int64]:
        """Which cell holds a point: its column for each picture (B,), or -1 where a mask left none.

        Args:
            lat: Of one point a picture, in degrees (B,).
            lon: The same (B,).
        """
        leaves = s2.cell_ids(lat, lon)[:, None]
        reach = (self.cells & -self.cells) - np.uint64(1)
        inside = (self.levels >= 0) & (self.cells - reach <= leaves) & (leaves <= self.cells + reach)
        return np.where(inside.any(axis=1), inside.argmax(axis=1), -1)

    def weighed(self, mass: NDArray[np.float64]) -> Density:
        """The same cells with other probabilities (B, C), the densest first again."""
        thickness = np.where(self.levels >= 0, mass / np.where(self.area_km2 > 0, self.area_km2, 1), -np.inf)
        order = np.argsort(-thickness, axis=1, kind="stable")
        return Density(
            cells=np.take_along_axis(self.cells, order, 1),
            levels=np.take_along_axis(self.levels, order, 1),
            mass=np.take_along_axis(mass, order, 1),
            area_km2=np.take_along_axis(self.area_km2, order, 1),
            lat_lon=np.take_along_axis(self.lat_lon, order[..., None], 1),
            reach_km=np.take_along_axis(self.reach_km, order, 1),
        )

    def row(self, picture: int) -> Density:
        """That of one picture, alone."""
        one = slice(picture, picture + 1)
        return Density(**{column.name: getattr(self, column.name)[one] for column in fields(self)})

    def likeliest(self, count: int) -> NDArray[np.int64]:
        """The columns of the most probable cells (B, min(count, C)), best first."""
        return np.argsort(-self.mass, axis=1, kind="stable")[:, :count]

    def point(
        self, goal: Goal = "geoscore", *, within_km: float = 25.0, scale_km: float = GEOSCORE_SCALE_KM
    ) -> NDArray[np.float64]:
        """The place that stands for the whole: the best answer on average, if the probabilities are right.

        The choice is among the centres of the 128 most probable cells, each weighed against all of these.
        The distance to a cell is the root mean square distance to its points, so that coarse cells are not taken
        for points.

        Args:
            goal: What the answer should be best at.
            within_km: The distance that `within` is about.
            scale_km: Distance over which an answer's worth falls to 1/e, for `geoscore`: smaller asks for precision.

        Returns:
            Latitudes and longitudes in degrees (B, 2), NaN where a mask left nothing.

        Raises:
            ConfigError: There is no such goal, or a distance is not positive.
        """
        if goal not in get_args(Goal):
            raise ConfigError(f"goal: there is no {goal!r}; choose {', '.join(get_args(Goal))}.")
        if not (within_km > 0 and scale_km > 0):
            raise ConfigError(f"within_km {within_km} and scale_km {scale_km} must be positive.")
        rows, columns = np.arange(len(self.cells))[:, None], self.likeliest(_SUPPORT)
        places = self.lat_lon[rows, columns]
        weights = torch.from_numpy(self.mass[rows, columns])
        distance = _distances_km(np.nan_to_num(places), self.area_km2[rows, columns])
        if goal == "median":
            near, order = distance.sort(dim=-1)
            held = weights.unsqueeze(1).expand_as(near).gather(2, order).cumsum(-1)
            half = (held >= held[..., -1:] / 2).int().argmax(-1, keepdim=True)
            worth = -near.gather(2, half).squeeze(-1)
        else:
            gain = torch.exp(-distance / scale_km) if goal == "geoscore" else (distance <= within_km).double()
            worth = torch.einsum("bij,bj->bi", gain, weights)
        # A filled-up column has no mass, and must not win where all answers are alike.
        worth = worth.masked_fill(weights <= 0, -torch.inf)
        best: NDArray[np.int64] = worth.argmax(dim=-1).numpy()
        return places[rows[:, 0], best]

    def radius_km(self, points: NDArray[np.float64], *, mass: float) -> NDArray[np.float64]:
        """The radii (B,) of the circles around one point a picture that hold a share of the probability.

        As in `prediction.credible_radius_km`, a cell counts once the circle holds all of it.

        Args:
            points: Latitudes and longitudes in degrees (B, 2).
            mass: Share of the probability, above 0, at most 1.
        """
        return self.radii_km(points, np.array([mass]))[:, 0]

    def radii_km(self, points: NDArray[np.float64], masses: NDArray[np.float64]) -> NDArray[np.float64]:
        """`radius_km` for several shares of the probability (M,) at once: (B, M)."""
        far = haversine_km(points[:, :1], points[:, 1:], self.lat_lon[..., 0], self.lat_lon[..., 1])
        far = np.where(self.levels >= 0, np.minimum(far + self.reach_km, HALF_WAY_ROUND_KM), np.inf)
        order = far.argsort(axis=1)
        held = np.take_along_axis(self._shares, order, 1).cumsum(axis=1)
        # The last sum is the total as it was really added up, so a mass of 1 is always reached.
        wanted = masses * (1 - 1e-12) * held[:, -1:]
        columns = np.stack([(held >= column[:, None]).argmax(axis=1) for column in wanted.T], axis=1)
        return np.take_along_axis(np.take_along_axis(far, order, 1), columns, 1)

    @cached_property
    def _shares(self) -> NDArray[np.float64]:
        return self.mass / np.maximum(self.total, np.finfo(np.float64).tiny)[:, None]

    @cached_property
    def _along_curve(self) -> tuple[NDArray[np.uint64], NDArray[np.int64], NDArray[np.float64]]:
        """Cells, levels and shares (B, C), by position on the Hilbert curve instead of density."""
        order = self.cells.argsort(axis=1)
        return (
            np.take_along_axis(self.cells, order, 1),
            np.take_along_axis(self.levels, order, 1),
            np.take_along_axis(self._shares, order, 1),
        )


def _distances_km(places: NDArray[np.float64], area_km2: NDArray[np.float64]) -> Tensor:
    """Root mean square distance from each place to the points of each cell: (B, K, K).

    Flat, and for square cells: the mean square distance to a cell is that to its centre plus a sixth of its area.

    Args:
        places: Centres of the cells (B, K, 2) in degrees.
        area_km2: Their areas (B, K).
    """
    points = torch.from_numpy(unit_vectors(places[..., 0], places[..., 1]))
    chord = torch.cdist(points, points)
    arc = 2 * EARTH_RADIUS_KM * (chord / 2).clamp(max=1).asin()
    return (arc.square() + torch.from_numpy(area_km2).unsqueeze(1) / 6).sqrt()
