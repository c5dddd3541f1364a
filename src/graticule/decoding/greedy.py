"""Greedy decoding: the most probable token at every step."""

from __future__ import annotations

from graticule.decoding.beam import beam
from graticule.decoding.candidates import Candidates, ChildMask
from graticule.tokens.contract import CellModel, StateT
from graticule.tokens.query import Query

__all__ = ["greedy"]


def greedy(model: CellModel[StateT], query: Query, *, mask: ChildMask | None = None) -> Candidates:
    """Follow the most probable token at every step (GeoToken, sec. III-C): a beam of one.

    The answer need not be the most probable cell: a less likely face may hold a more likely place.

    Args:
        model: Any cell model, in eval mode if it has one.
        query: B pictures.
        mask: Where to stay; all of the Earth if not said.

    Returns:
        One candidate a picture, W = 1. Its log-probability is -inf if the model gives nothing to the cells
        that the mask leaves on its way.
    """
    return beam(model, query, width=1, mask=mask)
