r"""The empirical semivariogram of feature vectors: how unlike two pictures are, by how far apart they were taken.

Matheron's estimator (1963) for vectors: over the N(k) pairs whose distance on the ground lies in lag k,

    gamma(k) = 1 / N(k) * sum D_ij,    D_ij = 1/2 ||f_i - f_j||^2

For unit vectors D_ij is 1 - cos(f_i, f_j), so the cosine dissimilarity is the same thing after scaling every vector to
length 1.

Pairs are either all of them, or drawn lag by lag so that short lags, which few pairs have, are not starved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Literal, TypeAlias, get_args

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from graticule.earth import s2
from graticule.earth.distance import EARTH_RADIUS_KM, unit_vectors
from graticule.earth.variogram.checks import checked_features, checked_places
from graticule.earth.variogram.lags import HALF_WAY_ROUND_KM
from graticule.earth.variogram.pairs import NearPairs, versine
from graticule.errors import ConfigError, InputError

__all__ = ["Dissimilarity", "Empirical", "empirical_semivariogram"]

Dissimilarity: TypeAlias = Literal["cosine", "euclidean"]
Progress: TypeAlias = Callable[[int, int], object]
Floats: TypeAlias = NDArray[np.float64]

_BLOCKS: Final = 32  # of points, for the bootstrap
_TILE: Final = 1024  # points a side of what is computed at once: about 40 MB
_DRAWN: Final = 65_536  # pairs drawn at once
_CENSUS: Final = 8  # a lag with up to so many candidates a pair wanted is counted out, not sampled
_PATIENCE: Final = 500  # candidates looked at for each pair wanted, before a lag makes do with fewer
_BEYOND: Final = 4.0  # a versine no two points have

# What is summed over the pairs of a lag.
_COUNT, _SUM, _SQUARES, _LAGS = range(4)


@dataclass(frozen=True, eq=False)
class Empirical:
    """An empirical semivariogram of B lags. Lags without pairs are left out.

    Attributes:
        low_km: Where each lag begins (B,); it holds its lower edge.
        high_km: Where it ends (B,), the edge itself left out.
        counts: Pairs averaged over (B,): those drawn, if pairs were sampled.
        lag_km: Mean distance of those pairs (B,).
        semivariance: Mean dissimilarity (B,).
        variance: Variance of the dissimilarities around that mean (B,).
        dissimilarity: What was averaged.
        points: How many points the pairs are made of.
        sampled: Whether pairs were drawn rather than all taken.
        sums: Counts, sums, sums of squares and summed lags of the pairs between each two blocks of points
            (4, B, G, G), the lower triangles empty; `bootstrap` needs them.
    """

    low_km: Floats
    high_km: Floats
    dissimilarity: Dissimilarity
    points: int
    sampled: bool
    sums: Floats = field(repr=False)

    @cached_property
    def _totals(self) -> Floats:
        return np.asarray(self.sums.sum(axis=(2, 3)))

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """Pairs in each lag (B,)."""
        return np.asarray(self._totals[_COUNT], dtype=np.int64)

    @cached_property
    def lag_km(self) -> Floats:
        """Mean distance of the pairs in each lag (B,), in km."""
        return np.asarray(self._totals[_LAGS] / self._totals[_COUNT])

    @cached_property
    def semivariance(self) -> Floats:
        """Mean dissimilarity in each lag (B,)."""
        return np.asarray(self._totals[_SUM] / self._totals[_COUNT])

    @cached_property
    def variance(self) -> Floats:
        """Variance of the dissimilarities in each lag (B,)."""
        squares = self._totals[_SQUARES] / self._totals[_COUNT]
        return np.asarray(np.maximum(squares - self.semivariance**2, 0))

    def __len__(self) -> int:
        return len(self.low_km)

    def bootstrap(self, replicates: int = 200, *, seed: int = 0) -> Floats:
        """Semivariances had other points been there: a block bootstrap.

        Pairs that share a point are not independent, nor are points near each other, so neither pairs nor points
        are drawn again, but blocks of points: runs of equal length along the Hilbert curve that orders S2 cells, 32
        of them. A block drawn w times counts its own pairs w times; pairs between two blocks count as often as the
        product of both. What varies over distances larger than a block is told too small.

        Args:
            replicates: How many.
            seed: Of the draws.

        Returns:
            Semivariances (replicates, B); NaN where a replicate has no pairs in a lag.
        """
        blocks = self.sums.shape[-1]
        draws = np.random.default_rng(seed).multinomial(blocks, np.full(blocks, 1 / blocks), size=replicates)
        weights = draws[:, :, None] * draws[:, None, :]
        weights[:, range(blocks), range(blocks)] = draws
        sums = np.einsum("rab,mkab->mrk", weights, self.sums[: _SUM + 1], optimize=True)
        with np.errstate(invalid="ignore"):
            return np.asarray(sums[_SUM] / sums[_COUNT])

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values, one entry a lag."""
        names = ("low_km", "high_km", "counts", "lag_km", "semivariance", "variance")
        columns = [getattr(self, name).tolist() for name in names]
        return {
            "dissimilarity": self.dissimilarity,
            "points": self.points,
            "sampled": self.sampled,
            "lags": [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)],
        }


