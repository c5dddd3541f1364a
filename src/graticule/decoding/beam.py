"""Beam search: keep the most probable prefixes at every step."""

from __future__ import annotations

from graticule.decoding.candidates import Candidates, ChildMask, inside
from graticule.errors import ConfigError
from graticule.tokens.contract import CellModel, StateT
from graticule.tokens.query import Query

__all__ = ["beam", "frontiers"]


def beam(model: CellModel[StateT], query: Query, *, width: int, mask: ChildMask | None = None) -> Candidates:
    """Keep the `width` most probable prefixes at every step (GeoToken, sec. III-C).

    There are only as many prefixes as there are cells: the beam starts with the faces and fills as it
    descends. With a width of all the leaves or more, the result is every cell of the Earth, ranked exactly.

    Args:
        model: Any cell model, in eval mode if it has one.
        query: B pictures.
        width: The most prefixes to keep, 1 or more.
        mask: Where to stay; all of the Earth if not said.

    Returns:
        `min(width, leaves)` candidates a picture, best first. Where the mask leaves fewer, the surplus
        entries come last, with a log-probability of -inf.

    Raises:
        ConfigError: `width` is not positive.
    """
    return frontiers(model, query, width=width, mask=mask)[-1]


def frontiers(
    model: CellModel[StateT],
    query: Query,
    *,
    width: int,
    shown: int | None = None,
    mask: ChildMask | None = None,
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
        mask: Where to stay; all of the Earth if not said. Log-probabilities remain the model's own, so that
            those of one frontier sum to the probability of what the mask leaves, if the beam holds it all.

    Returns:
        T candidates; those of step t are prefixes of t + 1 tokens.

    Raises:
        ConfigError: `width` is not positive.
    """
    if width < 1:
        raise ConfigError(f"beam width is {width}: it must be 1 or more.")
    state = model.begin(query)
    log_probs = model.next_log_probs(state)  # (B, W, V)
    kept = Candidates.empty_prefix(log_probs)
    steps: list[Candidates] = []
    for left in reversed(range(model.scheme.length)):
        log_probs = inside(log_probs, kept.tokens, mask=mask)
        totals = (kept.log_probs.unsqueeze(-1) + log_probs).flatten(1)  # (B, W * V)
        chosen = totals.topk(min(max(width, shown or 0), totals.shape[1]), dim=1).indices
        steps.append(kept.extended(log_probs, chosen))
        if left:
            kept = steps[-1].best(width)
            parents = chosen[:, :width] // log_probs.shape[-1]
            state = model.advance(state, parents, kept.tokens[..., -1])
            log_probs = model.next_log_probs(state)
    return steps
