"""Countries of many places are those of each, and their codes are ISO's."""

import numpy as np

from graticule.data.countries import countries_at, country_code, country_of_code
from graticule.earth.borders import countries, country_at


def test_many_places_are_answered_like_each():
    random = np.random.default_rng(0)
    lat = np.degrees(np.arcsin(random.uniform(-1, 1, 80)))
    lon = random.uniform(-180, 180, 80)
    # Fiji and Chukotka on both sides of the antimeridian, Lesotho in South Africa, the poles, the edges of the map.
    lat = np.append(lat, [-16.6, -16.8, 66.0, 67.0, -29.5, 90.0, -90.0, -89.9, 0.0, 0.0, 66.0])
    lon = np.append(lon, [179.2, -179.95, -175.0, 178.0, 28.2, 0.0, 0.0, 180.0, 180.0, -180.0, -180.0])
    found = countries_at(lat, lon)
    assert found.tolist() == [country_at(*place) for place in zip(lat, lon, strict=True)]
    assert {"Fiji", "Russia", "Lesotho", "Antarctica", None} <= set(found)


def test_no_place_has_no_country():
    assert countries_at(np.empty(0), np.empty(0)).tolist() == []


def test_codes_and_names_go_both_ways():
    without = {name for name in countries() if country_code(name) is None}
    assert without == {
        "Ashmore and Cartier Is.", "Indian Ocean Ter.", "N. Cyprus", "Siachen Glacier", "Somaliland"
    }  # fmt: skip
    named = {name: country_code(name) for name in set(countries()) - without}
    assert all(country_of_code(code) == name for name, code in named.items())
    assert len(set(named.values())) == len(named)
    assert named["Namibia"] == "NA"
    assert named["Côte d'Ivoire"] == "CI"
    assert (country_of_code("gb"), country_of_code("zz"), country_code("Atlantis")) == (
        "United Kingdom",
        None,
        None,
    )
