"""A region: a part of the Earth an answer may be confined to."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from s2geometry import S2CellId, S2Point_FromRaw, S2Polygon

from graticule.earth import s2
from graticule.earth.regions.cuts import Cuts
from graticule.earth.regions.shapes import vectors
from graticule.errors import CoordinateError, InputError

__all__ = ["Region"]

_EARTH_RADIUS_M = 6_371_000.0
_LEAST_M2 = 1.0


class Region:
    """One polygon on the sphere, of any number of parts and holes. Make one with `parse_region`.

    Everything a region says, of points and of cells, it says of this one polygon.
    """

    def __init__(self, name: str, polygon: S2Polygon) -> None:
        """Name a polygon.

        Args:
            name: What people call it.
            polygon: Valid, as the functions of `shapes` make them.

        Raises:
            InputError: It is smaller than a square metre.
        """
        area_m2 = polygon.GetArea() * _EARTH_RADIUS_M**2
        if not area_m2 >= _LEAST_M2:
            raise InputError(
                f"region {name!r} is empty: it has an area of {area_m2:.2g} m2, where 1 is the least"
            )
        self.name = name
        self.polygon = polygon

    @cached_property
    def cuts(self) -> Cuts:
        """How the region cuts S2 cells."""
        return Cuts(self.polygon)

    @cached_property
    def anchor(self) -> NDArray[np.float64]:
        """Some point of the region (2,): latitude and longitude in degrees.

        Raises:
            InputError: The region is nowhere wider than a centimetre.
        """
        faces = ((2 * face + 1) << 60 for face in range(6))
        point = self._point_in(max(faces, key=self.cuts.share))
        if point is None:
            raise InputError(f"region {self.name!r} is too thin: no point was found in it")
        return point

    def contains(self, lat_lon: ArrayLike) -> NDArray[np.bool_]:
        """Whether each point lies in the region. Of its boundary some points do and some do not.

        Args:
            lat_lon: Latitudes and longitudes in degrees (..., 2).

        Returns:
            Booleans (...).

        Raises:
            CoordinateError: A point does not exist.
        """
        places = _places(lat_lon)
        contains = self.polygon.Contains
        points = vectors(*places.reshape(-1, 2).T).tolist()
        inside = [contains(S2Point_FromRaw(x, y, z)) for x, y, z in points]
        return np.array(inside, dtype=np.bool_).reshape(places.shape[:-1])

    def shares(self, ids: ArrayLike) -> NDArray[np.float64]:
        """How much of each cell's area lies in the region.

        Args:
            ids: S2 cell ids (...), of any levels.

        Returns:
            Shares (...), from 0 to 1.

        Raises:
            CoordinateError: An id is not a cell's.
        """
        cells, inverse = np.unique(_cells(ids), return_inverse=True)
        shares = np.array([self.cuts.share(cell) for cell in cells.tolist()], dtype=np.float64)
        return shares[inverse.reshape(np.shape(ids))]

    def points(self, ids: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """A point of the region in each cell: the cell's centre, if it is in the region.

        Otherwise the centre of a smaller cell, found where the region covers most of the cell.

        Args:
            ids: S2 cell ids (...), of any levels.

        Returns:
            Latitudes and longitudes in degrees (..., 2), and whether there is such a point (...). Where there is none
            the region's `anchor` stands in its place.

        Raises:
            CoordinateError: An id is not a cell's.
            InputError: There is no such point in some cell, and the region has no anchor either.
        """
        cells, inverse = np.unique(_cells(ids), return_inverse=True)
        points = np.stack(s2.centres(cells), axis=-1)
        found = np.array([self.cuts.part(cell) is True for cell in cells.tolist()], dtype=np.bool_)
        found[~found] = self.contains(points[~found])
        for row in np.flatnonzero(~found):
            point = self._point_in(int(cells[row]))
            found[row] = point is not None
            points[row] = self.anchor if point is None else point
        inverse = inverse.reshape(np.shape(ids))
        return points[inverse], found[inverse]

    def _point_in(self, cell: int) -> NDArray[np.float64] | None:
        """A point of the region in a cell, None where the region is not a centimetre wide."""
        if not self.cuts.reaches(cell):
            return None
        for smaller in self.cuts.descent(cell):
            centre = S2CellId(smaller).ToLatLng()
            point = np.array([centre.lat().degrees(), centre.lng().degrees()])
            if self.contains(point):
                return point
        return None


def _cells(ids: ArrayLike) -> NDArray[np.uint64]:
    cells = np.asarray(ids, dtype=np.uint64)
    wrong = ~s2.is_valid(cells)
    if wrong.any():
        index = int(np.flatnonzero(wrong)[0])
        raise CoordinateError(f"cell {cells.flat[index]:#018x} at index {index} is not the id of an S2 cell")
    return cells


def _places(lat_lon: ArrayLike) -> NDArray[np.float64]:
    places = np.asarray(lat_lon, dtype=np.float64)
    if places.ndim == 0 or places.shape[-1] != 2:
        raise CoordinateError(
            f"points of shape {places.shape}: the last axis must hold latitude and longitude"
        )
    wrong = ~(np.abs(places) <= (90, 180)).all(axis=-1)
    if wrong.any():
        index = int(np.flatnonzero(wrong)[0])
        lat, lon = places.reshape(-1, 2)[index]
        raise CoordinateError(f"point {lat}, {lon} at index {index} is no place on Earth")
    return places
