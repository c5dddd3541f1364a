"""What a search saw, as a probability over the Earth.

A beam follows the best prefixes and forgets the rest. Here nothing is forgotten: the cells that are not followed
stay, each with the probability it was given, so that all of them together are a partition of the Earth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from graticule.decoding.candidates import Candidates
from graticule.earth import s2
from graticule.earth.cell_size import cell_areas_km2, reach_km
from graticule.earth.cells import TokenScheme
from graticule.earth.density import Density
from graticule.earth.distance import haversine_km
from graticule.errors import ConfigError
from graticule.tokens.contract import CellModel, StateT
from graticule.tokens.query import Query

if TYPE_CHECKING:
    from graticule.decoding.constrain import CellMask
    from graticule.earth.regions import Region

__all__ = ["density", "density_of_beam"]


def density(
    model: CellModel[StateT],
    query: Query,
    *,
    mass: float = 0.95,
    width: int = 8,
    finest_level: int = s2.MAX_LEVEL,
    mask: CellMask | None = None,
) -> Density:
    """The distribution over cells, with as many followed as it takes, and no more.

    Level by level, the most probable cells are split into their children: as few as leave no more than an equal
    part of `1 - mass` behind at each level, and at most `width`. All others stay as they are. One call of the
    model a level serves all pictures.

    Args:
        model: Any cell model, in eval mode if it has one.
        query: B pictures.
        mass: Share of the probability to follow down to the finest level, if `width` allows.
        width: The most cells of a picture to split at a level.
        finest_level: Cells finer than this are not made.
        mask: Where the pictures may be. What is elsewhere is left out with its probability; a cell across the border
            keeps a part of its own by area.

    Raises:
        ConfigError: `mass` or `width` is out of range, or the model's first cells are finer than `finest_level`.
    """
    if not 0 < mass <= 1 or width < 1:
        raise ConfigError(f"mass {mass} must be above 0 and at most 1, and width {width} at least 1.")
    scheme = model.scheme
    levels = [level for level in scheme.levels if level <= finest_level]
    if not levels:
        raise ConfigError(
            f"finest_level {finest_level} is coarser than the model's first, {scheme.levels[0]}."
        )
    state = model.begin(query)
    held = torch.ones(query.batch_size, 1, dtype=torch.float64)  # (B, W): of the prefixes, 0 of empty places
    tokens = torch.empty(query.batch_size, 1, 0, dtype=torch.int64)
    leaves = np.zeros((query.batch_size, 1), dtype=np.uint64)  # where each prefix begins on the curve
    real = torch.ones(query.batch_size, 1, dtype=torch.bool)
    left = held.new_zeros(query.batch_size, 1)
    pictures = torch.arange(query.batch_size).unsqueeze(1)
    found: list[tuple[NDArray[np.uint64], NDArray[np.float64], NDArray[np.bool_], int]] = []
    for step, (level, size) in enumerate(zip(levels, scheme.vocabulary, strict=False)):
        # The softmax of normalised logarithms is their exponential without float32's error of the sum.
        log_probs = model.next_log_probs(state)
        parts = held.unsqueeze(-1) * log_probs.cpu().double().softmax(-1)  # (B, W, V)
        exists = real.unsqueeze(-1).expand_as(parts)
        if mask is not None:
            exists = exists & mask.children(tokens)
            parts = parts * exists
        last = np.uint64(1) << np.uint64(2 * (s2.MAX_LEVEL - level))
        cells = (leaves[..., None] + last * np.arange(1, 2 * size, 2, dtype=np.uint64)).reshape(
            parts.flatten(1).shape
        )
        parts, exists = parts.flatten(1), exists.flatten(1).clone()
        if step + 1 < len(levels):
            allowed = (1 - mass) * (step + 1) / (len(levels) - 1)
            chosen, split, left = _split(parts, left, width=width, allowed=allowed)
            held, real = parts.gather(1, chosen) * split, split
            exists[pictures, chosen] &= ~split
        found.append((cells, parts.numpy(), exists.numpy(), level))
        if step + 1 == len(levels) or not chosen.shape[1]:
            break
        parents, token = chosen // size, chosen % size
        tokens = torch.cat([tokens[pictures, parents], token.unsqueeze(-1)], dim=-1)
        leaves = np.take_along_axis(cells, chosen.numpy(), 1) - last
        state = model.advance(state, parents.to(log_probs.device), token.to(log_probs.device))
    whole = _sorted(found)
    return whole if mask is None else _confined(whole, mask.region)


def density_of_beam(
    steps: Sequence[Candidates], scheme: TokenScheme, *, width: int, mask: CellMask | None = None
) -> Density:
    """The distribution that a beam has seen, without asking the model anything more.

    The cells of each step that the beam did not follow, and all of the last, are a partition of the Earth: that of
    `density` with this width and a mass of 1. Cells that are impossible are left out.

    Args:
        steps: From `graticule.decoding.beam.frontiers`, with all children of the prefixes followed `shown`.
        scheme: That of the model.
        width: How many prefixes the beam followed.
        mask: That of the beam: what is left is the region's, as in `density`.
    """
    found = []
    for step, (level, reached) in enumerate(zip(scheme.levels, steps, strict=True), start=1):
        first = width if step < len(steps) else 0
        mass = reached.log_probs[:, first:].cpu().double().exp().numpy()
        found.append((scheme.decode(reached.tokens[:, first:].cpu().numpy()), mass, mass > 0, level))
    whole = _sorted(found)
    return whole if mask is None else _confined(whole, mask.region)


def _split(parts: Tensor, left: Tensor, *, width: int, allowed: float) -> tuple[Tensor, Tensor, Tensor]:
    """The fewest cells to split so that not too much is left behind.

    Args:
        parts: `(B, N)`, mass of the cells that may be split.
        left: `(B, 1)`, mass left behind on coarser levels.
        width: The most to split.
        allowed: Share of all mass that may be left behind by now.

    Returns:
        The columns `(B, W)` to split, most probable first, whether each really is or only fills up its row
        `(B, W)`, and what is left behind now `(B, 1)`.
    """
    best, columns = parts.topk(min(width, parts.shape[1]), dim=1)
    here = parts.sum(1, keepdim=True)
    # What would be left behind were the cells before this one the last to be split.
    rest = here - (best.cumsum(1) - best)
    split = (left + rest > allowed * (left + here)) & (best > 0)
    most = int(split.sum(1).max()) if len(split) else 0
    split, columns = split[:, :most], columns[:, :most]
    return columns, split, left + here - (best[:, :most] * split).sum(1, keepdim=True)


def _sorted(found: list[tuple[NDArray[np.uint64], NDArray[np.float64], NDArray[np.bool_], int]]) -> Density:
    """One density of the cells, masses and existence (B, N) at each level."""
    cells = np.concatenate([cells for cells, *_ in found], axis=1)
    mass = np.concatenate([mass for _, mass, _, _ in found], axis=1)
    exists = np.concatenate([exists for _, _, exists, _ in found], axis=1)
    levels = np.concatenate([np.full(cells.shape, level) for cells, _, _, level in found], axis=1)
    area = np.zeros(mass.shape)
    area[exists] = cell_areas_km2(cells[exists])
    thickness = np.full(mass.shape, -np.inf)
    np.divide(mass, area, out=thickness, where=exists)
    # One column at least, of no cell if need be: rows without any are then no exception.
    most = max(1, exists.sum(axis=1).max(initial=0))
    order = np.argsort(-thickness, axis=1, kind="stable")[:, :most]
    cells, mass, area, levels, exists = (
        np.take_along_axis(a, order, 1) for a in (cells, mass, area, levels, exists)
    )
    lat_lon = np.full((*cells.shape, 2), np.nan)
    lat_lon[exists] = np.stack(s2.centres(cells[exists]), axis=-1)
    return Density(
        cells=np.where(exists, cells, np.uint64(0)),
        levels=np.where(exists, levels, -1),
        mass=np.where(exists, mass, 0.0),
        area_km2=area,
        lat_lon=lat_lon,
        reach_km=reach_km(levels),
    )


def _confined(whole: Density, region: Region) -> Density:
    """What lies in a region: an even share of each cell, as dense as before."""
    real = whole.levels >= 0
    cells, places = np.unique(whole.cells[real], return_inverse=True)
    points, found = region.points(cells)
    # From a place that is not the centre, the far corner is farther.
    moved = haversine_km(*points.T, *np.stack(s2.centres(cells)))
    inside, lat_lon, reach = np.zeros(whole.cells.shape), whole.lat_lon.copy(), whole.reach_km.copy()
    reach[real] += moved[places]
    inside[real] = np.where(found, region.shares(cells), 0.0)[places]
    lat_lon[real] = points[places]
    return replace(
        whole,
        mass=whole.mass * inside,
        area_km2=whole.area_km2 * inside,
        lat_lon=lat_lon,
        reach_km=reach,
    )
