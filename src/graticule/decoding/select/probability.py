"""The candidate that the model holds most likely."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from graticule.decoding.candidates import Candidates
from graticule.earth.cells import TokenScheme
from graticule.tokens.query import Query

__all__ = ["LogProbability"]


@dataclass(frozen=True)
class LogProbability:
    """The log-probability of each sequence under the model itself, however it was drawn (GeoToken, sec. III-C)."""

    def __call__(self, query: Query, candidates: Candidates, scheme: TokenScheme) -> Tensor:
        """`(B, W)`; see `Selector`."""
        return candidates.log_probs
