"""What a wrong answer should weigh: policies that know how different two pictures ought to look.

Plain InfoNCE takes every other picture's place for an equally wrong answer. A semivariogram gamma(h), fitted on
dissimilarity against distance on the ground, says what to expect of a pair at distance h. A near pair that looks
more alike than that is hardly wrong at all (a false negative); a far pair that does is the mistake worth learning
from (a hard negative).

Weights are added to logits as logarithms, never multiplied with them: a factor would turn its own effect round
wherever a logit is negative.

The default is a reconstruction from the abstract of arXiv 2509.21573, whose equations could not be had; the
thesis's variants P1 to P5 are read from a description of them; the controls are what an ablation needs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor
from torch.nn import functional

from graticule.earth.distance import EARTH_RADIUS_KM
from graticule.earth.sphere import unit_vectors
from graticule.errors import ConfigError

__all__ = ["POLICIES", "Evidence", "Pairs", "Policy", "PolicyConfig", "Variogram", "pairs_of", "reweigh"]


class Variogram(Protocol):
    """What a policy needs of a fitted semivariogram."""

    @property
    def practical_range_km(self) -> float:
        """Where it has risen by 95 %."""
        ...

    def gamma(self, h_km: Tensor) -> Tensor:
        """Expected dissimilarity at a distance, elementwise."""
        ...


class PolicyConfig(BaseModel):
    """Which policy, and how strong."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = "semivariogram"
    """One of `POLICIES`."""
    beta_false: float = Field(default=4.0, ge=0, allow_inf_nan=False)
    """How fast a near pair that looks too much alike loses weight."""
    beta_hard: float = Field(default=4.0, ge=0, allow_inf_nan=False)
    """How fast a far pair that looks too much alike gains weight."""
    mask_false: bool = False
    """Leave such near pairs out altogether."""
    rho_km: float | None = Field(default=None, gt=0)
    """What parts near from far; None: the semivariogram's practical range."""


@dataclass(frozen=True)
class Pairs:
    """B pictures beside N places each may be told from.

    Attributes:
        distance_km: (B, N) great-circle, between clean coordinates.
        dissimilarity: (B, N), 1 - cosine of the pictures' features.
        negative: (B, N) bool, False where the place is the picture's own.
    """

    distance_km: Tensor
    dissimilarity: Tensor
    negative: Tensor


@dataclass(frozen=True)
class Evidence:
    """Everything a policy may look at.

    Attributes:
        logits: (B, N), cosines times the scale.
        pairs: the same pairs.
        expected: (B, N) dissimilarity that the semivariogram expects; zeros without one.
        flat: the expectation far away, where distance says nothing more.
        near: (B, N) bool, within rho.
        config: strengths.
        generator: for what is drawn.
    """

    logits: Tensor
    pairs: Pairs
    expected: Tensor
    flat: float
    near: Tensor
    config: PolicyConfig
    generator: torch.Generator


@dataclass(frozen=True)
class Policy:
    """A way to weigh negatives: what it does in a few words, and how it makes new logits (B, N)."""

    about: str
    logits: Callable[[Evidence], Tensor]
    needs_variogram: bool = True


def pairs_of(features: Tensor, lat_lon: Tensor, queued: tuple[Tensor, Tensor] | None = None) -> Pairs:
    """Compare a batch with itself and with queued pictures, in float32 under autocast too.

    A semivariogram rises by some thousandths a bin; bfloat16 tells cosines apart to four thousandths.

    Args:
        features: (B, F) of the batch.
        lat_lon: (B, 2) degrees, clean.
        queued: features (Q, F) and places (Q, 2) of earlier pictures.

    Returns:
        Pairs of (B, B + Q).
    """
    batch, looks, places = len(features), features, lat_lon
    if queued is not None:
        looks, places = torch.cat([features, queued[0]]), torch.cat([lat_lon, queued[1].to(lat_lon)])
    looks = functional.normalize(looks.float(), dim=-1)
    points = unit_vectors(places.double())
    # By squares of differences, not as 2 - 2 cos, which loses the short distances.
    chord = torch.cdist(points[:batch], points, compute_mode="donot_use_mm_for_euclid_dist")
    negative = torch.ones(batch, len(places), dtype=torch.bool, device=looks.device)
    negative.fill_diagonal_(fill_value=False)
    with torch.autocast(looks.device.type, enabled=False):
        alike = looks[:batch] @ looks.T
    return Pairs(
        distance_km=((chord.float() / 2).clamp(max=1).asin() * (2 * EARTH_RADIUS_KM)),
        dissimilarity=(1 - alike).clamp(min=0),
        negative=negative,
    )


