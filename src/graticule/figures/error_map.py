"""A map of how far off answers are, as SVG: a dot where each picture was taken, and the way of the worst misses."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from html import escape
from typing import Final

import numpy as np
from numpy.typing import NDArray

from graticule.earth.borders import land
from graticule.maps import WORLD, great_circle

__all__ = ["CLASSES_KM", "error_map"]

CLASSES_KM: Final = (25.0, 200.0, 750.0, 2500.0)
"""Where one colour ends and the next begins."""
_UNITS_A_DEGREE: Final = 4
_WIDTH: Final = 360 * _UNITS_A_DEGREE
_HEIGHT: Final = int((WORLD.north - WORLD.south) * _UNITS_A_DEGREE)
_MOST: Final = 20_000


def error_map(
    truth: NDArray[np.float64],
    distance_km: NDArray[np.float64],
    *,
    ways: Sequence[tuple[tuple[float, float], tuple[float, float]]] = (),
    label: str = "World map: a dot for each picture, coloured by how far off its answer is",
) -> str:
    """An SVG element; dots have the classes `e0` (near) to `e4` (far), land is `land`, ways are `way`.

    Of more than 20,000 pictures every second, third or so is drawn.

    Args:
        truth: (N, 2) degrees, where the pictures were taken.
        distance_km: (N,) how far off their answers are.
        ways: From where to where lines are drawn, in degrees.
        label: What the map shows, for those who can't see it.
    """
    step = -(-len(truth) // _MOST) or 1
    x, y = _place(truth[::step])
    group = np.searchsorted(CLASSES_KM, distance_km[::step], side="right")
    dots = "".join(
        f'<path class="dot e{number}" d="{"".join(f"M{a} {b}h0" for a, b in zip(x[some], y[some], strict=True))}"/>'
        for number in range(len(CLASSES_KM) + 1)
        if (some := group == number).any()
    )
    lines = "".join(f'<path class="way" d="{_way(*way)}"/>' for way in ways)
    return (
        f'<svg class="map" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(label)}">'
        f'<path class="land" d="{_land()}"/>{lines}{dots}</svg>'
    )


def _place(lat_lon: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Units right of the western and down from the northern edge."""
    x = np.rint((lat_lon[:, 1] - WORLD.west) * _UNITS_A_DEGREE).astype(np.int64)
    y = np.rint((WORLD.north - lat_lon[:, 0]) * _UNITS_A_DEGREE).astype(np.int64)
    return x, y


def _way(start: tuple[float, float], end: tuple[float, float]) -> str:
    """The shortest way, broken where it leaves the map on one side to come back on the other."""
    x, y = _place(great_circle(start, end))
    broken = np.r_[True, np.abs(np.diff(x)) > _WIDTH / 2]
    return "".join(f"{'M' if new else 'L'}{a} {b}" for new, a, b in zip(broken, x, y, strict=True))


@lru_cache(maxsize=1)
def _land() -> str:
    """All land to a quarter of a degree, in steps: a tenth of what the outlines themselves take."""
    # What runs past the antimeridian is drawn again on the other side.
    rings = [
        ring + np.array([0.0, turn])
        for polygon in land()
        for ring in polygon
        for turn in (-360.0, 0.0, 360.0)
    ]
    return "".join(
        _ring(ring) for ring in rings if ring[:, 1].max() > WORLD.west and ring[:, 1].min() < WORLD.east
    )


def _ring(ring: NDArray[np.float64]) -> str:
    points = np.stack(_place(ring), axis=1)
    points = points[np.r_[True, (np.diff(points, axis=0) != 0).any(axis=1)]]
    if len(points) < 4:
        return ""
    steps = " ".join(f"{dx} {dy}" for dx, dy in np.diff(points, axis=0)[:-1])
    return f"M{points[0, 0]} {points[0, 1]}l{steps}z"
