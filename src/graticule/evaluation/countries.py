"""Countries and continents of places and of labels, so that the two can be compared.

Countries are those of Natural Earth's outlines (`graticule.earth.borders`), by their names there.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from graticule.data.countries import countries_at, country_code, country_of_code
from graticule.earth.borders import countries
from graticule.earth.distance import destination

__all__ = ["COAST_KM", "CONTINENTS", "continent_of", "continents_of", "country_of_label", "nearest_countries"]

COAST_KM: Final = 20.0
"""How far off the outlines a place still belongs to a country: they are drawn to a few km, and some piers are long."""

_BEARINGS: Final = np.arange(0, 360, 22.5)
_STEPS_KM: Final = np.array([2.0, 5.0, 10.0, COAST_KM])

# By code of ISO 3166-1. A country counts whole: Russia with Europe, Turkey and the Caucasus with Asia.
_MEMBERS: Final = {
    "Africa": """DZ AO BJ BW BF BI CM CV CF TD KM CG CD CI DJ EG GQ ER SZ ET GA GM GH GN GW IO KE LS LR LY MG MW ML
        MR MU MA MZ NA NE NG RW SH ST SN SC SL SO ZA SS SD TZ TG TN UG EH ZM ZW""",
    "Antarctica": "AQ GS HM TF",
    "Asia": """AF AM AZ BH BD BT BN KH CN CY GE HK IN ID IR IQ IL JP JO KZ KW KG LA LB MO MY MV MN MM NP KP OM PK PS
        PH QA SA SG KR LK SY TW TJ TH TL TR TM AE UZ VN YE""",
    "Europe": """AX AL AD AT BY BE BA BG HR CZ DK EE FO FI FR DE GG GR HU IS IE IM IT JE XK LV LI LT LU MK MT MD MC ME
        NL NO PL PT RO RU SM RS SK SI ES SE CH UA GB VA""",
    "North America": """AI AG AW BS BB BZ BM VG CA KY CR CU CW DM DO SV GL GD GT HT HN JM MX MS NI PA PR BL KN LC MF
        PM VC SX TT TC US VI""",
    "Oceania": "AS AU CK FJ PF GU KI MH FM NR NC NZ NU NF MP PW PG PN WS SB TO VU WF",
    "South America": "AR BO BR CL CO EC FK GY PY PE SR UY VE",
}
CONTINENTS: Final = tuple(_MEMBERS)

# What Natural Earth draws apart without a code.
_WITHOUT_CODE: Final = {
    "Ashmore and Cartier Is.": "Oceania",
    "Indian Ocean Ter.": "Oceania",
    "N. Cyprus": "Asia",
    "Siachen Glacier": "Asia",
    "Somaliland": "Africa",
}
# Codes of places that Natural Earth draws as part of another country.
_DRAWN_WITH: Final = {
    **dict.fromkeys(("GF", "GP", "MQ", "RE", "YT"), "France"),
    **dict.fromkeys(("BV", "SJ"), "Norway"),
    **dict.fromkeys(("CC", "CX"), "Indian Ocean Ter."),
    "BQ": "Netherlands",
    "TK": "New Zealand",
    "UM": "United States of America",
}
# Names in use that neither are Natural Earth's nor become so by spelling its abbreviations out.
_ALIASES: Final = {
    "bosnia and herzegovina": "Bosnia and Herz.",
    "cape verde": "Cabo Verde",
    "czech republic": "Czechia",
    "democratic republic of the congo": "Dem. Rep. Congo",
    "dominican republic": "Dominican Rep.",
    "equatorial guinea": "Eq. Guinea",
    "faroe islands": "Faeroe Is.",
    "french polynesia": "Fr. Polynesia",
    "ivory coast": "Côte d'Ivoire",
    "north macedonia": "Macedonia",
    "republic of the congo": "Congo",
    "russian federation": "Russia",
    "south sudan": "S. Sudan",
    "swaziland": "eSwatini",
    "the bahamas": "Bahamas",
    "türkiye": "Turkey",
    "united states": "United States of America",
    "western sahara": "W. Sahara",
}


def nearest_countries(lat_lon: NDArray[np.float64]) -> NDArray[np.object_]:
    """The country of each place; off the coast that of the nearest one, to `COAST_KM`; None farther out.

    Args:
        lat_lon: (N, 2) degrees.
    """
    found = countries_at(lat_lon[:, 0], lat_lon[:, 1])
    lost = np.flatnonzero(found == None)  # noqa: E711  (elementwise)
    if len(lost):
        lat, lon = lat_lon[lost].T[:, :, None, None]
        around = destination(lat, lon, bearing_deg=_BEARINGS, distance_km=_STEPS_KM[:, None])
        rings = countries_at(around[0].ravel(), around[1].ravel()).reshape(len(lost), -1)
        found[lost] = [next((name for name in ring if name is not None), None) for ring in rings]
    return found


def country_of_label(label: str) -> str | None:
    """The country a label means, an ISO 3166 alpha-2 code or an English name; None if it means none that is drawn.

    Example:
        >>> country_of_label("re"), country_of_label("United States")
        ('France', 'United States of America')
    """
    text = " ".join(label.split())
    if len(text) == 2:
        return country_of_code(text) or _DRAWN_WITH.get(text.upper())
    return _by_name().get(text.casefold())


def continent_of(country: str) -> str:
    """The continent of a country of the outlines."""
    return _WITHOUT_CODE.get(country) or _by_code()[country_code(country) or ""]


def continents_of(names: Iterable[str | None]) -> NDArray[np.object_]:
    """The continent of each country; None where there is none."""
    return np.array([None if name is None else continent_of(name) for name in names], dtype=object)


@lru_cache(maxsize=1)
def _by_code() -> dict[str, str]:
    return {code: continent for continent, codes in _MEMBERS.items() for code in codes.split()}


@lru_cache(maxsize=1)
def _by_name() -> dict[str, str]:
    return {name.casefold(): name for name in countries()} | _ALIASES
