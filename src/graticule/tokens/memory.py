"""What GeoToken's encoder reads of a picture and its neighbours, as published and in the compact design.

Shapes: B pictures, K neighbours, M memory tokens, d model width.
"""

from __future__ import annotations

import math
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graticule.earth.cells import TokenScheme
from graticule.earth.sphere import unit_vectors
from graticule.tokens.blocks import multi_scale, sinusoidal_positions
from graticule.tokens.dropout import Dropout
from graticule.tokens.geotoken_config import GeoTokenConfig
from graticule.tokens.linear import Linear
from graticule.tokens.query import Neighbours, Query

__all__ = ["CompactMemory", "PaperMemory", "PlaceEmbedding"]


def projection(width: int, d_model: int) -> nn.Sequential:
    """A vector into the model: Linear, ReLU, Linear (GeoToken, sec. III)."""
    return nn.Sequential(Linear(width, d_model), nn.ReLU(), Linear(d_model, d_model))


class PaperMemory(nn.Module):
    """[CLS, the query's vectors, then each neighbour's vectors and cell tokens], on sinusoidal positions."""

    offsets: Tensor
    positions: Tensor

    def __init__(self, config: GeoTokenConfig, scheme: TokenScheme) -> None:
        super().__init__()
        self.query_names, self.neighbour_names = tuple(config.vectors), config.neighbour_names
        self.project = nn.ModuleDict({n: projection(w, config.d_model) for n, w in config.vectors.items()})
        self.token = nn.Embedding(sum(scheme.vocabulary), config.d_model)
        self.cls = nn.Parameter(torch.randn(1, config.d_model))
        self.dropout = Dropout(config.dropout)
        self.register_buffer("offsets", torch.tensor(scheme.offsets), persistent=False)
        length = 1 + len(self.query_names) + config.neighbours * (len(self.neighbour_names) + scheme.length)
        self.register_buffer("positions", sinusoidal_positions(length, config.d_model), persistent=False)

    def forward(self, query: Query) -> tuple[Tensor, Tensor | None]:
        """`(B, M, d)` and no mask."""
        parts = [self.cls.expand(query.batch_size, 1, -1)]
        parts += [self._vector(name, query.vectors[name]).unsqueeze(1) for name in self.query_names]
        near = query.neighbours
        if near is not None:
            vectors = [self._vector(name, near.vectors[name]).unsqueeze(2) for name in self.neighbour_names]
            # (B, K, vectors + T, d), laid out neighbour after neighbour.
            parts.append(torch.cat([*vectors, self.token(near.tokens + self.offsets)], dim=2).flatten(1, 2))
        x = torch.cat(parts, dim=1)
        return self.dropout(x + self.positions[: x.shape[1]]), None

    def _vector(self, name: str, vector: Tensor) -> Tensor:
        return F.normalize(self.project[name](vector), dim=-1)


SIMILARITY_OCTAVES = 6  # periods from 2 down to 1/16 of cosine similarity


class PlaceEmbedding(nn.Module):
    """A point of the Earth, sharp from continents down to the model's finest cell."""

    def __init__(self, config: GeoTokenConfig) -> None:
        super().__init__()
        # At octave k a cycle spans 2 pi / 2**k radians, four level-k cells: the last tell cells apart.
        self.octaves = config.levels[-1] + 2
        self.linear = Linear(2 * 3 * self.octaves, config.d_model)

    def forward(self, lat_lon: Tensor) -> Tensor:
        """`(..., 2)` float64 degrees to `(..., d)`."""
        return cast(Tensor, self.linear(multi_scale(unit_vectors(lat_lon), self.octaves)))


class CompactMemory(nn.Module):
    """One token a query vector, one token a neighbour."""

    offsets: Tensor

    def __init__(self, config: GeoTokenConfig, scheme: TokenScheme) -> None:
        super().__init__()
        d_model = config.d_model
        self.query_names, self.neighbour_names = tuple(config.vectors), config.neighbour_names
        self.drop_one, self.drop_all = config.neighbour_dropout, config.all_neighbours_dropout
        self.project = nn.ModuleDict({n: projection(w, d_model) for n, w in config.vectors.items()})
        self.kind = nn.Embedding(len(config.vectors), d_model)
        self.rank = nn.Embedding(max(config.neighbours, 1), d_model)
        self.similarity = Linear(2 * SIMILARITY_OCTAVES, d_model)
        self.token = nn.Embedding(sum(scheme.vocabulary), d_model)
        self.place = PlaceEmbedding(config)
        self.dropout = Dropout(config.dropout)
        self.register_buffer("offsets", torch.tensor(scheme.offsets), persistent=False)

    def forward(self, query: Query) -> tuple[Tensor, Tensor | None]:
        """`(B, M, d)` and, in training, the mask `(B, 1, 1, M)` of the memory that may be seen."""
        x = torch.stack([self._vector(name, query.vectors[name]) for name in self.query_names], dim=1)
        x = x + self.kind.weight
        mask = None
        if query.neighbours is not None:
            if self.training and (self.drop_one or self.drop_all):
                seen = self._seen(query.neighbours.similarities)
                mask = torch.cat([seen.new_ones(x.shape[:2]), seen], dim=1)[:, None, None]
            x = torch.cat([x, self._neighbours(query.neighbours)], dim=1)
        return self.dropout(x), mask

    def _vector(self, name: str, vector: Tensor) -> Tensor:
        # Unit vectors have entries of about D ** -0.5; the projection is initialised for entries of about 1.
        return cast(Tensor, self.project[name](F.normalize(vector, dim=-1) * math.sqrt(vector.shape[-1])))

    def _neighbours(self, near: Neighbours) -> Tensor:
        x: Tensor = self.rank.weight[: near.similarities.shape[1]] + self.place(near.lat_lon)
        x = x + self.similarity(multi_scale(math.pi * near.similarities.unsqueeze(-1), SIMILARITY_OCTAVES))
        x = x + self.token(near.tokens + self.offsets).sum(2)
        for name in self.neighbour_names:
            x = x + self._vector(name, near.vectors[name])
        return x

    def _seen(self, similarities: Tensor) -> Tensor:
        # Drawn from torch's own generator, as dropout is, so that one saved state resumes both.
        each = torch.rand_like(similarities, dtype=torch.float32) >= self.drop_one
        return each & (torch.rand(len(similarities), 1, device=similarities.device) >= self.drop_all)
