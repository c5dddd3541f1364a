"""What a part of the Earth is called: `northern Chile`, `Antofagasta in Chile`, `the sea, 340 km from Hilo`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from graticule.earth.distance import latlon_from_vectors, unit_vectors
from graticule.earth.places import Place, Places
from graticule.earth.places.compass import compass
from graticule.earth.places.countries import all_countries
from graticule.earth.places.place import listed

__all__ = ["name_of"]

_ALL: Final = 0.85
"""The share that counts as all of it."""
_SAID: Final = 0.15
"""The share of the land that is worth a country's name."""
_MOST_NAMES: Final = 3
_MANY: Final = 1 / 3
"""Countries that hold less of the land together do not stand for it: it is called after continents."""
_SEA: Final = 1 / 3
"""The share at sea that is worth saying."""

_Land: TypeAlias = tuple[str | None, str | None, tuple[str, ...]]
"""Code, name and claims."""


def name_of(
    lat_lon: NDArray[np.float64], weights: NDArray[np.float64], found: Sequence[Place], places: Places
) -> str:
    """What a part of the Earth is called, by points in it.

    Args:
        lat_lon: (N, 2) degrees.
        weights: (N,), the probability each point stands for.
        found: N places, what lies at the points.
        places: names, for what lies in the middle of a sea.
    """
    rows: dict[_Land, list[int]] = defaultdict(list)
    for row, place in enumerate(found):
        if not _at_sea(place):
            rows[place.country, place.country_name, place.claimed_by].append(row)
    held = {land: float(weights[some].sum()) for land, some in rows.items()}
    total, on_land = float(weights.sum()), sum(held.values())
    sea = total - on_land
    if sea >= _ALL * total:
        return _sea(lat_lon, weights, found, places)
    lands = sorted(held, key=lambda land: -held[land])[:_MOST_NAMES]
    lands = [lands[0], *(land for land in lands[1:] if held[land] >= _SAID * on_land)]
    named = sum(held[land] for land in lands)
    if named < _MANY * on_land:
        said = [f"lands of {listed(_continents(held))}"]
    else:
        said = [_part(land, rows[land], lat_lon, weights, found, places.language) for land in lands]
        if named < _ALL * on_land:
            said.append("other lands near by")
    if sea > _SEA * total:
        said.append("the sea near by")
    return listed(tuple(said))


def _continents(held: Mapping[_Land, float]) -> tuple[str, ...]:
    """Where most of many lands lie; what is disputed has no say."""
    of = {country.code: country.continent for country in all_countries() if country.code}
    shares: dict[str, float] = defaultdict(float)
    for (code, _, _), share in held.items():
        if code in of:
            shares[of[code]] += share
    first, *others = sorted(shares, key=lambda continent: -shares[continent])
    return (first, *(one for one in others if shares[one] >= _SAID * sum(shares.values())))


def _part(
    land: _Land,
    rows: list[int],
    lat_lon: NDArray[np.float64],
    weights: NDArray[np.float64],
    found: Sequence[Place],
    language: str,
) -> str:
    """A country by the part of it that points lie in."""
    country, name, claimed_by = land
    if country is None or name is None:
        return f"an area claimed by {listed(claimed_by)}"
    regions: dict[str | None, float] = defaultdict(float)
    for row in rows:
        regions[found[row].region] += float(weights[row])
    region = max(regions, key=lambda one: regions[one])
    if region not in (None, name) and regions[region] >= _ALL * sum(regions.values()):
        return f"{region} in {_article(name, language)}{name}"
    side = compass(country, lat_lon[rows, 0], lat_lon[rows, 1], weights[rows])
    return f"{_article(name, language)}{side + ' ' if side else ''}{name}"


def _sea(
    lat_lon: NDArray[np.float64], weights: NDArray[np.float64], found: Sequence[Place], places: Places
) -> str:
    """A part that lies at sea, by its middle; if there is an island in that, by the place at sea nearest to it."""
    points = unit_vectors(lat_lon[:, 0], lat_lon[:, 1])
    middle = weights @ points
    lat, lon = latlon_from_vectors(middle[None] / np.linalg.norm(middle))
    [place] = places.at(lat, lon)
    if place.coast_km is not None:
        return f"the sea {place}"
    if not _at_sea(place):
        rows = np.flatnonzero([_at_sea(one) for one in found])
        [place] = places.at(*lat_lon[rows[[(points[rows] @ middle).argmax()]]].T)
    return f"the {str(place).removeprefix('at ')}"


def _at_sea(place: Place) -> bool:
    return place.country_name is None and not place.claimed_by


def _article(name: str, language: str) -> str:
    """English has `the Netherlands`, but Chile."""
    first, last = name.split()[0], name.split()[-1]
    plural = {"Bahamas", "Comoros", "Emirates", "Islands", "Maldives", "Netherlands", "Philippines", "States"}
    known = plural | {"Gambia", "Kingdom", "Lands", "Republic", "Seychelles", "Territories", "Territory"}
    the = last in known or first in {"Democratic", "Republic"} or name == "Isle of Man"
    return "the " if language == "en" and the else ""
