"""The gallery: known places, with what a picture taken there looks like."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["Gallery"]


@dataclass(frozen=True)
class Gallery:
    """N known places.

    Attributes:
        lat_lon: (N, 2) float64, degrees.
        vectors: (N, D) float32 unit vectors in the alignment's space: of pictures taken at the places or, where there
            are coordinates alone (GeoCLIP), of the places.
    """

    lat_lon: Tensor
    vectors: Tensor

    def __len__(self) -> int:
        return len(self.lat_lon)

    def shards(self, rows: int) -> Iterable[dict[str, Tensor]]:
        """Parts of at most so many rows, ready to be stored."""
        for start in range(0, len(self), rows):
            part = slice(start, start + rows)
            yield {"lat_lon": self.lat_lon[part], "vectors": self.vectors[part]}

    @classmethod
    def from_shards(cls, shards: Iterable[dict[str, Tensor]]) -> Gallery:
        """Put stored parts together again; vectors are made unit length, as storage rounds them."""
        parts = list(shards)
        vectors = torch.cat([part["vectors"] for part in parts])
        return cls(torch.cat([part["lat_lon"] for part in parts]), functional.normalize(vectors, dim=-1))
