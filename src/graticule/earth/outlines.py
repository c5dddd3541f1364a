"""Which of many outlines a point lies in, and which is nearest."""

from __future__ import annotations

from functools import cached_property
from typing import Final

import numpy as np
import shapely
from numpy.typing import NDArray

from graticule.earth.distance import EARTH_RADIUS_KM

__all__ = ["Outlines"]

_KM_A_DEGREE: Final = np.pi * EARTH_RADIUS_KM / 180
_NORTHMOST: Final = 89.0
"""No land is farther north, and Mercator's map ends nowhere."""
_TURNS: Final = (-360.0, 0.0, 360.0)
"""An outline across the antimeridian runs past 180 or -180: points are looked up from its other side too."""


class Outlines:
    """Polygons drawn straight in longitude and latitude, and whose they are."""

    def __init__(self, polygons: NDArray[np.object_], owners: NDArray[np.int64]) -> None:
        """Take polygons of shapely in degrees, longitude first (P,), and a number for the owner of each (P,)."""
        self._polygons, self._owners = polygons, owners
        self._areas = shapely.area(polygons)
        shapely.prepare(polygons)
        self._tree = shapely.STRtree(polygons)

    def at(self, lat: NDArray[np.float64], lon: NDArray[np.float64]) -> NDArray[np.int64]:
        """Whose each point is (N,): the owner of the smallest polygon that holds it, -1 if none does.

        A border belongs to both sides: a point right on it is the smaller one's.

        Args:
            lat: (N,) degrees.
            lon: (N,) degrees.
        """
        pairs = []
        for turn in _TURNS:
            point, polygon = self._tree.query(shapely.points(lon + turn, lat))
            inside = shapely.intersects_xy(self._polygons[polygon], lon[point] + turn, lat[point])
            pairs.append((point[inside], polygon[inside]))
        points, polygons = map(np.concatenate, zip(*pairs, strict=True))
        return self._least(len(lat), points, polygons, self._areas[polygons])[0]

    def nearest(
        self, lat: NDArray[np.float64], lon: NDArray[np.float64], *, within_km: float
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Whose polygon is nearest to each point (N,), and how far it is in km (N,): -1 and inf beyond `within_km`.

        Mercator's map has the shape of the ground in the small: what is nearest there is so on Earth, and 20 km are
        right to 2 % at 80 degrees north.

        Args:
            lat: (N,) degrees.
            lon: (N,) degrees.
            within_km: a few tens.
        """
        polygons, tree = self._mercator
        scale = _KM_A_DEGREE * np.cos(np.radians(np.clip(lat, -_NORTHMOST, _NORTHMOST)))
        reach, y = within_km / scale, _mercator(lat)
        pairs = []
        for turn in _TURNS:
            x = lon + turn
            point, polygon = tree.query(shapely.box(x - reach, y - reach, x + reach, y + reach))
            place = shapely.points(x[point], y[point])
            near = shapely.dwithin(polygons[polygon], place, reach[point])
            point, polygon = point[near], polygon[near]
            pairs.append((point, polygon, shapely.distance(polygons[polygon], place[near]) * scale[point]))
        return self._least(len(lat), *map(np.concatenate, zip(*pairs, strict=True)))

    def _least(
        self, count: int, points: NDArray[np.int64], polygons: NDArray[np.int64], worth: NDArray[np.float64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Of pairs (M,), the owner of the polygon worth least to each point (count,), and its worth (count,)."""
        found, least = np.full(count, -1), np.full(count, np.inf)
        order = np.argsort(-worth, kind="stable")  # of several, what is written last stays
        found[points[order]] = self._owners[polygons[order]]
        least[points[order]] = worth[order]
        return found, least

    @cached_property
    def _mercator(self) -> tuple[NDArray[np.object_], shapely.STRtree]:
        """The polygons on Mercator's map in degrees, and their tree."""

        def moved(points: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.stack([points[:, 0], _mercator(points[:, 1])], axis=1)

        polygons = shapely.transform(self._polygons, moved)
        shapely.prepare(polygons)
        return polygons, shapely.STRtree(polygons)


def _mercator(lat: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far north on Mercator's map, in degrees of the equator."""
    north = np.radians(np.clip(lat, -_NORTHMOST, _NORTHMOST))
    return np.asarray(np.degrees(np.arcsinh(np.tan(north))))
