"""Outlines of land and countries, from a file inside the package: Natural Earth 1:50 million, public domain.

The file is TopoJSON: lines shared by two shapes are stored once, as `arcs` of integer steps, and a shape
lists the arcs it is made of, `~i` meaning arc i backwards. `tools/vendor_borders.py` fetches it.
Borders are drawn as Natural Earth draws them: who holds the land in fact, without judgement.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from importlib import resources
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray

from graticule.earth.outlines import Outlines
from graticule.earth.places.countries import all_countries

__all__ = ["Line", "Polygon", "borders", "countries", "countries_at", "land"]

Line: TypeAlias = NDArray[np.float64]
"""Points (N, 2): latitude and longitude in degrees. Read-only."""

Polygon: TypeAlias = tuple[Line, ...]
"""A closed outer ring, then the rings of its holes; first and last point of a ring are the same.

Longitudes are continuous along a ring: one that crosses the antimeridian runs past 180 or -180, and so must
be drawn again 360 degrees to the side."""


@lru_cache(maxsize=1)
def land() -> tuple[Polygon, ...]:
    """All land, seas and large lakes cut out."""
    [shape] = _file()["objects"]["land"]["geometries"]
    return tuple(_polygons(shape))


@lru_cache(maxsize=1)
def countries() -> Mapping[str, tuple[Polygon, ...]]:
    """Each country's polygons by its English name (`graticule.earth.places.countries`)."""
    names = {country.natural_earth: country.name for country in all_countries() if country.part_of is None}
    shapes = _file()["objects"]["countries"]["geometries"]
    return MappingProxyType({names[shape["properties"]["name"]]: tuple(_polygons(shape)) for shape in shapes})


@lru_cache(maxsize=1)
def borders() -> tuple[Line, ...]:
    """The lines between countries, without the coasts: arcs that two of them share."""
    shapes = _file()["objects"]["countries"]["geometries"]
    uses = Counter(
        max(index, ~index) for shape in shapes for rings in _arcs(shape) for ring in rings for index in ring
    )
    lines = _lines()
    return tuple(lines[index] for index, count in sorted(uses.items()) if count > 1)


def countries_at(
    latitudes: ArrayLike, longitudes: ArrayLike, *, coast_km: float = 0.0
) -> NDArray[np.object_]:
    """The country of each place by these outlines, true to a few km; None at sea.

    `graticule.earth.places` knows finer ones, and whose land is disputed; these name one country everywhere.

    Args:
        latitudes: (N,) degrees, -90 to 90.
        longitudes: (N,) degrees, -180 to 180.
        coast_km: how far off its coast a place still belongs to a country.

    Returns:
        English names (N,).
    """
    lat, lon = np.asarray(latitudes, np.float64), np.asarray(longitudes, np.float64)
    found = _outlines().at(lat, lon)
    if coast_km > 0:
        sea = np.flatnonzero(found < 0)
        found[sea], _ = _outlines().nearest(lat[sea], lon[sea], within_km=coast_km)
    return np.array([*countries(), None], dtype=object)[found]


@lru_cache(maxsize=1)
def _outlines() -> Outlines:
    every = [(polygon, row) for row, some in enumerate(countries().values()) for polygon in some if polygon]
    shapes = [
        shapely.Polygon(outer[:, ::-1], [hole[:, ::-1] for hole in holes]) for (outer, *holes), _ in every
    ]
    return Outlines(np.array(shapes, dtype=object), np.array([row for _, row in every]))


@lru_cache(maxsize=1)
def _file() -> Any:
    text = resources.files("graticule.earth").joinpath("data/countries-50m.json").read_text("utf-8")
    return json.loads(text)


@lru_cache(maxsize=1)
def _lines() -> tuple[Line, ...]:
    """The arcs in degrees: integer steps summed, scaled and moved, and x, y turned into lat, lon."""
    topology = _file()
    scale = np.array(topology["transform"]["scale"])
    translate = np.array(topology["transform"]["translate"])
    lines = tuple((np.cumsum(np.array(arc), axis=0) * scale + translate)[:, ::-1] for arc in topology["arcs"])
    for line in lines:
        line.flags.writeable = False
    return lines


def _polygons(shape: Mapping[str, Any]) -> Iterator[Polygon]:
    for arcs in _arcs(shape):
        rings = (_ring(ring) for ring in arcs)
        # The file closes Antarctica by rings on and about the pole, which are no holes in the land.
        yield tuple(ring for ring in rings if ring[:, 0].max() > -89.99)


def _arcs(shape: Mapping[str, Any]) -> Sequence[Sequence[Sequence[int]]]:
    """Arc numbers by polygon and ring."""
    arcs: Sequence[Any] = shape.get("arcs", ())
    return [arcs] if shape["type"] == "Polygon" else arcs


def _ring(arcs: Sequence[int]) -> Line:
    """Arcs joined end to end; where two meet, their common point is kept once."""
    lines = _lines()
    parts = [lines[index] if index >= 0 else lines[~index][::-1] for index in arcs]
    ring = np.concatenate([parts[0], *(part[1:] for part in parts[1:])])
    ring[:, 1] = np.unwrap(ring[:, 1], period=360)
    if abs(ring[-1, 1] - ring[0, 1]) > 180:
        # Once around the Earth: on a map Antarctica goes down to the pole and back along its edge.
        pole = [(-90.0, ring[-1, 1]), (-90.0, ring[0, 1]), ring[0]]
        ring = np.concatenate([ring, pole])
    ring.flags.writeable = False
    return ring
