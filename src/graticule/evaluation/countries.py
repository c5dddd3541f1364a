"""Countries and continents of places and of labels, so that the two can be compared."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from graticule.earth.borders import countries_at
from graticule.earth.places.countries import by_name, find_country

__all__ = ["COAST_KM", "continents_of", "country_of_label", "nearest_countries"]

COAST_KM: Final = 20.0
"""How far off the outlines a place still belongs to a country: they are drawn to a few km, and some piers are long."""


def nearest_countries(lat_lon: NDArray[np.float64]) -> NDArray[np.object_]:
    """The country of each place; off the coast that of the nearest one, to `COAST_KM`; None farther out.

    Args:
        lat_lon: (N, 2) degrees.
    """
    return countries_at(lat_lon[:, 0], lat_lon[:, 1], coast_km=COAST_KM)


def country_of_label(label: str) -> str | None:
    """The country a label means, by the outline that holds it; None if it means none.

    Args:
        label: an ISO 3166 alpha-2 code or a name, as `find_country` understands them.

    Example:
        >>> country_of_label("re"), country_of_label("USA")
        ('France', 'United States')
    """
    country = find_country(label)
    return None if country is None else country.outline


def continents_of(names: Iterable[str | None]) -> NDArray[np.object_]:
    """The continent of each country; None where there is none."""
    known = by_name()
    return np.array([None if name is None else known[name].continent for name in names], dtype=object)
