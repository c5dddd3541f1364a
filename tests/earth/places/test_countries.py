"""One table of countries: codes, names in many languages, continents."""

import pytest

from graticule.earth.places.countries import (
    CONTINENTS,
    all_countries,
    by_name,
    country_names,
    find_country,
)
from graticule.earth.places.data import LANGUAGES, names
from graticule.errors import InputError


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("US", "US"), ("us", "US"), ("USA", "US"), ("United States", "US"), ("The United States of America", "US"),
        ("Vereinigte Staaten", "US"), ("États-Unis", "US"), ("アメリカ合衆国", "US"),
        ("Côte d'Ivoire", "CI"), ("cote divoire", None), ("ivory coast", "CI"), ("Elfenbeinküste", None),
        ("Bosnia & Herzegovina", "BA"), ("Bosnia and Herz.", "BA"), ("uk", "GB"), ("Congo", "CG"), ("DRC", "CD"),
        ("NA", "NA"), ("Réunion", "RE"), ("Turkey", "TR"), ("Türkiye", "TR"), ("Chine", "CN"), ("Georgia", "GE"),
        ("Atlantis", None), ("", None), ("ZZ", None),
    ],
)  # fmt: skip
def test_a_country_is_found_by_what_people_call_it(words, code):
    country = find_country(words)
    assert (country and country.code) == code


def test_every_name_and_code_finds_its_own_country():
    for country in all_countries():
        assert find_country(country.name) is country
        assert (
            country.natural_earth is None or country.part_of or find_country(country.natural_earth) is country
        )
        assert country.code is None or find_country(country.code) is country
        assert all(find_country(other) is country for other in country.also), country.name


def test_the_table_holds_together():
    codes = [country.code for country in all_countries() if country.code]
    assert len(set(codes)) == len(codes) == 250, "all of ISO 3166-1, and Kosovo"
    assert len(by_name()) == len(all_countries())
    assert {country.continent for country in all_countries()} == set(CONTINENTS)
    assert {country.name for country in all_countries() if country.code is None} == {
        "Ashmore and Cartier Islands", "Australian Indian Ocean Territories", "Northern Cyprus", "Siachen Glacier",
        "Somaliland",
    }  # fmt: skip
    assert {country.name for country in all_countries() if country.outline is None} == {"Gibraltar", "Tuvalu"}
    assert all(by_name()[country.part_of].part_of is None for country in all_countries() if country.part_of)


def test_every_division_is_owned_by_known_countries():
    unknown = {code for owner in names("owners") for code in owner.split()} - {
        country.code for country in all_countries()
    }
    assert unknown == {"Abkhazia", "Northern_Cyprus", "Somaliland", "South_Ossetia", "Transnistria"}


def test_names_follow_the_language():
    assert country_names()["CI"] == "Côte d'Ivoire"
    assert country_names("de")["CL"] == "Chile"
    assert country_names("ja")["CL"] == "チリ"
    assert country_names("zh-Hant")["US"] == "美國"
    for language in LANGUAGES:
        assert country_names(language).keys() == country_names().keys()
        assert all(country_names(language).values())
    with pytest.raises(InputError, match="'tlh': there are no names of places in it"):
        country_names("tlh")
