"""A first-in-first-out queue of past locations: more wrong answers than a batch holds."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

__all__ = ["LocationQueue"]


class LocationQueue(nn.Module):
    """The last `length` locations seen in training (GeoCLIP keeps 4,096).

    Coordinates are kept, not vectors: they are encoded anew at every step, so they are never stale and the
    location encoder learns from them. Being buffers, they are saved in checkpoints.
    """

    def __init__(self, length: int) -> None:
        super().__init__()
        self.length = length
        self.register_buffer("lat_lon", torch.zeros(length, 2, dtype=torch.float64))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    def past(self) -> Tensor:
        """(Q, 2) degrees, Q <= length."""
        return cast(Tensor, self.lat_lon)[: min(int(cast(Tensor, self.count)), self.length)]

    @torch.no_grad()
    def push(self, lat_lon: Tensor) -> None:
        """Put (B, 2) locations in, the oldest falling out."""
        if not self.length:
            return
        stored, count = cast(Tensor, self.lat_lon), cast(Tensor, self.count)
        last = torch.arange(max(0, len(lat_lon) - self.length), len(lat_lon))
        stored[(count + last) % self.length] = lat_lon[last].to(stored)
        count += len(lat_lon)
