"""Which part of a country points lie in: the north, the south-east, the middle."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
import shapely
from numpy.typing import NDArray

from graticule.earth.distance import EARTH_RADIUS_KM, unit_vectors
from graticule.earth.outlines import Outlines
from graticule.earth.places import data

__all__ = ["compass"]

_POINTS: Final = 1500
"""Of the grid over a country, more or less."""
_LEAST_KM2: Final = 50_000
"""The area of a country that has parts."""
_APART_KM: Final = 500.0
"""Lands so far apart are bodies of their own: Alaska is not the north-west of the other states."""
_LONG: Final = 3
_KM_A_DEGREE: Final = np.pi * EARTH_RADIUS_KM / 180
_SPARE: Final = 0.1
"""Share of the weight on either side that may lie elsewhere."""


def compass(
    country: str, lat: NDArray[np.float64], lon: NDArray[np.float64], weights: NDArray[np.float64]
) -> str | None:
    """The part of a country that nearly all of some weighted points lie in: `northern`, `south-eastern`, `central`.

    Half of the country's area is northern, half of it eastern, and so on; central is what is far from all its sides. A
    country three times as long as wide has no parts across. Of lands far apart, only that of the
    points counts.

    Args:
        country: ISO 3166-1 alpha-2.
        lat: (N,) degrees.
        lon: (N,) degrees.
        weights: (N,), not negative, not all zero.

    Returns:
        None if they lie all over the country, or if it is too small to have parts.
    """
    ground_lat, ground_lon, body = _ground(country)
    if not len(ground_lat):
        return None
    nearest = (unit_vectors(ground_lat, ground_lon) @ (weights @ unit_vectors(lat, lon))).argmax()
    ground_lat, ground_lon = ground_lat[body == body[nearest]], ground_lon[body == body[nearest]]
    area = np.cos(np.radians(ground_lat))
    middle = np.angle(area @ np.exp(1j * np.radians(ground_lon)), deg=True)
    east, ground_east = (_turned(degrees - middle) for degrees in (lon, ground_lon))
    width = np.ptp(np.quantile(ground_east, [0.05, 0.95])) * np.cos(np.radians(ground_lat.mean()))
    height = np.ptp(np.quantile(ground_lat, [0.05, 0.95]))
    up = _extent(ground_lat, area, lat, weights) if _LONG * height > width else None
    right = _extent(ground_east, area, east, weights) if _LONG * width > height else None
    words = [_side(up, "south", "north"), _side(right, "west", "east")]
    said = "-".join(word for word in words if word)
    if said:
        return f"{said}ern"
    return "central" if all(0.25 < side < 0.75 for extent in (up, right) for side in extent or ()) else None


def _side(extent: tuple[float, float] | None, low: str, high: str) -> str:
    if extent is None or extent[0] < 0.5 < extent[1]:
        return ""
    # Close to the middle is neither.
    first, last = extent
    return high if first >= 0.5 and last > 0.7 else low if last <= 0.5 and first < 0.3 else ""


def _extent(
    ground: NDArray[np.float64],
    area: NDArray[np.float64],
    at: NDArray[np.float64],
    weights: NDArray[np.float64],
) -> tuple[float, float]:
    """From where to where points reach along an axis, nearly all: shares of the country's area (2,)."""
    order, rank = np.argsort(at), np.argsort(ground)
    held = weights[order].cumsum() / weights.sum()
    ends = at[order][np.minimum(np.searchsorted(held, [_SPARE, 1 - _SPARE]), len(at) - 1)]
    first, last = np.interp(ends, ground[rank], area[rank].cumsum() / area.sum())
    return float(first), float(last)


def _turned(degrees: NDArray[np.float64]) -> NDArray[np.float64]:
    return (degrees + 180) % 360 - 180


@lru_cache(maxsize=256)
def _ground(country: str) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """A grid over a country: latitudes, longitudes and bodies (G,); nothing if it is too small to have parts."""
    polygons, divisions = data.polygons()
    owned = np.array([owner == country for owner in data.names("owners")])
    mine = polygons[owned[divisions]]
    west, south, east, north = shapely.total_bounds(mine)
    step = np.sqrt(shapely.area(mine).sum() / _POINTS)
    lat, lon = (
        axis.ravel() for axis in np.meshgrid(np.arange(south, north, step), np.arange(west, east, step))
    )
    inside = Outlines(mine, np.zeros(len(mine), dtype=np.int64)).at(lat, lon) >= 0
    lat, lon = lat[inside], lon[inside]
    if np.cos(np.radians(lat)).sum() * (step * _KM_A_DEGREE) ** 2 < _LEAST_KM2:
        lat, lon = lat[:0], lon[:0]
    return lat, lon, _bodies(unit_vectors(lat, lon))


def _bodies(points: NDArray[np.float64]) -> NDArray[np.int64]:
    """Number the bodies that points (G, 3) make: those apart by less than `_APART_KM` are of one."""
    beside = points @ points.T > np.cos(_APART_KM / EARTH_RADIUS_KM)
    body = np.full(len(points), -1)
    while (body < 0).any():
        reached = np.zeros(len(points), dtype=np.bool_)
        edge = np.flatnonzero(body < 0)[:1]
        while len(edge):
            reached[edge] = True
            edge = np.flatnonzero(beside[edge].any(axis=0) & ~reached)
        body[reached] = body.max() + 1
    return body
