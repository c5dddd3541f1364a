"""Sampling: draw places from the model, as often as one likes or each at most once.

What is drawn is a function of the seed, the picture's key and the sample or cell drawn, never of a generator's
state. So a picture's samples do not depend on its company in the batch, and more samples continue fewer: those
that one gets for a count of ten are among those for a count of thirty.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from graticule.decoding.candidates import Candidates, ChildMask, inside
from graticule.errors import ConfigError
from graticule.tokens.contract import CellModel, StateT
from graticule.tokens.query import Query

__all__ = ["Sampling", "sample", "sample_distinct", "uniforms"]


@dataclass(frozen=True)
class Sampling:
    """How places are drawn: the settings of `sample` and `sample_distinct`, which check them.

    Attributes:
        count: Samples a picture.
        temperature: Divides each step's log-probabilities.
        top_k: Only so many of the likeliest tokens at a step; None for all.
        top_p: Only the likeliest tokens that hold this share at a step.
        distinct: Each place at most once.
        seed: 0 or more.
    """

    count: int = 30
    temperature: float = 0.7
    top_k: int | None = None
    top_p: float = 1.0
    distinct: bool = False
    seed: int = 0

    def draw(
        self,
        model: CellModel[StateT],
        query: Query,
        *,
        keys: Tensor | None = None,
        mask: ChildMask | None = None,
    ) -> Candidates:
        """Places of each picture; see `sample`.

        Raises:
            ConfigError: A setting is out of range.
        """
        return (sample_distinct if self.distinct else sample)(
            model,
            query,
            count=self.count,
            seed=self.seed,
            temperature=self.temperature,
            top_k=self.top_k,
            top_p=self.top_p,
            keys=keys,
            mask=mask,
        )


def sample(
    model: CellModel[StateT],
    query: Query,
    *,
    count: int,
    seed: int,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float = 1.0,
    keys: Tensor | None = None,
    mask: ChildMask | None = None,
) -> Candidates:
    """Draw `count` places a picture, token by token (GeoToken, sec. III-C: multi-sample).

    All samples of all pictures go down together, and samples that share a prefix share its evaluation.

    Args:
        model: Any cell model, in eval mode if it has one.
        query: B pictures.
        count: Samples a picture, 1 or more.
        seed: 0 or more. The same seed gives the same samples.
        temperature: Divides each step's log-probabilities: below 1 for likelier places, above for variety.
        top_k: At each step, draw from only so many of the likeliest tokens; None for all.
        top_p: At each step, draw from only the fewest of the likeliest tokens that hold this share of the
            probability that temperature and `top_k` leave.
        keys: `(B,)` int64, what tells the pictures apart; their places in the batch if not said.
        mask: Where to stay; all of the Earth if not said. Each step is drawn from what the mask leaves of it.

    Returns:
        The distinct places drawn, the most probable first, with `counts` that sum to `count`. Log-probabilities
        are the model's own, neither tempered nor cut. A picture with fewer distinct places than another of the
        batch has surplus entries, last, with a count of 0 and a log-probability of -inf. So has a sample whose
        way ends where the model gives nothing to what the mask leaves, but with its count.

    Raises:
        ConfigError: A setting is out of range.
    """
    choice = _Choice(temperature, top_k, top_p)
    keys = _checked_keys(query, keys, count=count, seed=seed)
    state = model.begin(query)
    log_probs = model.next_log_probs(state)  # (B, W, V)
    draws = uniforms(keys.to(log_probs.device), seed, count=count, length=model.scheme.length)
    reached = torch.zeros_like(draws[..., 0], dtype=torch.int64)  # (B, S): which prefix each sample is at
    found = Candidates.empty_prefix(log_probs)
    for step, size in enumerate(model.scheme.vocabulary, start=1):
        log_probs = inside(log_probs, found.tokens, mask=mask)
        options = choice(log_probs).gather(1, reached.unsqueeze(-1).expand(-1, -1, size))
        chosen, reached = _distinct(reached * size + _inverse_cdf(options, draws[..., step - 1]))
        found = found.extended(log_probs, chosen)
        if step < model.scheme.length:
            state = model.advance(state, chosen // size, found.tokens[..., -1])
            log_probs = model.next_log_probs(state)
    counts = torch.zeros_like(chosen).scatter_add(1, reached, torch.ones_like(reached))
    log_probs = found.log_probs.masked_fill(counts == 0, -torch.inf)
    return replace(found, log_probs=log_probs, counts=counts).ranked()


def sample_distinct(
    model: CellModel[StateT],
    query: Query,
    *,
    count: int,
    seed: int,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float = 1.0,
    keys: Tensor | None = None,
    mask: ChildMask | None = None,
) -> Candidates:
    """Draw `count` different places a picture: sampling without replacement, by stochastic beam search.

    Give every leaf's log-probability Gumbel noise of its own: the `count` largest are the draw. Noise is drawn
    from the root down, each child's under the condition that the largest of a prefix's children is the
    prefix's own, so that only the winners' prefixes are ever followed (Kool, van Hoof and Welling 2019,
    "Stochastic Beams and Where to Find Them", alg. 1).

    Args:
        model: Any cell model, in eval mode if it has one.
        query: B pictures.
        count: Samples a picture, 1 or more.
        seed: As for `sample`.
        temperature: As for `sample`.
        top_k: As for `sample`.
        top_p: As for `sample`.
        keys: As for `sample`.
        mask: As for `sample`.

    Returns:
        `min(count, leaves)` candidates a picture, the most probable first. Log-probabilities are the model's
        own. Where fewer places can be drawn, the surplus entries come last, with a log-probability of -inf.

    Raises:
        ConfigError: A setting is out of range.
    """
    choice = _Choice(temperature, top_k, top_p)
    keys = _checked_keys(query, keys, count=count, seed=seed)
    state = model.begin(query)
    log_probs = model.next_log_probs(state)  # (B, W, V)
    node = _root(keys.to(log_probs.device), seed).unsqueeze(1)  # (B, W): a number of each prefix's own
    total = torch.zeros_like(node, dtype=torch.float64)  # (B, W): log-probability of what is drawn from
    noisy = total  # (B, W): the same, with noise
    found = Candidates.empty_prefix(log_probs)
    for step, size in enumerate(model.scheme.vocabulary, start=1):
        log_probs = inside(log_probs, found.tokens, mask=mask)
        node = _branch(node.unsqueeze(-1), torch.arange(size, device=node.device))  # (B, W, V)
        total = total.unsqueeze(-1) + choice(log_probs)
        noisy = _with_maximum(total - (-_uniform(node).log()).log(), noisy).flatten(1)
        noisy, chosen = noisy.topk(min(count, noisy.shape[1]), dim=1)
        node, total = node.flatten(1).gather(1, chosen), total.flatten(1).gather(1, chosen)
        found = found.extended(log_probs, chosen)
        if step < model.scheme.length:
            state = model.advance(state, chosen // size, found.tokens[..., -1])
            log_probs = model.next_log_probs(state)
    log_probs = found.log_probs.masked_fill(noisy == -torch.inf, -torch.inf)
    return replace(found, log_probs=log_probs).ranked()


def _checked_keys(query: Query, keys: Tensor | None, *, count: int, seed: int) -> Tensor:
    if count < 1:
        raise ConfigError(f"sample count is {count}: it must be 1 or more.")
    if not 0 <= seed < 2**63:
        raise ConfigError(f"seed is {seed}: it must be in [0, 2**63).")
    if keys is None:
        return torch.arange(query.batch_size)
    if keys.shape != (query.batch_size,) or keys.dtype != torch.int64:
        raise ConfigError(
            f"keys are {tuple(keys.shape)} of {keys.dtype}: give one int64 for each of the "
            f"{query.batch_size} pictures."
        )
    return keys


# --- What a token is drawn from ----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Choice:
    """The distribution to draw from, made from the model's: temperature, then top-k, then top-p."""

    temperature: float
    top_k: int | None
    top_p: float

    def __post_init__(self) -> None:
        if not 0 < self.temperature < math.inf:
            raise ConfigError(f"temperature is {self.temperature}: it must be positive and finite.")
        if self.top_k is not None and self.top_k < 1:
            raise ConfigError(f"top_k is {self.top_k}: it must be 1 or more, or None for all tokens.")
        if not 0 < self.top_p <= 1:
            raise ConfigError(f"top_p is {self.top_p}: it must be in (0, 1].")

    def __call__(self, log_probs: Tensor) -> Tensor:
        """`(..., V)` to `(..., V)` float64, normalised; where nothing is possible, all stays -inf."""
        log_probs = log_probs.double()
        # The largest becomes 0, which no temperature moves: near zero the likeliest token alone is left.
        log_probs = (log_probs - log_probs.amax(-1, keepdim=True)) / self.temperature
        if self.top_k is not None:
            keep = log_probs.topk(min(self.top_k, log_probs.shape[-1]), dim=-1).indices
            log_probs = torch.full_like(log_probs, -torch.inf).scatter(-1, keep, log_probs.gather(-1, keep))
        log_probs = _normalised(log_probs)
        if self.top_p < 1:
            ordered, order = log_probs.exp().sort(dim=-1, descending=True, stable=True)
            likelier = F.pad(ordered.cumsum(-1)[..., :-1], (1, 0))  # the mass of what is likelier than each
            drop = torch.empty_like(order, dtype=torch.bool).scatter(-1, order, likelier >= self.top_p)
            log_probs = _normalised(log_probs.masked_fill(drop, -torch.inf))
        return log_probs


