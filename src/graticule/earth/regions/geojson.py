"""The area of GeoJSON (RFC 7946), in a file or already read."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from s2geometry import S2Polygon

from graticule.earth.regions.shapes import enclosed, side_points, united
from graticule.errors import InputError

__all__ = ["MOST_POSITIONS", "geojson_polygon", "read_geojson"]

_MOST_BYTES = 50_000_000
MOST_POSITIONS = 200_000
_MOST_POINTS = 500_000
"""Of all outlines, with those between their positions (see `shapes`)."""


def read_geojson(path: Path) -> S2Polygon:
    """The union of all polygons in a file, as `geojson_polygon` has it.

    Raises:
        InputError: The file can't be read, is too large, is not GeoJSON, or its polygons are not valid; the message
            names the file and the place in it.
    """
    document = _document(path)
    try:
        return geojson_polygon(document)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def geojson_polygon(document: Any, *, most_positions: int = MOST_POSITIONS) -> S2Polygon:
    """The union of all polygons in a document.

    Rings may wind either way. Where longitude jumps by more than 180 degrees from one position to the next, or runs
    past 180, the ring crosses the antimeridian.

    Args:
        document: A Polygon, MultiPolygon or GeometryCollection of them, a Feature or a FeatureCollection, as JSON
            reads it.
        most_positions: Refuse what has more.

    Raises:
        InputError: It is not GeoJSON, too large, or its polygons are not valid; the message names the place in it.
    """
    try:
        found = list(_polygons(document, ""))
        _check_size(found, most_positions)
        checked = [(place, _rings(rings, place)) for place, rings in found]
        _check_length([ring for _, rings in checked for ring in rings])
        return united([_polygon(rings, place) for place, rings in checked])
    except RecursionError as error:
        raise InputError("its collections are nested too deeply") from error


def _check_size(found: list[tuple[str, Any]], most_positions: int) -> None:
    if not found:
        raise InputError("holds no polygons")
    lists = (
        ring for _, rings in found if isinstance(rings, list) for ring in rings if isinstance(ring, list)
    )
    positions = sum(map(len, lists))
    if positions > most_positions:
        raise InputError(f"has {positions:,} positions, more than {most_positions:,}: simplify it")


def _document(path: Path) -> Any:
    try:
        size = path.stat().st_size
        if size > _MOST_BYTES:
            raise InputError(
                f"{path}: is {size / 1e6:.0f} MB, more than {_MOST_BYTES // 10**6} MB: simplify it"
            )
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(f"{path}: can't be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: is not JSON: {error}") from error


def _polygons(shape: Any, place: str) -> Iterator[tuple[str, Any]]:
    """Each polygon's place in the document and its rings, still unchecked."""
    kind = shape.get("type") if isinstance(shape, dict) else None
    if kind == "Polygon":
        yield _at(place, "coordinates"), shape.get("coordinates")
    elif kind == "MultiPolygon":
        for name, rings in _items(shape, place, "coordinates"):
            yield name, rings
    elif kind == "Feature":
        yield from _polygons(shape.get("geometry"), _at(place, "geometry"))
    elif kind in ("FeatureCollection", "GeometryCollection"):
        key = "features" if kind == "FeatureCollection" else "geometries"
        for name, item in _items(shape, place, key):
            yield from _polygons(item, name)
    else:
        wanted = "a Polygon, MultiPolygon, Feature or FeatureCollection"
        raise InputError(f"{place or 'the document'}: type {kind!r} bounds no area: it must be {wanted}")


def _items(shape: dict[str, Any], place: str, key: str) -> Iterator[tuple[str, Any]]:
    items = shape.get(key)
    if not isinstance(items, list):
        raise InputError(f"{_at(place, key)}: is no list")
    return ((f"{_at(place, key)}[{index}]", item) for index, item in enumerate(items))


def _at(place: str, key: str) -> str:
    return f"{place}.{key}" if place else key


def _rings(rings: Any, place: str) -> list[NDArray[np.float64]]:
    if not isinstance(rings, list) or not rings:
        raise InputError(f"{place}: has no rings")
    return [_ring(ring, f"{place}[{index}]") for index, ring in enumerate(rings)]


def _check_length(rings: list[NDArray[np.float64]]) -> None:
    """A few positions far apart become many points: thousands would take minutes, and gigabytes."""
    points = sum(int(side_points(ring).sum()) for ring in rings)
    if points > _MOST_POINTS:
        raise InputError(
            f"has sides so long that {points:,} points would stand for them, more than {_MOST_POINTS:,}: simplify it"
        )


def _polygon(rings: list[NDArray[np.float64]], place: str) -> S2Polygon:
    try:
        polygon = enclosed(rings)
    except InputError as error:
        raise InputError(f"{place}: {error}") from error
    if polygon.is_empty():
        raise InputError(f"{place}: bounds no area")
    return polygon


def _ring(ring: Any, place: str) -> NDArray[np.float64]:
    """A ring (N, 2) of latitudes and longitudes, continuous where it crosses the antimeridian."""
    if not isinstance(ring, list) or len(ring) < 4:
        raise InputError(f"{place}: a ring is a list of four positions or more, the last equal to the first")
    positions = np.array([_position(item, f"{place}[{index}]") for index, item in enumerate(ring)])
    if (positions[0] != positions[-1]).any():
        raise InputError(f"{place}: the ring is not closed: its last position differs from its first")
    lat, lon = positions.T
    step = np.diff(lon)
    at_pole = (np.abs(lat[1:]) == 90) & (lat[1:] == lat[:-1])
    unclear = np.isin(np.abs(step), (180, 360, 540, 720)) & ~at_pole
    if unclear.any():
        index = int(np.argmax(unclear))
        raise InputError(
            f"{place}[{index}]: the next position is {abs(step[index]):g} degrees of longitude away, so which way it "
            "lies is unclear: put positions between them"
        )
    turned = step - 360 * np.round(step / 360)
    return np.stack([lat, np.concatenate([lon[:1], lon[0] + np.cumsum(turned)])], axis=-1)


def _position(item: Any, place: str) -> tuple[float, float]:
    """Latitude and longitude of a position, which has them the other way round."""
    if not isinstance(item, list) or len(item) < 2 or not all(map(_is_number, item[:2])):
        raise InputError(f"{place}: a position is [longitude, latitude] in degrees")
    lon, lat = item[:2]
    if not (abs(lat) <= 90 and abs(lon) <= 360):
        raise InputError(f"{place}: longitude {lon}, latitude {lat} is no place on Earth, or in no degrees")
    return float(lat), float(lon)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < math.inf
