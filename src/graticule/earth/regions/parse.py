"""Regions in the user's words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from s2geometry import S2Polygon

from graticule.earth import borders
from graticule.earth.regions.geojson import MOST_POSITIONS, geojson_polygon, read_geojson
from graticule.earth.regions.names import country_name
from graticule.earth.regions.region import Region
from graticule.earth.regions.shapes import box, circle, enclosed, united
from graticule.errors import InputError

__all__ = ["parse_region", "region_in_words", "region_of_geojson", "united_region"]

# Each digit can be read in one way only: two would make a long text that is no box take hours.
_NUMBER = r"\s*([+-]?(?:\d+(?:\.\d*)?|\.\d+))\s*"
_BOX = re.compile(",".join([_NUMBER] * 4))
_CIRCLE = re.compile(rf"{_NUMBER}km\s+around{_NUMBER},{_NUMBER}", re.IGNORECASE)
_LARGEST_KM = 10_000
_LONGEST = 150
"""Letters of a region in words: what is longer is compared with no country's name, and not repeated."""


def parse_region(text: str | Sequence[str]) -> Region:
    """The region that is meant, or the union of several.

    - a country: `France`, by any name that docs/regions.md tells of
    - a box: `south,west,north,east` in degrees: `41.3,-5.2,51.1,9.6`. With west greater than east it
      crosses the antimeridian: `-20,177,-12,-178`
    - a circle: `50 km around 48.86,2.35`, latitude first
    - a GeoJSON file: a path that ends in `.geojson` or `.json`

    Args:
        text: One such text, or several to unite.

    Raises:
        InputError: It can't be understood, is empty, or names what does not exist.

    Example:
        >>> region = parse_region(["France", "50 km around 46.2,6.14"])
        >>> region.name
        'France + 50 km around 46.2,6.14'
        >>> region.contains([[48.86, 2.35], [46.2, 6.15], [40.4, -3.7]])
        array([ True,  True, False])
    """
    texts = [text] if isinstance(text, str) else list(text)
    return united_region([_parsed(one.strip()) for one in texts])


def region_in_words(text: str) -> Region:
    """The country, box or circle that is meant, as `parse_region` reads them; no file is ever opened.

    Raises:
        InputError: It can't be understood, is empty, or names what does not exist.
    """
    if len(text) > _LONGEST:
        raise InputError(
            f"region '{text[:40]}...' can't be understood: {len(text):,} letters, the limit is {_LONGEST}. Say what "
            "has many corners as GeoJSON"
        )
    if match := _BOX.fullmatch(text):
        return Region(text, _box(text, *map(float, match.groups())))
    if match := _CIRCLE.fullmatch(text):
        return Region(text, _circle(text, *map(float, match.groups())))
    if re.search(r"\d", text):
        raise InputError(
            f"region {text!r} can't be understood: a box is 'south,west,north,east', a circle "
            "'50 km around 48.86,2.35', a file's name ends in .geojson or .json"
        )
    name = country_name(text)
    return Region(name, _country(name))


def region_of_geojson(document: Any, *, name: str, most_positions: int = MOST_POSITIONS) -> Region:
    """The area of a GeoJSON document.

    Args:
        document: As for `geojson_polygon`.
        name: What people call the region.
        most_positions: Refuse what has more.

    Raises:
        InputError: It is not GeoJSON, too large, or its polygons are not valid; the message names the place in it.
    """
    return Region(name, geojson_polygon(document, most_positions=most_positions))


def united_region(regions: Sequence[Region]) -> Region:
    """The union of one region or more.

    Raises:
        InputError: There is none.
    """
    if not regions:
        raise InputError("no region is given: name a country, box, circle or GeoJSON file")
    if len(regions) == 1:
        return regions[0]
    name = " + ".join(dict.fromkeys(region.name for region in regions))
    return Region(name, united([region.polygon for region in regions]))


def _parsed(text: str) -> Region:
    if text.lower().endswith((".geojson", ".json")):
        return Region(Path(text).name, read_geojson(Path(text)))
    return region_in_words(text)


def _country(name: str) -> S2Polygon:
    polygons = borders.countries()[name]
    try:
        return enclosed(ring for polygon in polygons for ring in polygon)
    except InputError:
        # Fiji's parts share sides on the antimeridian, where the file cuts them.
        return united([enclosed(polygon) for polygon in polygons])


def _box(text: str, south: float, west: float, north: float, east: float) -> S2Polygon:
    _check(text, south, west)
    _check(text, north, east)
    if south >= north:
        raise InputError(
            f"region {text!r}: south {south:g} is not below north {north:g}; a box is 'south,west,north,east'"
        )
    if west == east:
        raise InputError(f"region {text!r}: west and east are both {west:g}, so it has no width")
    return box(south, west, north, east if east > west else east + 360)


def _circle(text: str, radius_km: float, lat: float, lon: float) -> S2Polygon:
    _check(text, lat, lon)
    if not 0 < radius_km <= _LARGEST_KM:
        raise InputError(f"region {text!r}: the radius {radius_km:g} km must be in (0, {_LARGEST_KM:,}]")
    return circle(lat, lon, radius_km=radius_km)


def _check(text: str, lat: float, lon: float) -> None:
    if not (abs(lat) <= 90 and abs(lon) <= 180):
        raise InputError(f"region {text!r}: latitude {lat:g}, longitude {lon:g} is no place on Earth")
