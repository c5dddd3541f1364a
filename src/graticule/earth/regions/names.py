"""Countries by the names people give them."""

from __future__ import annotations

import difflib
import re
import unicodedata
from functools import lru_cache

from graticule.earth import borders
from graticule.errors import InputError

__all__ = ["country_name"]

# Natural Earth's names that are shortened, or that have others beside them.
_ALSO = {
    "American Samoa": ("Samoa, American",),
    "Antigua and Barb.": ("Antigua and Barbuda", "Antigua"),
    "Ashmore and Cartier Is.": ("Ashmore and Cartier Islands",),
    "Bosnia and Herz.": ("Bosnia and Herzegovina", "Bosnia"),
    "Br. Indian Ocean Ter.": ("British Indian Ocean Territory", "Chagos"),
    "Brunei": ("Brunei Darussalam",),
    "Cabo Verde": ("Cape Verde",),
    "Cayman Is.": ("Cayman Islands",),
    "Central African Rep.": ("Central African Republic",),
    "China": ("People's Republic of China", "PRC"),
    "Congo": ("Republic of the Congo", "Congo-Brazzaville"),
    "Cook Is.": ("Cook Islands",),
    "Czechia": ("Czech Republic",),
    "Côte d'Ivoire": ("Ivory Coast",),
    "Dem. Rep. Congo": ("Democratic Republic of the Congo", "DR Congo", "DRC", "Congo-Kinshasa"),
    "Dominican Rep.": ("Dominican Republic",),
    "Eq. Guinea": ("Equatorial Guinea",),
    "Faeroe Is.": ("Faroe Islands", "Faeroe Islands", "Faroes"),
    "Falkland Is.": ("Falkland Islands", "Falklands", "Malvinas"),
    "Fr. Polynesia": ("French Polynesia",),
    "Fr. S. Antarctic Lands": ("French Southern and Antarctic Lands",),
    "Heard I. and McDonald Is.": ("Heard Island and McDonald Islands",),
    "Macao": ("Macau",),
    "Macedonia": ("North Macedonia",),
    "Marshall Is.": ("Marshall Islands",),
    "Micronesia": ("Federated States of Micronesia",),
    "Myanmar": ("Burma",),
    "N. Cyprus": ("Northern Cyprus",),
    "N. Mariana Is.": ("Northern Mariana Islands",),
    "Netherlands": ("Holland",),
    "North Korea": ("DPRK",),
    "Palestine": ("State of Palestine",),
    "Pitcairn Is.": ("Pitcairn Islands", "Pitcairn"),
    "Russia": ("Russian Federation",),
    "S. Geo. and the Is.": ("South Georgia and the South Sandwich Islands", "South Georgia"),
    "S. Sudan": ("South Sudan",),
    "Saint Helena": ("St. Helena",),
    "Saint Lucia": ("St. Lucia",),
    "Solomon Is.": ("Solomon Islands",),
    "South Korea": ("Korea, Republic of", "Republic of Korea"),
    "St-Barthélemy": ("Saint Barthélemy", "St. Barts"),
    "St-Martin": ("Saint Martin",),
    "St. Kitts and Nevis": ("Saint Kitts and Nevis",),
    "St. Pierre and Miquelon": ("Saint Pierre and Miquelon",),
    "St. Vin. and Gren.": ("Saint Vincent and the Grenadines", "St. Vincent and the Grenadines"),
    "São Tomé and Principe": ("São Tomé and Príncipe",),
    "Timor-Leste": ("East Timor",),
    "Turkey": ("Türkiye",),
    "Turks and Caicos Is.": ("Turks and Caicos Islands",),
    "U.S. Virgin Is.": ("United States Virgin Islands", "US Virgin Islands"),
    "British Virgin Is.": ("British Virgin Islands",),
    "United Arab Emirates": ("UAE", "Emirates"),
    "United Kingdom": ("UK", "Great Britain", "Britain"),
    "United States of America": ("USA", "US", "United States", "America"),
    "Vatican": ("Vatican City", "Holy See"),
    "W. Sahara": ("Western Sahara",),
    "Wallis and Futuna Is.": ("Wallis and Futuna",),
    "eSwatini": ("Swaziland",),
    "Åland": ("Åland Islands",),
}


def country_name(words: str) -> str:
    """Natural Earth's name of the country that is meant. Case, accents and stops do not matter.

    Raises:
        InputError: There is no such country; the message names those with like names.
    """
    names = _names()
    key = _key(words)
    if key in names:
        return names[key]
    close = dict.fromkeys(names[other] for other in difflib.get_close_matches(key, names, n=3, cutoff=0.7))
    hint = f"did you mean {' or '.join(close)}?" if close else "see docs/regions.md for what can be said"
    raise InputError(f"region {words!r} is no country, box, circle or GeoJSON file: {hint}")


@lru_cache(maxsize=1)
def _names() -> dict[str, str]:
    """Natural Earth's name by the key of each name."""
    names = {_key(name): name for name in borders.countries()}
    return {_key(other): name for name, others in _ALSO.items() for other in others} | names


def _key(words: str) -> str:
    """A name without its case, accents, punctuation and article."""
    bare = "".join(
        letter for letter in unicodedata.normalize("NFKD", words) if not unicodedata.combining(letter)
    )
    plain = re.sub(r"[\W_]+", " ", bare.casefold().replace("&", " and ").replace(".", "")).strip()
    return plain.removeprefix("the ")