def empirical_semivariogram(
    features: ArrayLike | Tensor,
    lat_lon: ArrayLike | Tensor,
    *,
    edges_km: ArrayLike,
    dissimilarity: Dissimilarity = "cosine",
    pairs: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Empirical:
    """Average the dissimilarity of pairs of points by lag.

    All pairs are streamed tile by tile: beyond the features and a copy of them, memory does not grow with N. float64
    features are multiplied in float64, others in float32 about their mean; sums are float64 always. Distances are of
    float64 vectors, good to about 0.1 m at lag 0 and far better from 10 m on.

    Sampled pairs are drawn for each lag by itself: points are laid in a grid whose cells are as wide as the lag's end,
    pairs are drawn uniformly, with replacement, among all pairs whose points lie in one cell or in two that touch, and
    those whose distance lies in the lag are kept. So every pair of a lag is equally likely, and the mean is unbiased.
    Where such pairs are no more than eight times those wanted, all of the lag's pairs are taken instead, each once. A
    lag ends with fewer pairs than wanted, or none, if 500 draws for each wanted do not find them.

    Args:
        features: Feature vectors (N, D), of any floating-point type.
        lat_lon: Their places (N, 2), in degrees.
        edges_km: Where lags begin and end (B + 1,), rising, the first 0 or more; `lag_edges` makes some.
        dissimilarity: "cosine": 1 - cos(f_i, f_j). "euclidean": 1/2 ||f_i - f_j||^2.
        pairs: Draw so many pairs, shared equally among the lags; all pairs if not given.
        seed: Of the draws.
        progress: Told how many pairs are done, and of how many.

    Returns:
        The semivariogram.

    Raises:
        CoordinateError: A place is not on Earth.
        InputError: The features can't be used, or no lag has any pairs.
        ConfigError: The edges or settings make no sense.
    """
    places = checked_places(lat_lon)
    if dissimilarity not in get_args(Dissimilarity):
        raise ConfigError(f"dissimilarity {dissimilarity!r}: there are {', '.join(get_args(Dissimilarity))}")
    values = checked_features(features, rows=len(places), directions=dissimilarity == "cosine")
    edges = _checked_edges(edges_km)
    tell = progress or (lambda done, of: None)
    unit = dissimilarity == "cosine"
    if pairs is None:
        sums = _all_pairs(values, places, edges, unit, tell)
    elif pairs >= len(edges) - 1:
        sums = _drawn_pairs(values, places, edges, unit, pairs // (len(edges) - 1), seed, tell)
    else:
        raise ConfigError(f"pairs {pairs}: give at least one for each of the {len(edges) - 1} lags")
    held = sums[_COUNT].any(axis=(1, 2))
    if not held.any():
        raise InputError(
            f"edges_km: no two of the {len(places)} points are {edges[0]:g} to {edges[-1]:g} km apart"
        )
    return Empirical(
        edges[:-1][held], edges[1:][held], dissimilarity, len(places), pairs is not None, sums[:, held]
    )


def _checked_edges(edges_km: ArrayLike) -> Floats:
    edges = np.asarray(edges_km, dtype=np.float64)
    if edges.ndim != 1 or len(edges) < 2:
        raise ConfigError(f"edges_km has shape {edges.shape}: give two edges or more in a row")
    if not (np.isfinite(edges).all() and (np.diff(edges) > 0).all() and edges[0] >= 0):
        raise ConfigError("edges_km must be finite, rise from each to the next, and begin at 0 or more")
    if edges[0] >= HALF_WAY_ROUND_KM:
        raise ConfigError(
            f"edges_km begin at {edges[0]:g} km: no two points are farther apart than 20,015 km"
        )
    return edges


def _all_pairs(values: Tensor, places: Floats, edges: Floats, unit: bool, tell: Progress) -> Floats:
    """Sums (4, B, G, G) over all pairs."""
    order = _along_the_curve(places)
    bounds = _block_bounds(len(places))
    vectors = torch.from_numpy(unit_vectors(*places[order].T))
    values = _prepared(values[torch.from_numpy(order)], unit)
    values -= values.mean(dim=0, dtype=torch.float64).to(
        values.dtype
    )  # differences stay, and lose fewer digits
    halves = values.square().sum(dim=1) / 2
    lags = _Lags(edges)
    sums = np.zeros((4, len(edges) - 1, len(bounds) - 1, len(bounds) - 1))
    one = torch.ones(1, 1, dtype=torch.float64)
    done, total = 0, len(places) * (len(places) - 1) // 2
    for a, b, rows, columns in _tiles(bounds):
        versines = torch.addmm(one, vectors[rows], vectors[columns].T, alpha=-1).clamp_(min=0)
        unlike = torch.addmm(halves[columns], values[rows], values[columns].T, alpha=-1)
        # The rounding of two that are alike must not make them less than alike.
        unlike.add_(halves[rows, None]).clamp_(min=0)
        if rows == columns:
            done += len(versines) * (len(versines) - 1) // 2
            versines[torch.ones_like(versines, dtype=torch.bool).tril_()] = _BEYOND
        else:
            done += versines.numel()
        sums[:, :, a, b] += lags.sums(versines.flatten(), unlike.flatten().double())
        tell(done, total)
    return sums


def _tiles(bounds: NDArray[np.int64]) -> Iterator[tuple[int, int, slice, slice]]:
    """Blocks a <= b and the points of each that are paired at once, so that all pairs come once."""
    tiles = [
        (block, slice(start, min(start + _TILE, end)))
        for block, (start, stop) in enumerate(zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True))
        for start, end in ((s, stop) for s in range(start, stop, _TILE))
    ]
    for number, (a, rows) in enumerate(tiles):
        for b, columns in tiles[number:]:
            yield a, b, rows, columns


class _Lags:
    """Finds the lag of each pair, and sums over the pairs of each lag.

    A search among edges takes 20 ns a pair, all else together as long. Positive floats rise with their bits taken as
    whole numbers, so the leading bits of a versine look its lag up in a table, and one comparison mends it where an
    edge shares them.
    """

    _SHIFT: Final = 44  # keeps the exponent and 8 bits of the fraction

    def __init__(self, edges: Floats) -> None:
        versines = torch.from_numpy(np.where(edges >= HALF_WAY_ROUND_KM, 3.0, versine(edges)))
        keys = torch.arange(
            int(torch.tensor(_BEYOND, dtype=torch.float64).view(torch.int64) >> self._SHIFT) + 1
        )
        starts = (keys << self._SHIFT).view(torch.float64)
        self._edges = versines
        self._table = torch.bucketize(starts, versines, right=True)
        self._next = torch.cat([versines, torch.tensor([torch.inf], dtype=torch.float64)])
        self._lone = bool((torch.bincount(versines.view(torch.int64) >> self._SHIFT) <= 1).all())

    def of(self, versines: Tensor) -> Tensor:
        """Lag (P,) of each pair: 0 before the first edge, 1 in the first lag, and so on."""
        if not self._lone:  # several edges share their leading bits
            return torch.bucketize(versines, self._edges, right=True)
        lag = self._table.take(versines.view(torch.int64) >> self._SHIFT)
        return lag.add_(versines >= self._next.take(lag))

    def sums(self, versines: Tensor, unlike: Tensor) -> Floats:
        """Counts, sums, sums of squares and summed distances (4, B) of pairs (P,)."""
        lag = self.of(versines)
        km = (versines / 2).clamp_(max=1).sqrt_().asin_().mul_(2 * EARTH_RADIUS_KM)
        sums = [torch.bincount(lag, weights, len(self._next)) for weights in (None, unlike, unlike**2, km)]
        return torch.stack([part.double() for part in sums])[:, 1:-1].numpy()


def _drawn_pairs(
    values: Tensor, places: Floats, edges: Floats, unit: bool, wanted: int, seed: int, tell: Progress
) -> Floats:
    """Sums (4, B, G, G) over about as many pairs as wanted in each lag."""
    vectors = unit_vectors(*places.T)
    bounds = _block_bounds(len(places))
    block = np.empty(len(places), dtype=np.int64)
    block[_along_the_curve(places)] = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))
    sums = np.zeros((4, len(edges) - 1, len(bounds) - 1, len(bounds) - 1))
    for lag in range(len(edges) - 1):
        rng = np.random.default_rng([seed, lag])
        for i, j, versines in _draw(vectors, edges[lag : lag + 2], wanted, rng):
            sums[:, lag] += _block_sums(values, i, j, versines, unit, block)
        tell((lag + 1) * wanted, (len(edges) - 1) * wanted)
    return sums


