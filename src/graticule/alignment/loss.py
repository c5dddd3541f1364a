"""The contrastive loss between pictures and places."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from graticule.earth.distance import EARTH_RADIUS_KM

__all__ = ["info_nce", "nearby", "scattered", "surroundings"]


def info_nce(
    images: Tensor,
    locations: Tensor,
    *,
    scale: Tensor,
    past: Tensor | None = None,
    local: Tensor | None = None,
    reweigh: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """InfoNCE from pictures to places: each picture must choose its own place (GeoCLIP, sec. 3.3).

    Args:
        images: (B, D) unit vectors.
        locations: (B, D) unit vectors of the same pictures' places.
        scale: multiplies the cosines; the inverse of the temperature.
        past: (Q, D) unit vectors of queued places: wrong answers for every picture.
        local: (B, M, D) unit vectors of places near each picture's own: wrong answers for that picture only.
        reweigh: a policy: logits (B, B + Q) of the batch and the queue in, other logits out.

    Returns:
        The mean loss.
    """
    wrong = locations if past is None else torch.cat([locations, past])
    # In bfloat16 a cosine has three digits: at a scale of 100, logits would be off by half.
    with torch.autocast(images.device.type, enabled=False):
        logits = images.float() @ wrong.float().T * scale
        if reweigh is not None:
            logits = reweigh(logits)
        if local is not None:
            near = torch.einsum("bd,bmd->bm", images.float(), local.float()) * scale
            logits = torch.cat([logits, near], dim=1)
        return functional.cross_entropy(logits, torch.arange(len(images), device=logits.device))


def nearby(lat_lon: Tensor, distance_km: Tensor, bearing_rad: Tensor) -> Tensor:
    """Places at a distance and bearing from others, on the sphere.

    Places drawn uniformly over the Earth are some 200 km apart in a queue of a few thousand: telling them apart
    teaches nothing finer. Places drawn around the right answer do.

    Args:
        lat_lon: (B, 2) degrees.
        distance_km: (B, M).
        bearing_rad: (B, M) clockwise from north.

    Returns:
        (B, M, 2) degrees.
    """
    lat, lon = torch.deg2rad(lat_lon.double())[:, :, None].unbind(1)
    arc, bearing = distance_km.double() / EARTH_RADIUS_KM, bearing_rad.double()
    sine = lat.sin() * arc.cos() + lat.cos() * arc.sin() * bearing.cos()
    turn = torch.atan2(bearing.sin() * arc.sin() * lat.cos(), arc.cos() - lat.sin() * sine)
    there = torch.stack(
        [sine.clamp(-1, 1).asin(), torch.remainder(lon + turn + torch.pi, 2 * torch.pi) - torch.pi], -1
    )
    return torch.rad2deg(there)


def scattered(lat_lon: Tensor, *, sigma_m: float, generator: torch.Generator) -> Tensor:
    """Places moved by Gaussian noise of `sigma_m` metres to the north and, independently, to the east.

    Metres on the ground, at every latitude: the distance is Rayleigh, the bearing uniform (GeoCLIP, sec. 4).

    Args:
        lat_lon: (B, 2) degrees.
        sigma_m: standard deviation along each direction; 0 leaves the places as they are.
        generator: draws the noise.

    Returns:
        (B, 2) degrees.
    """
    if not sigma_m:
        return lat_lon
    noise = torch.randn(len(lat_lon), 2, dtype=torch.float64, generator=generator)
    distance_km, bearing = noise.norm(dim=1) * sigma_m / 1000, torch.atan2(noise[:, 0], noise[:, 1])
    return nearby(lat_lon, distance_km[:, None], bearing[:, None])[:, 0]


def surroundings(
    lat_lon: Tensor, count: int, *, within_km: tuple[float, float], generator: torch.Generator
) -> Tensor:
    """Places around others, in any direction, their distances spread evenly over the scales of a range.

    Args:
        lat_lon: (B, 2) degrees.
        count: M, places around each.
        within_km: the nearest and the farthest.
        generator: draws them.

    Returns:
        (B, M, 2) degrees.
    """
    shape = (len(lat_lon), count)
    nearest, farthest = math.log(within_km[0]), math.log(within_km[1])
    distance_km = torch.exp(nearest + (farthest - nearest) * torch.rand(shape, generator=generator))
    return nearby(lat_lon, distance_km, 2 * math.pi * torch.rand(shape, generator=generator))
