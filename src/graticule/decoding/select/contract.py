"""The contract of selectors: given a picture and its candidates, say how good each is."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from graticule.decoding.candidates import Candidates
from graticule.earth.cells import TokenScheme
from graticule.tokens.query import Query

__all__ = ["Selector", "answers_only"]


class Selector(Protocol):
    """Scores candidates; the answer is the one with the highest score, the first of equals.

    Scores are logarithms, or on their scale, so that those of several selectors can be added. They say nothing
    across pictures. A candidate that is no answer, with a log-probability of -inf, scores -inf; all others are
    finite.
    """

    def __call__(self, query: Query, candidates: Candidates, scheme: TokenScheme) -> Tensor:
        """Score every candidate.

        Args:
            query: B pictures.
            candidates: W of each, the most probable first.
            scheme: The scheme of their tokens.

        Returns:
            `(B, W)` float.
        """
        ...


def answers_only(scores: Tensor, candidates: Candidates) -> Tensor:
    """The scores `(B, W)`, with -inf for candidates that are no answers."""
    return scores.masked_fill(candidates.log_probs == -torch.inf, -torch.inf)
