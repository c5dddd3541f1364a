"""Results as the service tells them: as `graticule locate` writes them, with names of places and words beside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

from graticule.earth.places import Places
from graticule.explain import explain, words
from graticule.output import to_dict
from graticule.prediction import Candidate, Prediction, Result

__all__ = ["MOST_CELLS", "Detail", "described"]

Detail: TypeAlias = Literal["estimate", "answer", "map"]
"""How much is told: what the library says, names and words beside it, or all that a map shows."""
MOST_CELLS = 4096
"""Cells of a density that are told."""


def described(
    results: Sequence[Result], detail: Detail, *, language: str, thumbnails: str | None
) -> list[dict[str, Any]]:
    """Results as plain values.

    Args:
        results: of one request.
        detail: how much of them.
        language: of names of places.
        thumbnails: where pictures of the gallery are to be had, followed by their row; None if nowhere.

    Raises:
        InputError: there are no names in that language.
    """
    told = [to_dict(result) for result in results]
    if detail == "estimate":
        return told
    places = Places.load(language)
    if detail == "answer":
        _name(results, told, places)
        return told
    for result, values in zip(results, told, strict=True):
        if isinstance(result, Prediction):
            values |= explain(result, places, max_cells=MOST_CELLS).to_dict()
            for neighbour, known in zip(values["neighbours"], result.neighbours, strict=False):
                neighbour["thumbnail"] = None if thumbnails is None else f"{thumbnails}/{known.row}"
    return told


def _name(results: Sequence[Result], told: Sequence[dict[str, Any]], places: Places) -> None:
    """Put words, and the places of estimates and candidates, to what is told; all places are looked up at once."""
    answered = [
        (result, values)
        for result, values in zip(results, told, strict=True)
        if isinstance(result, Prediction)
    ]
    points: list[Prediction | Candidate] = []
    for result, _ in answered:
        points += (result, *result.candidates)
    found = iter(places.at([point.latitude for point in points], [point.longitude for point in points]))
    for result, values in answered:
        place = next(found).to_dict()
        for candidate in values["candidates"]:
            candidate["place"] = next(found).to_dict()
        # Nobody shall take the centre of a circle for an estimate.
        values["place"] = place if result.pinned else None
        values["words"] = words(result, places)
