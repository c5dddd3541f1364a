"""What is known of countries: codes, continents, and the names people give them.

A country is what ISO 3166-1 has a code for, and the few areas that Natural Earth draws apart without one. Its name here
is English, and stands for it everywhere. The table is `earth/data/countries.tsv`.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from types import MappingProxyType
from typing import Final

from graticule.earth.places import data

__all__ = [
    "CONTINENTS",
    "Country",
    "all_countries",
    "by_name",
    "country_names",
    "find_country",
    "known_names",
]

CONTINENTS: Final = (
    *("Africa", "Antarctica", "Asia", "Europe", "North America", "Oceania", "South America"),
)
"""A country counts whole: Russia with Europe, Turkey and the Caucasus with Asia."""


@dataclass(frozen=True, slots=True)
class Country:
    """A country, or an area that has a code like one."""

    code: str | None
    """ISO 3166-1 alpha-2, and XK, which everybody uses for Kosovo; None where there is none."""
    name: str
    """In English, in full."""
    natural_earth: str | None
    """What the outlines of `graticule.earth.borders` call it; None where it is too small to be drawn."""
    part_of: str | None
    """The name of the country that the outlines draw it with; None if it has an outline of its own."""
    continent: str
    """One of `CONTINENTS`."""
    also: tuple[str, ...]
    """Other English names."""

    @property
    def outline(self) -> str | None:
        """The name of the country whose outline holds it; None if none does."""
        return self.part_of or (self.name if self.natural_earth else None)


def find_country(words: str) -> Country | None:
    """The country that is meant by a code of two letters or a name, in English or one of `data.LANGUAGES`.

    Case, accents, stops and articles do not matter. Where languages disagree, English comes first.

    Example:
        >>> [find_country(words).name for words in ("us", "the united states", "Vereinigte Staaten")]
        ['United States', 'United States', 'United States']
    """
    key = _key(words)
    return _by_code().get(words.strip().upper()) or _in_english().get(key) or _in_languages().get(key)


def by_name() -> Mapping[str, Country]:
    """All countries by their names."""
    return MappingProxyType({country.name: country for country in all_countries()})


def country_names(language: str = "en") -> Mapping[str, str]:
    """What countries are called, by their codes.

    Args:
        language: as for `Places.load`.

    Raises:
        InputError: There are no names in that language.
    """
    known = data.find_language(language)
    names = dict(line.split(" ", 1) for line in data.names("countries", known))
    english = {country.code: country.name for country in all_countries() if country.code}
    return english if known == "en" else {code: names.get(code, name) for code, name in english.items()}


def known_names() -> Mapping[str, Country]:
    """Countries by every English name, in the simple form that names are compared in."""
    return MappingProxyType(_in_english())


@lru_cache(maxsize=1)
def all_countries() -> tuple[Country, ...]:
    """All of them, by name."""
    text = resources.files("graticule.earth").joinpath("data/countries.tsv").read_text("utf-8")
    rows = csv.DictReader(text.splitlines(), delimiter="\t")
    return tuple(
        Country(
            row["code"] or None,
            row["name"],
            None if row["natural_earth"] == "-" else row["natural_earth"] or row["name"],
            row["part_of"] or None,
            row["continent"],
            tuple(filter(None, row["also"].split("; "))),
        )
        for row in rows
    )


@lru_cache(maxsize=1)
def _by_code() -> dict[str, Country]:
    return {country.code: country for country in all_countries() if country.code}


@lru_cache(maxsize=1)
def _in_english() -> dict[str, Country]:
    names: dict[str, Country] = {}
    for country in all_countries():
        names.setdefault(_key(country.natural_earth or country.name), country)
        names |= dict.fromkeys(map(_key, country.also), country)
    return names | {_key(country.name): country for country in all_countries()}


@lru_cache(maxsize=1)
def _in_languages() -> dict[str, Country]:
    names: dict[str, Country] = {}
    for language in data.LANGUAGES:
        for line in data.names("countries", language):
            code, name = line.split(" ", 1)
            if code in _by_code():
                names.setdefault(_key(name), _by_code()[code])
    return names


def _key(words: str) -> str:
    """A name without its case, accents, punctuation and article."""
    bare = "".join(
        letter for letter in unicodedata.normalize("NFKD", words) if not unicodedata.combining(letter)
    )
    plain = re.sub(r"[\W_]+", " ", bare.casefold().replace("&", " and ").replace(".", "")).strip()
    return plain.removeprefix("the ")
