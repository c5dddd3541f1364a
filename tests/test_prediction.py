"""What an answer may hold, and the circle that holds nine tenths of the probability."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graticule.earth.distance import EARTH_RADIUS_KM
from graticule.errors import CoordinateError
from graticule.prediction import Candidate, Prediction, credible_radius_km

DEGREE_KM = EARTH_RADIUS_KM * math.pi / 180

latitudes = st.floats(-90, 90)
longitudes = st.floats(-180, 180)
weighted = st.lists(st.tuples(latitudes, longitudes, st.floats(1e-6, 1)), min_size=1, max_size=30)


@pytest.mark.parametrize(("lat", "lon"), [(math.nan, 0), (0, math.inf), (90.1, 0), (0, -180.5)])
def test_places_that_do_not_exist_are_refused(lat, lon):
    with pytest.raises(CoordinateError, match="itude"):
        Candidate(lat, lon, 0.5, "89c25")
    with pytest.raises(CoordinateError, match="itude"):
        Prediction("a.png", lat, lon, 1.0, (), "orbit")
    with pytest.raises(CoordinateError, match="itude"):
        credible_radius_km(lat, lon, [(0, 0)], [1])


def test_probability_and_radius_must_exist():
    with pytest.raises(CoordinateError, match="probability nan"):
        Candidate(0, 0, math.nan, "1")
    with pytest.raises(CoordinateError, match="radius_km inf"):
        Prediction("a.png", 0, 0, math.inf, (), "orbit")


def test_answers_are_frozen():
    with pytest.raises(AttributeError):
        Candidate(0, 0, 0.5, "1").latitude = 3


def test_radius_along_the_equator():
    points = [(0, 0), (0, 1), (0, 2), (0, 170)]
    weights = [5, 3, 1, 1]
    assert credible_radius_km(0, 0, points, weights) == pytest.approx(2 * DEGREE_KM)
    assert credible_radius_km(0, 0, points, weights, mass=0.5) == 0
    assert credible_radius_km(0, 0, points, weights, mass=1) == pytest.approx(170 * DEGREE_KM)


def test_radius_across_the_antimeridian_and_the_pole():
    assert credible_radius_km(0, 179.5, [(0, -179.5)], [1]) == pytest.approx(DEGREE_KM)
    assert credible_radius_km(90, 0, [(89, 123)], [1]) == pytest.approx(DEGREE_KM)
    assert credible_radius_km(0, 0, [(0, 180)], [1]) == pytest.approx(math.pi * EARTH_RADIUS_KM)


def test_a_lone_cell_reaches_as_far_as_it_is_large():
    assert credible_radius_km(10, 20, [(10, 20)], [0.2], reach_km=14) == pytest.approx(14)
    assert credible_radius_km(0, 0, [(0, 0), (0, 1)], [1, 1], reach_km=[200, 5]) == pytest.approx(200)


@given(weighted, latitudes, longitudes, st.floats(0.01, 1))
def test_the_circle_holds_the_mass_and_no_smaller_one_does(points, lat, lon, mass):
    places = np.array(points)[:, :2]
    weights = np.array(points)[:, 2]
    radius = credible_radius_km(lat, lon, places, weights, mass=mass)
    far = np.array([credible_radius_km(lat, lon, [place], [1]) for place in places])
    share = weights / weights.sum()
    assert share[far <= radius].sum() >= mass - 1e-9
    assert share[far < radius].sum() <= mass + 1e-9
    assert credible_radius_km(lat, lon, places, 7 * weights, mass=mass) == pytest.approx(radius)


@pytest.mark.parametrize(
    ("points", "weights", "mass"),
    [
        ([], [], 0.9),
        ([(0, 0)], [1, 2], 0.9),
        ([(0, math.nan)], [1], 0.9),
        ([(0, 0)], [0], 0.9),
        ([(0, 0), (1, 1)], [2, -1], 0.9),
        ([(0, 0)], [1], 0),
        ([(0, 0)], [1], 1.1),
    ],
)
def test_sets_that_make_no_sense_are_refused(points, weights, mass):
    with pytest.raises(CoordinateError):
        credible_radius_km(0, 0, points, weights, mass=mass)
