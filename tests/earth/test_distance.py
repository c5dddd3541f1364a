import sys

import numpy as np
import pyproj
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from graticule.earth.distance import (
    EARTH_RADIUS_KM,
    destination,
    geodesic_km,
    haversine_km,
    latlon_from_vectors,
    unit_vectors,
)
from graticule.errors import CoordinateError, MissingExtraError

SPHERE = pyproj.Geod(a=EARTH_RADIUS_KM * 1000, b=EARTH_RADIUS_KM * 1000)
HALF_WAY_ROUND_KM = np.pi * EARTH_RADIUS_KM

latitudes = st.floats(-90, 90)
longitudes = st.floats(-180, 180)


@given(latitudes, longitudes, latitudes, longitudes)
def test_haversine_is_the_geodesic_of_a_sphere(lat1, lon1, lat2, lon2):
    expected = SPHERE.inv(lon1, lat1, lon2, lat2)[2] / 1000
    assert haversine_km(lat1, lon1, lat2, lon2) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@given(latitudes, longitudes, latitudes, longitudes)
def test_haversine_is_symmetric_and_adds_up_with_the_antipode(lat1, lon1, lat2, lon2):
    there = haversine_km(lat1, lon1, lat2, lon2)
    assert there == haversine_km(lat2, lon2, lat1, lon1)
    assert there + haversine_km(lat1, lon1, -lat2, lon2 + 180) == pytest.approx(HALF_WAY_ROUND_KM, abs=1e-8)


@pytest.mark.parametrize("off_deg", [1e-3, 1e-6, 1e-9])
def test_haversine_keeps_its_digits_near_the_antipode(off_deg):
    # A haversine by arcsine alone is off by up to 100 m here.
    short_of = HALF_WAY_ROUND_KM - haversine_km(0, 0, 0, 180 - off_deg)
    assert short_of == pytest.approx(np.radians(off_deg) * EARTH_RADIUS_KM, abs=1e-11)


def test_haversine_broadcasts_and_passes_nan_on():
    distances = haversine_km(np.zeros((3, 1)), 0, 0, np.arange(4))
    assert distances.shape == (3, 4)
    assert distances[0, 1] == pytest.approx(np.radians(1) * EARTH_RADIUS_KM)
    assert np.isnan(haversine_km(np.nan, 0, 0, 0))


def test_the_antimeridian_is_one_place():
    assert haversine_km(12, 180, 12, -180) == pytest.approx(0, abs=1e-11)
    assert haversine_km(0, 179.5, 0, -179.5) == pytest.approx(haversine_km(0, -0.5, 0, 0.5))


@pytest.mark.parametrize(
    ("places", "km"),
    [
        # Karney 2013, table 2, and the quarter of a meridian and of the equator.
        ((40, 0, 41.79331020506, 137.84490004377), 10_000),
        ((0, 0, 90, 0), 10_001.965729),
        ((0, 0, 0, 90), 10_018.754171),
        ((0, 0, 0.5, 179.7), 19_944.127421),
    ],
)
def test_geodesics_are_those_of_wgs84(places, km):
    assert geodesic_km(*places) == pytest.approx(km, abs=1e-5)


@given(latitudes, longitudes, latitudes, longitudes)
def test_a_sphere_is_wrong_by_little(lat1, lon1, lat2, lon2):
    assert geodesic_km(lat1, lon1, lat2, lon2) == pytest.approx(
        haversine_km(lat1, lon1, lat2, lon2), rel=0.0057, abs=1e-9
    )


def test_geodesics_broadcast_and_pass_nan_on():
    distances = geodesic_km(np.zeros((3, 1)), 0, 0, np.arange(4))
    assert distances.shape == (3, 4)
    assert distances[2, 1] == pytest.approx(111.319491)
    assert np.isnan(geodesic_km(np.nan, 0, 0, 0))
    assert geodesic_km([], [], [], []).shape == (0,)


def test_geodesics_need_pyproj(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyproj", None)
    with pytest.raises(MissingExtraError, match=r"graticule\[evaluation\]"):
        geodesic_km(0, 0, 1, 1)


@given(latitudes, longitudes)
def test_unit_vectors_round_trip(lat, lon):
    vector = unit_vectors(lat, lon)
    assert vector.shape == (3,)
    assert np.linalg.norm(vector) == pytest.approx(1)
    again = latlon_from_vectors(3 * vector)
    assert haversine_km(lat, lon, *again) < 1e-8
    assert -180 <= again[1] <= 180


def test_unit_vectors_of_arrays():
    vectors = unit_vectors([0, 0, 90], [0, 90, 0])
    np.testing.assert_allclose(vectors, np.eye(3), atol=1e-15)
    assert unit_vectors(np.zeros((2, 5)), 0).shape == (2, 5, 3)


def test_a_zero_vector_has_no_place():
    with pytest.raises(CoordinateError, match="index 1"):
        latlon_from_vectors([[1, 0, 0], [0, 0, 0]])
    with pytest.raises(CoordinateError, match="last axis"):
        latlon_from_vectors([1, 0])


@given(latitudes, longitudes, st.floats(-360, 360), st.floats(0, 20_000))
def test_a_destination_is_as_far_as_one_went_in_the_direction_one_took(lat, lon, bearing, distance):
    there = destination(lat, lon, bearing_deg=bearing, distance_km=distance)
    assert haversine_km(lat, lon, *there) == pytest.approx(distance, abs=1e-8)
    assume(abs(lat) < 89.9)
    expected_lon, expected_lat, _ = SPHERE.fwd(lon, lat, bearing, distance * 1000)
    assert haversine_km(*there, expected_lat, expected_lon) < 1e-7


def test_destinations_broadcast():
    lat, lon = destination(0, 0, bearing_deg=[0, 90], distance_km=np.full((3, 1), 100.0))
    assert lat.shape == lon.shape == (3, 2)
    np.testing.assert_allclose(lat[0], [np.degrees(100 / EARTH_RADIUS_KM), 0], atol=1e-12)