def _normalised(log_probs: Tensor) -> Tensor:
    log_probs = log_probs.log_softmax(-1)
    return log_probs.masked_fill(log_probs.isnan(), -torch.inf)  # NaN: all were -inf


def _inverse_cdf(log_probs: Tensor, draws: Tensor) -> Tensor:
    """The token each draw falls on: `(B, S, V)` and `(B, S)` in (0, 1) to `(B, S)`."""
    below = log_probs.exp().cumsum(-1)
    fallen = torch.searchsorted(below, (draws.unsqueeze(-1) * below[..., -1:]), right=True)
    return fallen.squeeze(-1).clamp(max=log_probs.shape[-1] - 1)  # beyond the end where nothing is possible


def _distinct(children: Tensor) -> tuple[Tensor, Tensor]:
    """What differs in each row: `(B, S)` to the different values `(B, W)`, and which one each was `(B, S)`.

    W is the largest number of different values; a row with fewer repeats its first.
    """
    ordered, order = children.sort(dim=1)
    rank = F.pad(ordered.diff(dim=1) != 0, (1, 0)).cumsum(1)
    width = int(rank.max()) + 1 if rank.numel() else 1
    values = ordered[:, :1].repeat(1, width).scatter(1, rank, ordered)
    return values, torch.empty_like(rank).scatter(1, order, rank)


