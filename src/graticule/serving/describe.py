"""Results as the service tells them: as `graticule locate` writes them, with names of places and words beside."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from graticule.earth.places import Places
from graticule.explain import explain, words
from graticule.output import to_dict
from graticule.prediction import Prediction, Result

__all__ = ["MOST_CELLS", "described"]

MOST_CELLS = 4096
"""Cells of a density that are told."""


def described(result: Result, places: Places, *, whole: bool, thumbnails: str | None) -> dict[str, Any]:
    """A result as plain values.

    Args:
        result: of one picture.
        places: names, in the language asked for.
        whole: tell the density, regions, way and neighbours too, for a map.
        thumbnails: where pictures of the gallery are to be had, followed by their row; None if nowhere.
    """
    values = to_dict(result)
    if not isinstance(result, Prediction):
        return values
    if not whole:
        named = _named(result, places)
        _name_candidates(values, named[1:])
        return values | {"place": named[0], "words": words(result, places)}
    told = explain(result, places, max_cells=MOST_CELLS).to_dict()
    for neighbour, known in zip(told.get("neighbours", []), result.neighbours, strict=False):
        neighbour["thumbnail"] = None if thumbnails is None else f"{thumbnails}/{known.row}"
    return values | told


def _named(result: Prediction, places: Places) -> list[dict[str, Any]]:
    """The places of the estimate and of its candidates."""
    points = [result, *result.candidates]
    found = places.at([point.latitude for point in points], [point.longitude for point in points])
    return [place.to_dict() for place in found]


def _name_candidates(values: dict[str, Any], named: Iterable[dict[str, Any]]) -> None:
    for candidate, place in zip(values["candidates"], named, strict=True):
        candidate["place"] = place
