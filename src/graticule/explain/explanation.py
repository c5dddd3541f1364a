"""All that a map shows of an answer, with names of places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from graticule.earth import s2
from graticule.earth.credible import CredibleRegion
from graticule.earth.distance import haversine_km
from graticule.earth.outline import cell_from_token
from graticule.earth.places import Place, Places
from graticule.explain.parts import Part, name_cell, parts_of
from graticule.explain.sentences import said_of
from graticule.prediction import MASS, Candidate, Neighbour, Prediction

__all__ = ["Explanation", "explain"]

_MASSES: Final = (0.5, MASS)
"""Shares of the probability whose smallest regions are told."""
_MOST_NEIGHBOURS: Final = 15
_LARGE: Final = 7
"""The level of cells some 70 km wide: coarser ones are called after all that they hold."""


@dataclass(frozen=True, eq=False)
class Explanation:
    """A prediction with names of places, and its probability as cells and regions.

    Attributes:
        prediction: what is explained; it has a density.
        words: it in a sentence or two.
        place: what lies at the estimate; None if the answer is not sure, and so has none.
        candidates: the candidates, and what lies there.
        way: the cells that hold the estimate, coarse to fine, and what they are called.
        neighbours: what retrieval found, 15 at most, and what lies there.
        regions: the smallest regions of 50 and 90 % of the probability, and their parts.
        max_cells: cells that `to_dict` tells at most.
    """

    prediction: Prediction
    words: str
    place: Place | None
    candidates: tuple[tuple[Candidate, Place], ...]
    way: tuple[tuple[Candidate, str], ...]
    neighbours: tuple[tuple[Neighbour, Place], ...]
    regions: tuple[tuple[CredibleRegion, tuple[Part, ...]], ...]
    max_cells: int

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values: what `POST /v1/locate` adds to an answer for a map (docs/places.md)."""
        return {
            "place": None if self.place is None else self.place.to_dict(),
            "words": self.words,
            "candidates": [_point(one) | _cell(one, place.to_dict()) for one, place in self.candidates],
            "circles_km": self._circles(),
            **self._cells(),
            "regions": [_region(region, parts) for region, parts in self.regions],
            "coarse_to_fine": [
                {"level": _level(one)} | _cell(one, name) | _point(one) for one, name in self.way
            ],
            "neighbours": [self._neighbour(one, place) for one, place in self.neighbours],
        }

    def _circles(self) -> dict[str, float]:
        circles = self.prediction.circles_km
        return {f"{100 * mass:.0f}": circles[round(100 * mass) - 1] for mass in _MASSES if circles}

    def _cells(self) -> dict[str, Any]:
        """The densest cells that may hold the truth, and the probability of all others."""
        density = self.prediction.density
        assert density is not None  # `explain` has seen to it
        shown = np.flatnonzero(density.mass[0] > 0)[: self.max_cells]
        shares = density.mass[0][shown] / density.total[0]
        return {
            "cells": {
                "tokens": [s2.hex_token(cell) for cell in density.cells[0][shown].tolist()],
                "probabilities": shares.tolist(),
            },
            "cells_left": max(0.0, 1 - float(shares.sum())),
        }

    def _neighbour(self, neighbour: Neighbour, place: Place) -> dict[str, Any]:
        here = self.prediction.latitude, self.prediction.longitude
        return {
            "latitude": neighbour.latitude,
            "longitude": neighbour.longitude,
            "similarity": neighbour.similarity,
            "km": float(haversine_km(*here, neighbour.latitude, neighbour.longitude)),
            "place": str(place),
            "thumbnail": None,
        }


def explain(prediction: Prediction, places: Places, *, max_cells: int = 4096) -> Explanation:
    """Name the places of a prediction, and the regions that its probability makes.

    Args:
        prediction: as a model gave it.
        places: names, in the language asked for.
        max_cells: the densest cells that are told; the rest of the probability is one number.

    Raises:
        InputError: The prediction was read from a file, and has no density.
    """
    regions = tuple(prediction.credible_region(mass) for mass in _MASSES)
    parts = tuple(parts_of(region, places) for region in regions)
    way, near = prediction.coarse_to_fine(), prediction.neighbours[:_MOST_NEIGHBOURS]
    points: list[Prediction | Candidate | Neighbour] = [prediction, *prediction.candidates, *way, *near]
    found = iter(places.at([point.latitude for point in points], [point.longitude for point in points]))
    place = next(found)
    return Explanation(
        prediction,
        said_of(prediction, parts[-1], places),
        place if prediction.pinned else None,
        tuple((candidate, next(found)) for candidate in prediction.candidates),
        tuple((cell, _name(cell, next(found), places)) for cell in way),
        tuple((neighbour, next(found)) for neighbour in near),
        tuple(zip(regions, parts, strict=True)),
        max_cells,
    )


def _name(cell: Candidate, middle: Place, places: Places) -> str:
    """What a cell is called: a small one after what lies in its middle."""
    return name_cell(_id(cell), places) if _level(cell) <= _LARGE else str(middle)


def _point(candidate: Candidate) -> dict[str, Any]:
    return {
        "latitude": candidate.latitude,
        "longitude": candidate.longitude,
        "probability": candidate.probability,
    }


def _cell(candidate: Candidate, place: object) -> dict[str, Any]:
    return {"cell": candidate.cell, "place": place}


def _level(candidate: Candidate) -> int:
    return int(s2.level_of([_id(candidate)])[0])


def _id(candidate: Candidate) -> int:
    return int(cell_from_token(candidate.cell))


def _region(region: CredibleRegion, parts: Sequence[Part]) -> dict[str, Any]:
    return {
        "mass": region.mass,
        "area_km2": region.area_km2,
        "parts": [part.to_dict() for part in parts],
        "geometry": region.geometry(),
    }
