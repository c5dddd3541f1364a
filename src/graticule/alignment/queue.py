"""A first-in-first-out queue of past locations: more wrong answers than a batch holds."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

__all__ = ["LocationQueue"]


class LocationQueue(nn.Module):
    """The last `length` pictures seen in training: their locations and, if wanted, their features, in step.

    Coordinates are kept, not vectors: they are encoded anew at every step, so they are never stale and the
    location encoder learns from them (GeoCLIP keeps 4,096). Features are what tells how alike a queued picture
    and a new one look. Being buffers, both are saved in checkpoints.
    """

    def __init__(self, length: int, *, feature_width: int = 0) -> None:
        super().__init__()
        self.length = length
        self.register_buffer("lat_lon", torch.zeros(length, 2, dtype=torch.float64))
        self.register_buffer("looks", torch.zeros(length, feature_width) if feature_width else None)
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    def __len__(self) -> int:
        """Q, the pictures it holds now."""
        return min(int(cast(Tensor, self.count)), self.length)

    def past(self) -> Tensor:
        """(Q, 2) degrees, Q <= length."""
        return cast(Tensor, self.lat_lon)[: len(self)]

    def features(self) -> Tensor:
        """(Q, feature_width) of the same pictures, in the same order."""
        return cast(Tensor, self.looks)[: len(self)]

    @torch.no_grad()
    def push(self, lat_lon: Tensor, features: Tensor | None = None) -> None:
        """Put B pictures in, the oldest falling out.

        Args:
            lat_lon: (B, 2) degrees, wherever they are.
            features: (B, feature_width), if the queue keeps features.

        Raises:
            ValueError: features are given to a queue that keeps none, or the other way round.
        """
        if (features is None) != (self.looks is None):
            raise ValueError("features: give them if, and only if, the queue keeps features.")
        if not self.length:
            return
        count = cast(Tensor, self.count)
        first = max(0, len(lat_lon) - self.length)
        places = (count + torch.arange(first, len(lat_lon), device=count.device)) % self.length
        stored = cast(Tensor, self.lat_lon)
        stored[places] = lat_lon[first:].to(stored)
        if features is not None:
            looks = cast(Tensor, self.looks)
            looks[places] = features[first:].to(looks)
        count += len(lat_lon)
