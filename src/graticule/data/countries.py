"""The countries of many places at once, and what ISO 3166 calls them.

Names are those of `graticule.earth.borders`, whose outlines decide.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from graticule.earth.borders import Line, countries

__all__ = ["countries_at", "country_code", "country_of_code"]

# Alpha-2 codes of ISO 3166-1, and XK, which everybody uses for Kosovo. Natural Earth draws a few places apart that
# have no code: they are not here.
_CODES: Final = """
    AF Afghanistan; AL Albania; DZ Algeria; AS American Samoa; AD Andorra; AO Angola; AI Anguilla; AQ
    Antarctica; AG Antigua and Barb.; AR Argentina; AM Armenia; AW Aruba; AU Australia; AT Austria; AZ
    Azerbaijan; BS Bahamas; BH Bahrain; BD Bangladesh; BB Barbados; BY Belarus; BE Belgium; BZ Belize;
    BJ Benin; BM Bermuda; BT Bhutan; BO Bolivia; BA Bosnia and Herz.; BW Botswana; IO Br. Indian Ocean
    Ter.; BR Brazil; VG British Virgin Is.; BN Brunei; BG Bulgaria; BF Burkina Faso; BI Burundi; CV Cabo
    Verde; KH Cambodia; CM Cameroon; CA Canada; KY Cayman Is.; CF Central African Rep.; TD Chad; CL
    Chile; CN China; CO Colombia; KM Comoros; CG Congo; CK Cook Is.; CR Costa Rica; HR Croatia; CU Cuba;
    CW Curaçao; CY Cyprus; CZ Czechia; CI Côte d'Ivoire; CD Dem. Rep. Congo; DK Denmark; DJ Djibouti; DM
    Dominica; DO Dominican Rep.; EC Ecuador; EG Egypt; SV El Salvador; GQ Eq. Guinea; ER Eritrea; EE
    Estonia; ET Ethiopia; FO Faeroe Is.; FK Falkland Is.; FJ Fiji; FI Finland; PF Fr. Polynesia; TF Fr.
    S. Antarctic Lands; FR France; GA Gabon; GM Gambia; GE Georgia; DE Germany; GH Ghana; GR Greece; GL
    Greenland; GD Grenada; GU Guam; GT Guatemala; GG Guernsey; GN Guinea; GW Guinea-Bissau; GY Guyana;
    HT Haiti; HM Heard I. and McDonald Is.; HN Honduras; HK Hong Kong; HU Hungary; IS Iceland; IN India;
    ID Indonesia; IR Iran; IQ Iraq; IE Ireland; IM Isle of Man; IL Israel; IT Italy; JM Jamaica; JP
    Japan; JE Jersey; JO Jordan; KZ Kazakhstan; KE Kenya; KI Kiribati; XK Kosovo; KW Kuwait; KG
    Kyrgyzstan; LA Laos; LV Latvia; LB Lebanon; LS Lesotho; LR Liberia; LY Libya; LI Liechtenstein; LT
    Lithuania; LU Luxembourg; MO Macao; MK Macedonia; MG Madagascar; MW Malawi; MY Malaysia; MV
    Maldives; ML Mali; MT Malta; MH Marshall Is.; MR Mauritania; MU Mauritius; MX Mexico; FM Micronesia;
    MD Moldova; MC Monaco; MN Mongolia; ME Montenegro; MS Montserrat; MA Morocco; MZ Mozambique; MM
    Myanmar; MP N. Mariana Is.; NA Namibia; NR Nauru; NP Nepal; NL Netherlands; NC New Caledonia; NZ New
    Zealand; NI Nicaragua; NE Niger; NG Nigeria; NU Niue; NF Norfolk Island; KP North Korea; NO Norway;
    OM Oman; PK Pakistan; PW Palau; PS Palestine; PA Panama; PG Papua New Guinea; PY Paraguay; PE Peru;
    PH Philippines; PN Pitcairn Is.; PL Poland; PT Portugal; PR Puerto Rico; QA Qatar; RO Romania; RU
    Russia; RW Rwanda; GS S. Geo. and the Is.; SS S. Sudan; SH Saint Helena; LC Saint Lucia; WS Samoa;
    SM San Marino; SA Saudi Arabia; SN Senegal; RS Serbia; SC Seychelles; SL Sierra Leone; SG Singapore;
    SX Sint Maarten; SK Slovakia; SI Slovenia; SB Solomon Is.; SO Somalia; ZA South Africa; KR South
    Korea; ES Spain; LK Sri Lanka; BL St-Barthélemy; MF St-Martin; KN St. Kitts and Nevis; PM St. Pierre
    and Miquelon; VC St. Vin. and Gren.; SD Sudan; SR Suriname; SE Sweden; CH Switzerland; SY Syria; ST
    São Tomé and Principe; TW Taiwan; TJ Tajikistan; TZ Tanzania; TH Thailand; TL Timor-Leste; TG Togo;
    TO Tonga; TT Trinidad and Tobago; TN Tunisia; TR Turkey; TM Turkmenistan; TC Turks and Caicos Is.;
    VI U.S. Virgin Is.; UG Uganda; UA Ukraine; AE United Arab Emirates; GB United Kingdom; US United
    States of America; UY Uruguay; UZ Uzbekistan; VU Vanuatu; VA Vatican; VE Venezuela; VN Vietnam; EH
    W. Sahara; WF Wallis and Futuna Is.; YE Yemen; ZM Zambia; ZW Zimbabwe; SZ eSwatini; AX Åland
