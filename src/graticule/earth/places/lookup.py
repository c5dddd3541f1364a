"""Places by their coordinates."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from graticule.earth.outlines import Outlines
from graticule.earth.places import data
from graticule.earth.places.countries import country_names
from graticule.earth.places.place import Place
from graticule.earth.places.towns import nearest_towns, town_name
from graticule.errors import CoordinateError

__all__ = ["COAST_KM", "Places"]

COAST_KM: Final = 20.0
"""How far out at sea a place is still off somebody's coast."""
_OUTLINE_KM: Final = 1.0
"""How near to land counts as land: outlines are no truer than that."""


class Places:
    """Country, region and nearest town of any place, in one language. Get it from `load`."""

    def __init__(self, outlines: Outlines, language: str) -> None:
        """Take the outlines, and one of `data.LANGUAGES`."""
        self.language = language
        self._outlines = outlines
        self._countries = country_names(language)
        self._owners = [self._owner(words.split()) for words in data.names("owners")]
        self._homes = data.names("town_countries")
        self._regions = [name or None for name in data.names("divisions", language)]

    @classmethod
    def load(cls, language: str = "en") -> Places:
        """Those of the package, read once.

        Args:
            language: of the names, by its ISO 639-1 code, such as `de`, `pt-BR` or `zh-Hant`.

        Raises:
            InputError: There are no names in that language; the message lists those there are.
        """
        return _load(data.find_language(language))

    def at(self, latitudes: ArrayLike, longitudes: ArrayLike, *, towns: bool = True) -> list[Place]:
        """What lies at each point.

        Args:
            latitudes: (N,) degrees, -90 to 90.
            longitudes: (N,) degrees, -180 to 180.
            towns: look for the nearest town too; without, places have none.

        Raises:
            CoordinateError: A point does not exist, or the shapes are not those.
        """
        lat, lon = _points(latitudes, longitudes)
        divisions, coast = self._outlines.at(lat, lon), np.full(len(lat), np.nan)
        sea = np.flatnonzero(divisions < 0)
        divisions[sea], km = self._outlines.nearest(lat[sea], lon[sea], within_km=COAST_KM)
        coast[sea] = np.where(np.isfinite(km) & (km > _OUTLINE_KM), km, np.nan)
        rows = zip(divisions.tolist(), coast.tolist(), strict=True)
        if not towns:
            return [self._place(*row) for row in rows]
        near = zip(*(column.tolist() for column in nearest_towns(lat, lon)), strict=True)
        return [self._place(*row, *town) for row, town in zip(rows, near, strict=True)]

    def _place(
        self, division: int, coast_km: float, town: int | None = None, town_km: float | None = None
    ) -> Place:
        country, name, claimed_by = self._owners[division] if division >= 0 else (None, None, ())
        region = self._regions[division] if division >= 0 else None
        off = coast_km if coast_km >= 0 else None
        if town is None:
            return Place(country, name, region, None, None, None, claimed_by, off)
        home = self._homes[town]
        abroad = self._countries.get(home) if home != country and not claimed_by else None
        return Place(country, name, region, town_name(town), town_km, abroad, claimed_by, off)

    def _owner(self, codes: list[str]) -> tuple[str | None, str | None, tuple[str, ...]]:
        """Code, name and claims of a division; of those that have no code, the name stands for it."""
        names = [self._countries.get(code, code.replace("_", " ")) for code in codes]
        return (codes[0], names[0], ()) if len(codes) == 1 else (None, None, tuple(names))


@lru_cache(maxsize=len(data.LANGUAGES))
def _load(language: str) -> Places:
    return Places(_outlines(), language)


@lru_cache(maxsize=1)
def _outlines() -> Outlines:
    return Outlines(*data.polygons())


def _points(latitudes: ArrayLike, longitudes: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    lat, lon = np.asarray(latitudes, np.float64), np.asarray(longitudes, np.float64)
    if lat.ndim != 1 or lat.shape != lon.shape:
        raise CoordinateError(f"latitudes {lat.shape} and longitudes {lon.shape}: must both be (N,)")
    wrong = np.flatnonzero(~((np.abs(lat) <= 90) & (np.abs(lon) <= 180)))
    if len(wrong):
        row = int(wrong[0])
        raise CoordinateError(f"point {lat[row]}, {lon[row]} at index {row} is no place on Earth")
    return lat, lon
