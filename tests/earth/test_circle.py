"""A circle on the globe, flat."""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from graticule.earth.circle import circle
from graticule.earth.distance import EARTH_RADIUS_KM, haversine_km

RANDOM = np.random.default_rng(0)
LAT = np.degrees(np.arcsin(RANDOM.uniform(-1, 1, 3000)))
LON = RANDOM.uniform(-180, 180, 3000)


@settings(max_examples=60)
@given(st.floats(-90, 90), st.floats(-180, 180), st.floats(1, 19_990))
def test_it_holds_the_points_within_its_radius_and_no_others(latitude, longitude, radius_km):
    shape = shapely.geometry.shape(circle(latitude, longitude, radius_km=radius_km))
    assert shape.is_valid
    west, south, east, north = shape.bounds
    assert -180 <= west <= east <= 180
    assert -90 <= south <= north <= 90
    far = haversine_km(latitude, longitude, LAT, LON)
    # A polygon of 96 corners is not round, and its sides bend on the way to the pole.
    plain = np.abs(far - radius_km) > 0.03 * min(radius_km, 20_015 - radius_km) + 60
    assert (shapely.contains_xy(shape, LON, LAT) == (far < radius_km))[plain].all()


@pytest.mark.parametrize(
    ("latitude", "longitude", "radius_km", "parts"),
    [
        (43.0, 5.0, 100, 1),
        (0.0, 180.0, 500, 2),  # cut by the antimeridian
        (89.0, 30.0, 500, 1),  # around a pole: a band along the top
        (0.0, 0.0, 15_000, 1),  # all but a hole on the other side
        (10.0, 20.0, 30_000, 1),
    ],
)
def test_its_parts(latitude, longitude, radius_km, parts):
    assert len(circle(latitude, longitude, radius_km=radius_km)["coordinates"]) == parts


@pytest.mark.parametrize("longitude", [-175.0, -5.0, 5.0, 170.0, 175.0])
@pytest.mark.parametrize("degrees", [5.0, 10.0, 175.0])
def test_one_that_only_touches_the_antimeridian_is_whole(longitude, degrees):
    drawn = circle(0.0, longitude, radius_km=np.radians(degrees) * EARTH_RADIUS_KM)
    assert shapely.geometry.shape(drawn).is_valid
    assert drawn["coordinates"]


def test_no_radius_is_no_fault():
    assert circle(10.0, 20.0, radius_km=0.0)["type"] == "MultiPolygon"
