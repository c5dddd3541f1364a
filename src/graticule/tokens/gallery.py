"""A gallery of known places as a cell model: the exact mass of every cell, without training.

Every gallery entry gets a probability, the softmax of its similarity to the picture. Cells of the Hilbert
curve hold runs of consecutive leaves: sort the entries by leaf, and the mass of any cell at any level is a
difference of two cumulative sums.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from graticule.earth.cells import TokenScheme
from graticule.errors import ConfigError
from graticule.retrieval.exact import blocks
from graticule.tokens.query import Query

__all__ = ["GalleryCellModel", "GalleryCellModelConfig", "GalleryState"]


class GalleryCellModelConfig(BaseModel):
    """How a gallery answers; the places and vectors are the gallery's own.

    Attributes:
        levels: S2 level reached by each token; cells of level 14 are 0.6 km wide.
        temperature: Divides the cosine similarities before the softmax; None for that of the alignment's training.
        epsilon: Share of the probability spread evenly over the Earth, so that no place is impossible.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    levels: tuple[int, ...] = (0, 2, 4, 6, 8, 10, 12, 14)
    temperature: float | None = Field(default=None, gt=0)
    epsilon: float = Field(default=0.0, ge=0, lt=1)


@dataclass(frozen=True)
class GalleryState:
    """W prefixes for each of B pictures, over the picture's cumulative mass.

    Attributes:
        cumulative: `(B, N + 1)` float64, weight of the first n entries in leaf order; the last is that of all.
        number: `(B, W)` int64, each prefix as the number of its cell along the curve at its level.
        length: Tokens chosen so far.
    """

    cumulative: Tensor
    number: Tensor
    length: int


class GalleryCellModel:
    """The cell model of contrastive similarity: p(cell) = sum over the gallery entries in it.

    Weights have the precision of the similarities, float32, and are summed in float64: mass below about 1e-16 of the
    whole may read as none. A batch costs `(B, N)` of both in memory; vectors stay as they are stored, in float16 or on
    disk, and are read a block at a time.

    Example:
        >>> places = torch.tensor([[48.86, 2.35], [-33.86, 151.21]], dtype=torch.float64)
        >>> model = GalleryCellModel(TokenScheme((0,)), places, torch.eye(2), temperature=1.0)
        >>> log_probs = model.next_log_probs(model.begin(Query({"location": torch.eye(2)[:1]})))
        >>> [round(p, 2) for p in log_probs.exp()[0, 0].tolist()]
        [0.0, 0.0, 0.73, 0.27, 0.0, 0.0]
    """

    def __init__(
        self,
        scheme: TokenScheme,
        lat_lon: Tensor,
        location_vectors: Tensor,
        *,
        temperature: float = 0.07,
        epsilon: float = 0.0,
    ) -> None:
        """Index a gallery.

        Args:
            scheme: The cells to speak of.
            lat_lon: `(N, 2)` degrees, where each entry is.
            location_vectors: `(N, D)`, what each entry looks like; compared with a query's "location".
            temperature: Divides the cosine similarities before the softmax.
            epsilon: Share of the probability spread evenly over all leaf cells, so that no place is
                impossible. S2 cells of a level are equal in area to within a factor of about two.

        Raises:
            ConfigError: The gallery is empty or its parts do not match, or a setting is out of range.
            CoordinateError: A point does not exist.
        """
        if len(lat_lon) == 0 or len(lat_lon) != len(location_vectors):
            raise ConfigError(f"a gallery of {len(lat_lon)} places and {len(location_vectors)} vectors.")
        if not temperature > 0:
            raise ConfigError(f"temperature is {temperature}: it must be positive.")
        if not 0 <= epsilon < 1:
            raise ConfigError(f"epsilon is {epsilon}: it must be in [0, 1).")
        self.scheme = scheme
        self.temperature = temperature
        self.epsilon = epsilon
        places = lat_lon.cpu().numpy()
        tokens = torch.from_numpy(scheme.encode(places[:, 0], places[:, 1]))
        leaves = torch.zeros(len(tokens), dtype=torch.int64)
        for token, size in zip(tokens.unbind(-1), scheme.vocabulary, strict=True):
            leaves = leaves * size + token
        leaves, order = leaves.sort(stable=True)
        device = location_vectors.device
        self._leaves = leaves.to(device)
        # Where each entry lies in leaf order.
        self._place = torch.empty_like(order).scatter_(0, order, torch.arange(len(order))).to(device)
        self._vectors = location_vectors
        lengths = [block.norm(dim=-1).clamp(min=1e-12) for _, block in blocks(location_vectors)]
        self._lengths = torch.cat(lengths)

    @torch.no_grad()
    def begin(self, query: Query) -> GalleryState:
        """The state of the empty prefix; see `CellModel`."""
        pictures = F.normalize(query.vectors["location"].float(), dim=-1)
        similarities = pictures.new_empty(len(pictures), len(self._leaves))
        for start, block in blocks(self._vectors):
            rows = slice(start, start + len(block))
            similarities.index_copy_(1, self._place[rows], pictures @ block.T / self._lengths[rows])
        # The softmax without its division: that is left to the few cells which are asked for.
        weights = similarities.sub_(similarities.amax(-1, keepdim=True)).div_(self.temperature).exp_()
        cumulative = weights.new_zeros(len(weights), weights.shape[1] + 1, dtype=torch.float64)
        torch.cumsum(weights, -1, dtype=torch.float64, out=cumulative[:, 1:])
        number = torch.zeros(len(weights), 1, dtype=torch.int64, device=weights.device)
        return GalleryState(cumulative=cumulative, number=number, length=0)

    def next_log_probs(self, state: GalleryState) -> Tensor:
        """`(B, W, V_t)` float64; see `CellModel`. After a prefix without any mass, children are alike."""
        size = self._size(state)
        # Where each child's run of leaves begins, and where the last one's ends: (B, W, V_t + 1).
        border = state.number.unsqueeze(-1) * size + torch.arange(size + 1, device=state.number.device)
        span = math.prod(self.scheme.vocabulary[state.length + 1 :])
        rows = torch.searchsorted(self._leaves, border * span)
        below = state.cumulative.gather(1, rows.flatten(1)) / state.cumulative[:, -1:]
        floor = self.epsilon / math.prod(self.scheme.vocabulary[: state.length + 1])
        mass = (1 - self.epsilon) * below.view(border.shape).diff(dim=-1).clamp(min=0) + floor
        mass = torch.where(mass.sum(-1, keepdim=True) > 0, mass, 1.0)
        return (mass / mass.sum(-1, keepdim=True)).log()

    def advance(self, state: GalleryState, parents: Tensor, tokens: Tensor) -> GalleryState:
        """Continue some prefixes by one token each; see `CellModel`."""
        number = state.number.gather(1, parents) * self._size(state) + tokens
        return GalleryState(cumulative=state.cumulative, number=number, length=state.length + 1)

    def _size(self, state: GalleryState) -> int:
        if state.length >= self.scheme.length:
            raise ValueError(f"the prefixes are complete: all {self.scheme.length} tokens are chosen.")
        return self.scheme.vocabulary[state.length]