"""


def country_code(name: str) -> str | None:
    """The alpha-2 code of a country of the outlines.

    Example:
        >>> country_code("Namibia")
        'NA'
    """
    return _codes().get(name)


def country_of_code(code: str) -> str | None:
    """The country an alpha-2 code means, in any case; None if it means none.

    Example:
        >>> country_of_code("na")
        'Namibia'
    """
    return _names().get(code.upper())


def countries_at(latitudes: NDArray[np.float64], longitudes: NDArray[np.float64]) -> NDArray[np.object_]:
    """The country of each place, as `graticule.earth.borders.country_at` gives it: None at sea.

    A million places take seconds: they are sorted by latitude once, so that each side of an outline meets only those
    in its band.

    Args:
        latitudes: (N,) degrees.
        longitudes: (N,) degrees.
    """
    order = np.argsort(latitudes, kind="stable")
    lat, lon = latitudes[order], longitudes[order]
    number = np.full(len(lat), -1)
    for country, polygons in enumerate(countries().values()):
        inside = np.zeros(len(lat), dtype=bool)
        for polygon in polygons:
            for ring in polygon:
                _cross(ring, lat, lon, inside)
        number[inside & (number < 0)] = country
    found = np.empty(len(lat), dtype=object)
    found[order] = np.array([*countries(), None], dtype=object)[number]
    return found


def _cross(ring: Line, lat: NDArray[np.float64], lon: NDArray[np.float64], inside: NDArray[np.bool_]) -> None:
    """Turn `inside` over for the places a ring holds; `lat` (N,) rises."""
    (south, west), (north, east) = ring.min(axis=0), ring.max(axis=0)
    band = slice(*np.searchsorted(lat, [south, north]))
    # A ring that crosses the antimeridian runs past 180 or -180, and so is met again from its other side.
    for turn in (-360.0, 0.0, 360.0):
        near = band.start + np.flatnonzero((lon[band] + turn >= west) & (lon[band] + turn <= east))
        if len(near):
            inside[near] ^= _odd(ring, lat[near], lon[near] + turn)


def _odd(ring: Line, lat: NDArray[np.float64], lon: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether the sides of a ring that lie east of each place are odd in number; `lat` (N,) rises."""
    odd = np.zeros(len(lat), dtype=bool)
    low, high = np.sort([ring[:-1, 0], ring[1:, 0]], axis=0)
    first, last = np.searchsorted(lat, low), np.searchsorted(lat, high)
    for side in np.flatnonzero(first < last):
        some = slice(first[side], last[side])
        (lat0, lon0), (lat1, lon1) = ring[side], ring[side + 1]
        odd[some] ^= lon[some] < lon0 + (lon1 - lon0) * (lat[some] - lat0) / (lat1 - lat0)
    return odd


@lru_cache(maxsize=1)
def _codes() -> dict[str, str]:
    pairs = (entry.split(maxsplit=1) for entry in " ".join(_CODES.split()).split("; "))
    return {name: code for code, name in pairs}


@lru_cache(maxsize=1)
def _names() -> dict[str, str]:
    return {code: name for name, code in _codes().items()}
