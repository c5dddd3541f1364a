"""Greedy decoding: the most probable token at every step."""

from __future__ import annotations

import torch

from graticule.decoding.candidates import Candidates
from graticule.tokens.contract import CellModel, StateT
from graticule.tokens.query import Query

__all__ = ["greedy"]


def greedy(model: CellModel[StateT], query: Query) -> Candidates:
    """Follow the most probable token at every step (GeoToken, sec. III-C).

    The answer need not be the most probable cell: a less likely face may hold a more likely place.

    Args:
        model: Any cell model, in eval mode if it has one.
        query: B pictures.

    Returns:
        One candidate a picture, W = 1.
    """
    state = model.begin(query)
    best = model.next_log_probs(state).max(dim=-1)
    tokens, log_probs = [best.indices], [best.values]
    for _ in range(1, model.scheme.length):
        state = model.advance(state, torch.zeros_like(best.indices), best.indices)
        best = model.next_log_probs(state).max(dim=-1)
        tokens.append(best.indices)
        log_probs.append(best.values)
    token_log_probs = torch.stack(log_probs, dim=-1)
    return Candidates(torch.stack(tokens, dim=-1), token_log_probs, token_log_probs.sum(-1))
