"""Beam search: keep the most probable prefixes at every step."""

from __future__ import annotations

import torch

from graticule.decoding.candidates import Candidates
from graticule.errors import ConfigError
from graticule.tokens.contract import CellModel, StateT
from graticule.tokens.query import Query

__all__ = ["beam", "frontiers"]


def beam(model: CellModel[StateT], query: Query, *, width: int) -> Candidates:
    """Keep the `width` most probable prefixes at every step (GeoToken, sec. III-C).

    There are only as many prefixes as there are cells: the beam starts with the faces and fills as it
    descends. With a width of all the leaves or more, the result is every cell of the Earth, ranked exactly.

    Args:
        model: Any cell model, in eval mode if it has one.
        query: B pictures.
        width: The most prefixes to keep, 1 or more.

    Returns:
        `min(width, leaves)` candidates a picture, best first.

    Raises:
        ConfigError: `width` is not positive.
    """
    return frontiers(model, query, width=width)[-1]


def frontiers(
    model: CellModel[StateT], query: Query, *, width: int, shown: int | None = None
) -> list[Candidates]:
    """What the beam holds after every step: cells of each level, best first, the finest last.

    Where the finest cells share their probability among more than `width`, a coarser frontier still holds
    nearly all of it: that is where to read how sure the model is.

    The children of the prefixes kept are all known, although only `width` of them are followed: to show more of
    them costs nothing.

    Args:
        model: Any cell model, in eval mode if it has one.
        query: B pictures.
        width: The most prefixes to follow, 1 or more.
        shown: The most cells to give after each step; `width` if not said, and at least that.

    Returns:
        T candidates; those of step t are prefixes of t + 1 tokens.

    Raises:
        ConfigError: `width` is not positive.
    """
    if width < 1:
        raise ConfigError(f"beam width is {width}: it must be 1 or more.")
    state = model.begin(query)
    log_probs = model.next_log_probs(state)  # (B, W, V)
    scores = log_probs.new_zeros(query.batch_size, 1)
    token_log_probs = log_probs.new_empty(query.batch_size, 1, 0)
    tokens = torch.empty_like(token_log_probs, dtype=torch.int64)
    pictures = torch.arange(query.batch_size, device=log_probs.device).unsqueeze(1)
    steps: list[Candidates] = []
    for left in reversed(range(model.scheme.length)):
        extended = (scores.unsqueeze(-1) + log_probs).flatten(1)  # (B, W * V)
        scores, chosen = extended.topk(min(max(width, shown or 0), extended.shape[1]), dim=1)
        parents, token = chosen // log_probs.shape[-1], chosen % log_probs.shape[-1]
        token_log_prob = log_probs.flatten(1).gather(1, chosen)
        tokens = torch.cat([tokens[pictures, parents], token.unsqueeze(-1)], dim=-1)
        token_log_probs = torch.cat(
            [token_log_probs[pictures, parents], token_log_prob.unsqueeze(-1)], dim=-1
        )
        steps.append(Candidates(tokens=tokens, token_log_probs=token_log_probs, log_probs=scores))
        if left:
            scores, tokens, token_log_probs = scores[:, :width], tokens[:, :width], token_log_probs[:, :width]
            state = model.advance(state, parents[:, :width], token[:, :width])
            log_probs = model.next_log_probs(state)
    return steps
