"""Points of the sphere as tensors; `earth.distance` has the same for arrays."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["unit_vectors"]


def unit_vectors(lat_lon: Tensor) -> Tensor:
    """Points on the unit sphere: `(..., 2)` degrees to `(..., 3)`, in the precision given."""
    lat, lon = lat_lon.deg2rad().unbind(-1)
    return torch.stack([lat.cos() * lon.cos(), lat.cos() * lon.sin(), lat.sin()], dim=-1)
