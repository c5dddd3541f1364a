"""Where a model is good and where it is lost: figures by country and continent, and its worst misses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graticule.evaluation.countries import country_of_label, nearest_countries
from graticule.evaluation.places import Labels

__all__ = ["Answers", "Miss", "group_rows", "true_countries", "worst_misses"]

NOWHERE = "sea, or not known"


@dataclass(frozen=True)
class Answers:
    """What the best decoding said of each picture that could be read.

    Attributes:
        rows: (R,), which of the pictures, growing.
        truth: (R, 2) degrees.
        points: (R, 2) degrees, its answers.
        km: (R,), how far off they are.
    """

    rows: NDArray[np.int64]
    truth: NDArray[np.float64]
    points: NDArray[np.float64]
    km: NDArray[np.float64]


@dataclass(frozen=True)
class Miss:
    """An answer that is far off."""

    row: int
    """Which of the pictures."""
    id: str
    km: float
    """How far off."""
    truth: tuple[float, float]
    """Latitude and longitude in degrees."""
    answer: tuple[float, float]
    """Latitude and longitude in degrees."""
    true_country: str | None
    answered_country: str | None


def true_countries(lat_lon: NDArray[np.float64], labels: Labels) -> NDArray[np.object_]:
    """The country of each picture: what its label means, else where the outlines place it (N,)."""
    found = nearest_countries(lat_lon)
    if "country" in labels:
        said = labels["country"].tolist()
        meaning = {label: country_of_label(label) for label in set(said) if label is not None}
        found = np.array(
            [meaning.get(label) or drawn for label, drawn in zip(said, found, strict=True)], object
        )
    return found


def group_rows(groups: NDArray[np.object_]) -> dict[str, NDArray[np.int64]]:
    """The pictures of each group, that with the most first.

    Args:
        groups: (N,) the group of each picture, or None.
    """
    names, group, counts = np.unique(
        np.array([NOWHERE if name is None else name for name in groups.tolist()], dtype=np.str_),
        return_inverse=True,
        return_counts=True,
    )
    return {str(names[place]): np.flatnonzero(group == place) for place in np.argsort(-counts, kind="stable")}


def worst_misses(
    answers: Answers, ids: Sequence[str], countries: NDArray[np.object_], *, count: int = 24
) -> list[Miss]:
    """The answers that are farthest off, the worst first.

    Args:
        answers: of R pictures.
        ids: names of all pictures.
        countries: (R,) of the truths.
        count: how many at most.
    """
    worst = np.argsort(-answers.km, kind="stable")[:count]
    answered = nearest_countries(answers.points[worst])
    return [
        Miss(
            row=int(answers.rows[place]),
            id=ids[answers.rows[place]],
            km=float(answers.km[place]),
            truth=(float(answers.truth[place, 0]), float(answers.truth[place, 1])),
            answer=(float(answers.points[place, 0]), float(answers.points[place, 1])),
            true_country=countries[place],
            answered_country=country,
        )
        for place, country in zip(worst, answered, strict=True)
    ]
