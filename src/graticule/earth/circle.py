"""A circle on the globe as a shape on a flat map."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import shapely
from shapely.affinity import translate

from graticule.earth.distance import EARTH_RADIUS_KM, destination

__all__ = ["circle"]

_CORNERS: Final = 96
_WORLD: Final = shapely.box(-180, -90, 180, 90)


def circle(latitude: float, longitude: float, *, radius_km: float) -> dict[str, Any]:
    """A circle around a place as a GeoJSON MultiPolygon: longitude first, cut at 180 degrees.

    Args:
        latitude: Of its centre, in degrees.
        longitude: Of its centre, in degrees.
        radius_km: Along the ground; what reaches all the way round is the whole Earth.
    """
    reach_deg = float(np.degrees(radius_km / EARTH_RADIUS_KM))
    poles = (latitude + reach_deg >= 90) + (latitude - reach_deg <= -90)
    if reach_deg >= 179.9:
        shape = _WORLD
    else:
        bearings = np.linspace(0, 360, _CORNERS, endpoint=False)
        lat, lon = destination(latitude, longitude, bearing_deg=bearings, distance_km=radius_km)
        if poles == 1:
            shape = _cap(lat, lon, 90.0 if latitude >= 0 else -90.0)
        else:
            shape = _wrapped(lat, lon)
            # With both poles inside, the line goes around what is left out.
            shape = shape if poles == 0 else _WORLD.difference(shape)
    parts = [shapely.geometry.polygon.orient(part) for part in shapely.get_parts(shape)]
    return dict(shapely.geometry.mapping(shapely.MultiPolygon(parts)))


def _cap(lat: np.ndarray, lon: np.ndarray, pole: float) -> shapely.Polygon:
    """All between a line around a pole, and the pole, which on a flat map is a line too."""
    order = np.argsort(lon)
    lat, lon = lat[order], lon[order]
    # Where the line meets the antimeridian, between the last corner and the first.
    share = (180 - lon[-1]) / (lon[0] + 360 - lon[-1])
    edge = float(lat[-1] + share * (lat[0] - lat[-1]))
    line = [(-180.0, edge), *zip(lon.tolist(), lat.tolist(), strict=True), (180.0, edge)]
    return shapely.Polygon([*line, (180.0, pole), (-180.0, pole)]).buffer(0)


def _wrapped(lat: np.ndarray, lon: np.ndarray) -> Any:
    """What a line encloses, the part beyond 180 degrees moved to the other side."""
    whole = shapely.Polygon(np.stack([np.unwrap(lon, period=360), lat], axis=-1)).buffer(0)
    parts = shapely.get_parts([translate(whole, turn).intersection(_WORLD) for turn in (-360, 0, 360)])
    # One that only touches the map's edge is a point or a line there.
    return shapely.union_all(parts[shapely.area(parts) > 0])
