"""Which of the candidates is the answer."""

from __future__ import annotations

import torch
from torch import Tensor

from graticule.earth.distance import EARTH_RADIUS_KM

__all__ = ["minimum_risk"]


def minimum_risk(lat_lon: Tensor, log_probs: Tensor, *, scale_km: float = 1492.7) -> Tensor:
    """The candidate that scores best on average, if the candidates' probabilities are right.

    The score of answering a when the truth is b is exp(-d(a, b) / scale): GeoScore's shape. A smaller scale asks
    for precision, a larger one for safety.

    Args:
        lat_lon: (B, W, 2) degrees.
        log_probs: (B, W); they need not sum to one.
        scale_km: distance over which an answer's worth falls to 1/e.

    Returns:
        (B,) int64, the chosen candidate of each picture.
    """
    lat, lon = torch.deg2rad(lat_lon.double()).unbind(-1)
    points = torch.stack([lat.cos() * lon.cos(), lat.cos() * lon.sin(), lat.sin()], dim=-1)
    chord = torch.cdist(points, points)
    distance_km = 2 * EARTH_RADIUS_KM * (chord / 2).clamp(max=1).asin()
    weights = torch.softmax(log_probs.double(), dim=-1)
    gain = torch.einsum("bij,bj->bi", torch.exp(-distance_km / scale_km), weights)
    return gain.argmax(dim=-1)