def reweigh(
    logits: Tensor,
    pairs: Pairs,
    config: PolicyConfig,
    *,
    variogram: Variogram | None,
    generator: torch.Generator,
) -> Tensor:
    """Apply a policy to the logits of a batch.

    Args:
        logits: (B, N), cosines times the scale; those of positives come back as they were.
        pairs: what is known of the same pictures and places.
        config: which policy, how strong.
        variogram: fitted on the training split; None will do for policies that need none.
        generator: for the control with shuffled lags.

    Returns:
        (B, N) logits.

    Raises:
        ConfigError: there is no such policy, or it needs a semivariogram, or a rho, and has none.
    """
    policy = POLICIES.get(config.name)
    if policy is None:
        raise ConfigError(f"policy: there is no {config.name!r}; choose one of {', '.join(POLICIES)}.")
    if policy.needs_variogram and variogram is None:
        raise ConfigError(f"policy {config.name}: it needs a fitted semivariogram.")
    rho_km = config.rho_km or (variogram.practical_range_km if variogram else None)
    if rho_km is None and config.name == "distance-mask":
        raise ConfigError("policy distance-mask: give rho_km, or a fitted semivariogram to take it from.")
    with torch.no_grad():
        distance = pairs.distance_km
        expected = variogram.gamma(distance) if variogram else torch.zeros_like(distance)
        flat = float(variogram.gamma(distance.new_tensor(_FAR_KM))) if variogram else 0.0
    evidence = Evidence(
        logits=logits,
        pairs=pairs,
        expected=expected,
        flat=flat,
        near=distance <= (rho_km or math.inf),
        config=config,
        generator=generator,
    )
    return torch.where(pairs.negative, policy.logits(evidence), logits)


_FAR_KM = 10_000.0


def _none(e: Evidence) -> Tensor:
    return e.logits


def _semivariogram(e: Evidence) -> Tensor:
    return _by_surprise(e, e.expected)


def _constant(e: Evidence) -> Tensor:
    return _by_surprise(e, torch.full_like(e.expected, e.flat))


def _shuffled(e: Evidence) -> Tensor:
    order = torch.randperm(e.expected.shape[1], generator=e.generator)
    return _by_surprise(e, e.expected[:, order])


def _by_surprise(e: Evidence, expected: Tensor) -> Tensor:
    """Near pairs lose, far pairs gain exp(beta s), s being how much more alike they look than expected."""
    surprise = (expected - e.pairs.dissimilarity).clamp(min=0)
    weighed = e.logits + torch.where(e.near, -e.config.beta_false, e.config.beta_hard) * surprise
    return weighed.masked_fill(e.near & (surprise > 0), -math.inf) if e.config.mask_false else weighed


def _distance_mask(e: Evidence) -> Tensor:
    return e.logits.masked_fill(e.near, -math.inf)


def _feature_hard(e: Evidence) -> Tensor:
    return e.logits + _mean_one(e.config.beta_hard * (1 - e.pairs.dissimilarity), e.pairs.negative)


def _p1(e: Evidence) -> Tensor:
    return _residual(e).abs()


def _p2(e: Evidence) -> Tensor:
    return e.logits + _mean_one(_residual(e).abs().clamp(0.2, 0.5) * e.logits, e.pairs.negative)


def _p3(e: Evidence) -> Tensor:
    power = torch.where(e.near, _residual(e).clamp(min=0), 0.0)
    return e.logits + _mean_one(power * e.logits, e.pairs.negative)


def _p5(e: Evidence) -> Tensor:
    power = torch.where(e.near, _residual(e).clamp(min=0), 0.0)
    return e.logits * power.exp()


def _residual(e: Evidence) -> Tensor:
    return e.pairs.dissimilarity - e.expected


def _mean_one(log_weights: Tensor, negative: Tensor) -> Tensor:
    """Scale weights so that those of each row's negatives are 1 on average (Robinson et al. 2021)."""
    kept = log_weights.masked_fill(~negative, -math.inf)
    count = negative.sum(-1, keepdim=True).clamp(min=1)
    return log_weights - (kept.logsumexp(-1, keepdim=True) - count.log())


POLICIES: Mapping[str, Policy] = MappingProxyType(
    {
        "semivariogram": Policy(
            "near alike weighs less, far alike more, as gamma(h) expects", _semivariogram
        ),
        "p1": Policy("thesis: |r| in the logit's place", _p1),
        "p2": Policy("thesis: weight exp(p logit), p = |r| held in 0.2 to 0.5, mean 1", _p2),
        "p3": Policy("thesis: weight exp(p logit), p = r above 0 while gamma rises, mean 1", _p3),
        "p5": Policy("thesis: logit times exp(r) for r above 0 within rho", _p5),
        "none": Policy("control: plain InfoNCE", _none, needs_variogram=False),
        "constant": Policy("control: as the default, but gamma is flat", _constant),
        "shuffled": Policy("control: as the default, but each pair gets another pair's gamma(h)", _shuffled),
        "distance-mask": Policy("control: no negatives within rho", _distance_mask, needs_variogram=False),
        "feature-hard": Policy(
            "control: alike weighs more, wherever it is, mean 1", _feature_hard, needs_variogram=False
        ),
    }
)
"""By name: the default, the thesis's, and the controls. r is the dissimilarity less the expected one."""
