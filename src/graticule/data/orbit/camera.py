"""The virtual camera: a tangent-plane (gnomonic) view of a mosaic."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from graticule.data.orbit.mosaic import Mosaic
from graticule.earth.distance import EARTH_RADIUS_KM

__all__ = ["Pose", "render"]


@dataclass(frozen=True)
class Pose:
    """Where a batch of views looks from straight above.

    Attributes:
        lat, lon: (B,) float64, degrees, of the view's centre.
        heading_deg: (B,) float64, the bearing of the picture's upper edge, clockwise from north.
        width_km: (B,) float64, ground width of the picture.
    """

    lat: Tensor
    lon: Tensor
    heading_deg: Tensor
    width_km: Tensor

    def __len__(self) -> int:
        return len(self.lat)


def render(mosaic: Mosaic, pose: Pose, *, size: int = 64) -> Tensor:
    """Views of the mosaic.

    A pixel at tangent-plane offset (x, y), in Earth radii, looks along c + x*right + y*up, where c is the unit
    vector of the centre and right, up are the local east and north turned by the heading.

    Returns:
        (B, 4, size, size) float32 in [0, 1]: red, green, blue, water.
    """
    lat, lon, heading = (torch.deg2rad(v.double()) for v in (pose.lat, pose.lon, pose.heading_deg))
    centre = torch.stack([lat.cos() * lon.cos(), lat.cos() * lon.sin(), lat.sin()], dim=-1)
    east = torch.stack([-lon.sin(), lon.cos(), torch.zeros_like(lon)], dim=-1)
    north = torch.linalg.cross(centre, east)
    sine, cosine = heading.sin()[:, None], heading.cos()[:, None]
    right, up = east * cosine - north * sine, east * sine + north * cosine

    half = (pose.width_km / EARTH_RADIUS_KM / 2)[:, None]
    steps = ((torch.arange(size, dtype=torch.float64) + 0.5) / size * 2 - 1)[None] * half  # (B, size)
    across = torch.einsum("bs,bc->bsc", steps, right)[:, None]
    along = torch.einsum("bs,bc->bsc", -steps, up)[:, :, None]
    x, y, z = (centre[:, None, None] + across + along).float().unbind(-1)
    return mosaic.sample(torch.atan2(z, torch.hypot(x, y)), torch.atan2(y, x))
