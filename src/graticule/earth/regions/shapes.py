"""Polygons on the sphere, from rings of places.

A side between two places is meant as a straight line of longitude against latitude, as in GeoJSON and in Natural
Earth, where S2 has great circles. So sides get a point at every tenth of a degree of longitude, which keeps them
within 1.3 m of what is meant.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray
from s2geometry import S2Loop, S2Point_FromRaw, S2Polygon

from graticule.earth.distance import destination, unit_vectors
from graticule.errors import InputError

__all__ = ["box", "circle", "enclosed", "side_points", "united", "vectors"]

_STEP_LON, _STEP_LAT = 0.1, 10.0
_CIRCLE_CORNERS = 1024
_SNAP = 1e-15
_PLANES = np.array([[1, 1, 0], [1, -1, 0], [1, 0, 1], [1, 0, -1], [0, 1, 1], [0, 1, -1]])


def enclosed(rings: Iterable[NDArray[np.float64]]) -> S2Polygon:
    """What an odd number of rings encloses. A ring's direction says nothing: it encloses its smaller side.

    Args:
        rings: Closed rings (N, 2) of latitudes and longitudes in degrees; longitudes run on past 180.

    Raises:
        InputError: The rings cross themselves or one another, or have a side in common.
    """
    loops = [_loop(corners) for ring in rings for corners in _simple(_on_sphere(ring))]
    for loop in loops:
        # Nothing else may be asked of a loop that is not valid.
        _check(loop.IsValid())
        loop.Normalize()
    return _nested(loops)


def box(south: float, west: float, north: float, east: float) -> S2Polygon:
    """All between two parallels and two meridians, in degrees; east may be up to 360 more than west."""
    corners = [(south, west), (south, east), (north, east), (north, west), (south, west)]
    if east - west < 360:
        rings = [corners]
    elif (south, north) == (-90, 90):
        return S2Polygon(_loop(np.array([[0.0, 0.0, -1.0]])))  # S2's way to say: everything
    elif north == 90:
        rings = [corners[:2]]
    else:
        # All south of the northern parallel, less all south of the southern one.
        rings = [corners[2:4], corners[1::-1]][: 1 if south == -90 else 2]
    return _nested([_loop(_on_sphere(np.array(ring))) for ring in rings])


def circle(lat: float, lon: float, *, radius_km: float) -> S2Polygon:
    """All within a distance of a place, as a polygon whose 1,024 corners lie on the circle.

    No point of it is farther than the radius, which may not exceed a quarter of the Earth's circumference; between
    the corners it falls short of it by at most 5 millionths.
    """
    bearings = np.linspace(360, 0, _CIRCLE_CORNERS, endpoint=False)
    corners = vectors(*destination(lat, lon, bearing_deg=bearings, distance_km=radius_km))
    return _nested([_loop(corners)])


def united(polygons: list[S2Polygon]) -> S2Polygon:
    """The union of one polygon or more."""
    while len(polygons) > 1:
        pairs = zip(polygons[::2], polygons[1::2], strict=False)
        polygons = [_union(*pair) for pair in pairs] + (polygons[-1:] if len(polygons) % 2 else [])
    return polygons[0]


def vectors(lat: ArrayLike, lon: ArrayLike) -> NDArray[np.float64]:
    """Unit vectors (N, 3) of places in degrees, exactly on an edge of the cube's faces where they are meant to be.

    By rounding, the meridian of 45 degrees or the pole would lie a few nanometres beside the lines between cells.
    """
    lat, lon = np.broadcast_arrays(lat, lon)
    # One place, one vector: the pole has any longitude, and 180 is -180.
    lon = np.where(np.abs(lat) >= 90, 0.0, (lon + 180) % 360 - 180)
    points = unit_vectors(lat, lon)
    points[np.abs(points) < _SNAP] = 0
    for plane in _PLANES:
        off = points @ plane
        near = (np.abs(off) < _SNAP) & (off != 0)
        if near.any():
            first, second = np.flatnonzero(plane)
            size = (np.abs(points[near, first]) + np.abs(points[near, second])) / 2
            points[near, first] = np.copysign(size, points[near, first])
            points[near, second] = np.copysign(size, points[near, second])
    return points


def _on_sphere(ring: NDArray[np.float64]) -> NDArray[np.float64]:
    """The corners of a ring as vectors (N, 3), no two alike in a row."""
    dense = _dense(ring)
    corners = vectors(dense[:, 0], dense[:, 1])
    moved: NDArray[np.bool_] = (corners != np.roll(corners, -1, axis=0)).any(axis=1)
    return np.asarray(corners[moved])


def _simple(corners: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
    """A ring parted where it touches itself, without what is gone along and back, as maps go to the pole."""
    path: list[tuple[float, ...]] = []
    place: dict[tuple[float, ...], int] = {}
    for corner in [*map(tuple, corners.tolist()), None]:
        start = 0 if corner is None else place.get(corner, len(path))
        closed = path[start:]
        if len(closed) > 2:
            yield np.array(closed)
        for passed in closed:
            del place[passed]
        del path[start:]
        if corner is not None:
            place[corner] = len(path)
            path.append(corner)


def _loop(corners: NDArray[np.float64]) -> S2Loop:
    """All to the left of the way along some corners (N, 3)."""
    return S2Loop([S2Point_FromRaw(*corner) for corner in corners.tolist()])


def _nested(loops: list[S2Loop]) -> S2Polygon:
    """What an odd number of loops holds."""
    polygon = S2Polygon()
    polygon.InitNested(loops)
    _check(polygon.IsValid())
    return polygon


def _check(valid: bool) -> None:
    if not valid:
        raise InputError(
            "its outline crosses itself: mend it (for example by a buffer of zero) and try again"
        )


def _union(first: S2Polygon, second: S2Polygon) -> S2Polygon:
    union = S2Polygon()
    union.InitToUnion(first, second)
    return union


def side_points(ring: NDArray[np.float64]) -> NDArray[np.int64]:
    """How many points each side (N - 1,) of a ring (N, 2) becomes: its first corner, and those on the way."""
    steps = np.diff(ring, axis=0)
    needed = np.ceil(np.max(np.abs(steps) / (_STEP_LAT, _STEP_LON), axis=1))
    counts: NDArray[np.int64] = np.maximum(needed, 1).astype(np.int64)
    return counts


def _dense(ring: NDArray[np.float64]) -> NDArray[np.float64]:
    """A ring (N, 2) with points between its corners, the last corner left out."""
    counts = side_points(ring)
    side = np.repeat(np.arange(len(counts)), counts)
    within = np.arange(len(side)) - np.repeat(np.cumsum(counts) - counts, counts)
    # The same points whichever way a side is gone, so that what is gone along and back is seen to be so.
    after, before = within[:, None], (counts[side] - within)[:, None]
    dense: NDArray[np.float64] = (ring[side] * before + ring[side + 1] * after) / (before + after)
    return dense
