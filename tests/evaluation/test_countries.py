"""Countries of places and of labels, so that they can be compared."""

import numpy as np
import pytest

from graticule.earth.borders import countries
from graticule.evaluation.countries import continents_of, country_of_label, nearest_countries


def test_countries_lie_on_continents():
    assert continents_of(["Chile", None, "Kosovo"]).tolist() == ["South America", None, "Europe"]
    assert None not in continents_of(countries())


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("NA", "Namibia"),
        ("fr", "France"),
        ("RE", "France"),
        ("SJ", "Norway"),
        ("United  States", "United States"),
        ("Dem. Rep. Congo", "Democratic Republic of the Congo"),
        ("czechia", "Czechia"),
        ("Deutschland", "Germany"),
        ("ZZ", None),
        ("Atlantis", None),
        ("", None),
    ],
)
def test_labels_are_understood(label, name):
    assert country_of_label(label) == name
    assert name is None or name in countries()


def test_a_place_off_the_coast_belongs_to_the_coast():
    places = np.array([[48.86, 2.35], [43.24, 5.30], [42.9, 5.3], [0.0, -30.0]])
    assert nearest_countries(places).tolist() == ["France", "France", None, None]
    assert nearest_countries(np.empty((0, 2))).shape == (0,)
