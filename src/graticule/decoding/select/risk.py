"""The candidate of least expected loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import torch
from torch import Tensor

from graticule.decoding.candidates import Candidates
from graticule.decoding.select.contract import answers_only
from graticule.earth.cells import TokenScheme
from graticule.earth.density import GEOSCORE_SCALE_KM, HALF_WAY_ROUND_KM, Goal
from graticule.earth.distance import EARTH_RADIUS_KM
from graticule.earth.sphere import unit_vectors
from graticule.errors import ConfigError
from graticule.tokens.query import Query

__all__ = ["MinimumRisk", "minimum_risk"]


@dataclass(frozen=True)
class MinimumRisk:
    """The candidate that is best on average over all candidates, if their probabilities are right.

    Candidates count by the model's probability of each, not by how often they were drawn. Scores are logarithms
    of what is expected: of GeoScore's shape exp(-d / scale); of the share of half-way round the Earth that the
    median distance leaves; or of the probability within a distance.

    Attributes:
        goal: What the answer should be best at.
        within_km: The distance that `within` is about.
        scale_km: Distance over which an answer's worth falls to 1/e, for `geoscore`.

    Raises:
        ConfigError: There is no such goal, or a distance is not positive.
    """

    goal: Goal = "geoscore"
    within_km: float = 25.0
    scale_km: float = GEOSCORE_SCALE_KM

    def __post_init__(self) -> None:
        if self.goal not in get_args(Goal):
            raise ConfigError(f"goal: there is no {self.goal!r}; choose {', '.join(get_args(Goal))}.")
        if not (self.within_km > 0 and self.scale_km > 0):
            raise ConfigError(f"within_km {self.within_km} and scale_km {self.scale_km} must be positive.")

    def __call__(self, query: Query, candidates: Candidates, scheme: TokenScheme) -> Tensor:
        """`(B, W)` float64; see `Selector`."""
        # A picture without any answer has nothing to normalise; its scores are taken out below.
        weights = _weights(candidates.log_probs).nan_to_num()
        distance_km = _distances_km(candidates.lat_lon(scheme)).to(weights.device)
        if self.goal == "median":
            gain = 1 - _median_km(distance_km, weights) / HALF_WAY_ROUND_KM
        elif self.goal == "within":
            gain = _expected((distance_km <= self.within_km).double(), weights)
        else:
            gain = _expected(torch.exp(-distance_km / self.scale_km), weights)
        # The most unlikely candidate counts a little for itself, unless its share is lost in rounding.
        return answers_only(gain.clamp(min=torch.finfo(gain.dtype).tiny).log(), candidates)


def minimum_risk(lat_lon: Tensor, log_probs: Tensor, *, scale_km: float = GEOSCORE_SCALE_KM) -> Tensor:
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
    gain = torch.exp(-_distances_km(lat_lon) / scale_km)
    return _expected(gain, _weights(log_probs)).argmax(dim=-1)


def _weights(log_probs: Tensor) -> Tensor:
    return torch.softmax(log_probs.double(), dim=-1)


def _distances_km(lat_lon: Tensor) -> Tensor:
    """Between every two of W points: `(B, W, 2)` degrees to `(B, W, W)` km."""
    points = unit_vectors(lat_lon.double())
    chord = torch.cdist(points, points)
    return 2 * EARTH_RADIUS_KM * (chord / 2).clamp(max=1).asin()


def _expected(gain: Tensor, weights: Tensor) -> Tensor:
    """`(B, W, W)` and `(B, W)` to `(B, W)`."""
    return torch.einsum("bij,bj->bi", gain, weights)


def _median_km(distance_km: Tensor, weights: Tensor) -> Tensor:
    """The distance within which each candidate has half of the weight: `(B, W)`."""
    near, order = distance_km.sort(dim=-1)
    held = weights.unsqueeze(1).expand_as(near).gather(2, order).cumsum(-1)
    half = (held >= held[..., -1:] / 2).int().argmax(-1, keepdim=True)
    return near.gather(2, half).squeeze(-1)
