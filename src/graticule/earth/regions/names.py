"""Countries that a region may be."""

from __future__ import annotations

import difflib

from graticule.earth.places.countries import find_country, known_names
from graticule.errors import InputError

__all__ = ["country_name"]


def country_name(words: str) -> str:
    """The name of the country that is meant, as `graticule.earth.borders.countries` has it.

    Args:
        words: what `find_country` understands.

    Raises:
        InputError: There is no such country, and the message names those with like names; or it has no outline of
            its own.
    """
    country = find_country(words)
    if country is None:
        raise InputError(f"region {words!r} is no country, box, circle or GeoJSON file: {_hint(words)}")
    if country.outline != country.name:
        why = f"is drawn with {country.outline}" if country.outline else "is too small to be drawn"
        raise InputError(f"region {words!r}: {country.name} {why}; say it as a box or a circle")
    return country.name


def _hint(words: str) -> str:
    names = known_names()
    close = difflib.get_close_matches(words.strip().casefold(), names, n=3, cutoff=0.7)
    meant = dict.fromkeys(names[name].name for name in close)
    return f"did you mean {' or '.join(meant)}?" if meant else "see docs/regions.md for what can be said"