def _draw(
    vectors: Floats, edges: Floats, wanted: int, rng: np.random.Generator
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], Floats]]:
    """Rows and versines of pairs in the lag between two edges, some thousands at a time."""
    near = NearPairs(vectors, float(edges[1]))
    low, high = versine(edges)
    if edges[1] >= HALF_WAY_ROUND_KM:
        high = _BEYOND
    census = near.total <= _CENSUS * wanted
    candidates, found = near.total if census else _PATIENCE * wanted, 0
    for start in range(0, candidates, _DRAWN):
        count = min(_DRAWN, candidates - start)
        numbers = np.arange(start, start + count) if census else rng.integers(near.total, size=count)
        i, j = near[numbers]
        versines = np.maximum(1 - np.einsum("pd,pd->p", vectors[i], vectors[j]), 0)
        kept = np.flatnonzero((versines >= low) & (versines < high))
        if not census:
            kept = kept[: wanted - found]
        found += len(kept)
        if len(kept):
            yield i[kept], j[kept], versines[kept]
        if found >= wanted and not census:
            return


def _block_sums(
    values: Tensor,
    i: NDArray[np.int64],
    j: NDArray[np.int64],
    versines: Floats,
    unit: bool,
    block: NDArray[np.int64],
) -> Floats:
    """Counts, sums, sums of squares and summed distances (4, G, G) of pairs (P,) of one lag."""
    blocks = int(block.max()) + 1
    one, other = block[i], block[j]
    between = np.minimum(one, other) * blocks + np.maximum(one, other)
    unlike = np.empty(len(i))
    for part in s2.blocks(len(i)):
        here, there = (_prepared(values[torch.from_numpy(rows[part])], unit) for rows in (i, j))
        unlike[part] = (here - there).double().square_().sum(dim=1).numpy() / 2
    km = 2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.minimum(versines / 2, 1)))
    sums = [np.bincount(between, weights, blocks**2) for weights in (None, unlike, unlike**2, km)]
    return np.stack(sums).astype(np.float64).reshape(4, blocks, blocks)


def _along_the_curve(places: Floats) -> NDArray[np.int64]:
    """The order in which the Hilbert curve of S2 visits the places: those near in it are near on the ground."""
    return np.argsort(s2.cell_ids(*places.T), kind="stable")


def _block_bounds(points: int) -> NDArray[np.int64]:
    """Where blocks of points in that order begin and end (G + 1,)."""
    return np.linspace(0, points, min(_BLOCKS, points) + 1).round().astype(np.int64)


def _prepared(values: Tensor, unit: bool) -> Tensor:
    """A copy in a type that products can be trusted in, rows of length 1 if wanted."""
    values = values.to(torch.float64 if values.dtype == torch.float64 else torch.float32, copy=True)
    # Not normalize, which leaves rows shorter than 1e-12 short.
    return values / torch.linalg.vector_norm(values, dim=1, keepdim=True) if unit else values