def _with_maximum(noisy: Tensor, largest: Tensor) -> Tensor:
    """Gumbel noise under the condition that the largest child is what is known.

    T = -log(exp(-Z') - exp(-Z) + exp(-G)), Z the largest of the G drawn and Z' what it shall be, in a form
    that does not overflow (Kool et al. 2019, app. B.3).

    Args:
        noisy: `(B, W, V)`, G: drawn without a condition.
        largest: `(B, W)`, Z'.

    Returns:
        `(B, W, V)`; what is -inf stays so.
    """
    largest = largest.unsqueeze(-1)
    gap = noisy.amax(-1, keepdim=True) - noisy
    v = largest - noisy + torch.log(-torch.expm1(-gap))
    shifted = largest - v.clamp(min=0) - v.abs().neg().exp().log1p()
    return shifted.masked_fill((noisy == -torch.inf) | (largest == -torch.inf), -torch.inf)


# --- Randomness from numbers -------------------------------------------------------------------------------

_GOLDEN, _FIRST, _SECOND = (
    number - 2**64 for number in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
)


def uniforms(keys: Tensor, seed: int, *, count: int, length: int) -> Tensor:
    """The numbers by which `sample` draws, each by inversion of its step's distribution.

    Args:
        keys: `(B,)` int64, what tells the pictures apart.
        seed: 0 or more.
        count: Samples a picture, S.
        length: Tokens a place, T.

    Returns:
        `(B, S, T)` float64 in (0, 1).
    """
    samples = _branch(_root(keys, seed).unsqueeze(-1), torch.arange(count, device=keys.device))
    return _uniform(_branch(samples.unsqueeze(-1), torch.arange(length, device=keys.device)))


def _root(keys: Tensor, seed: int) -> Tensor:
    return _branch(_branch(torch.full_like(keys, seed), torch.zeros_like(keys)), keys)


def _branch(node: Tensor, number: Tensor) -> Tensor:
    """The number of a node's n-th branch: one step of SplitMix64 (Steele, Lea and Flood 2014), in int64."""
    z = node + (number + 1) * _GOLDEN
    z = (z ^ _shifted(z, 30)) * _FIRST
    z = (z ^ _shifted(z, 27)) * _SECOND
    return z ^ _shifted(z, 31)


def _shifted(z: Tensor, bits: int) -> Tensor:
    """A shift to the right that brings in zeros, as if int64 had no sign."""
    return z >> bits & (1 << 64 - bits) - 1


def _uniform(node: Tensor) -> Tensor:
    """The middles of 2**52 equal parts of (0, 1): neither 0 nor 1, and exact."""
    return (_shifted(node, 12).double() + 0.5) * 2.0**-52
