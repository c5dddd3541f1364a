"""Outlines of land and countries."""

import numpy as np
import pytest

from graticule.earth.borders import borders, countries, countries_at, land
from graticule.earth.places.countries import all_countries


def area(ring):
    """Area on the sphere as a share of the Earth (Green's theorem along the parallels)."""
    lat, lon = np.radians(ring).T
    sine = np.sin(lat)
    return abs(np.sum(np.diff(lon) * (sine[1:] + sine[:-1]) / 2)) / (4 * np.pi)


def test_rings_are_closed_places():
    for polygon in land():
        for ring in polygon:
            assert ring.shape[1] == 2
            assert len(ring) >= 4
            assert np.array_equal(ring[0], ring[-1])
            assert np.abs(ring[:, 0]).max() <= 90
            if np.ptp(ring[:, 1]) < 359:
                assert np.abs(np.diff(ring[:, 1])).max() < 30, "no jump across the map"


def test_land_covers_as_much_as_it_should():
    share = sum(area(polygon[0]) - sum(map(area, polygon[1:])) for polygon in land())
    assert share == pytest.approx(0.29, abs=0.01)


@pytest.mark.parametrize(
    ("lat", "lon", "name"),
    [
        (48.86, 2.35, "France"),
        (-33.87, 151.0, "Australia"),
        (-15.8, -47.9, "Brazil"),
        (-1.29, 36.8, "Kenya"),
        (-29.6, 28.2, "Lesotho"),
        (66.0, -171.5, "Russia"),
        (66.0, 179.0, "Russia"),
        (-89.9, 12.0, "Antarctica"),
        (0.0, -30.0, None),
        (42.0, 51.0, None),
        (90.0, 0.0, None),
    ],
)
def test_known_places_lie_in_their_countries(lat, lon, name):
    assert countries_at([lat], [lon]).tolist() == [name]


def test_borders_are_between_countries_not_along_coasts():
    points = np.concatenate(borders())
    rhine = np.hypot(points[:, 0] - 48.58, points[:, 1] - 7.8)
    assert rhine.min() < 0.3, "France and Germany"
    lisbon = np.hypot(points[:, 0] - 38.7, points[:, 1] + 9.4)
    assert lisbon.min() > 1, "a coast"


def test_what_is_shared_cannot_be_written_to():
    with pytest.raises(ValueError, match="read-only"):
        land()[0][0][0, 0] = 1


def test_the_south_pole_is_land():
    assert countries_at([-90.0, -89.9995], [0.0, 120.0]).tolist() == ["Antarctica", "Antarctica"]


def test_a_turn_more_or_less_is_no_matter():
    """Fiji and Chukotka lie on both sides of the antimeridian."""
    lat = np.array([-16.6, -16.8, 66.0, 67.0, 66.0, 66.0])
    lon = np.array([179.2, -179.95, -175.0, 178.0, 180.0, -180.0])
    assert countries_at(lat, lon).tolist() == ["Fiji", "Fiji", "Russia", "Russia", "Russia", "Russia"]


def test_a_country_reaches_off_its_coast_as_far_as_asked():
    off_marseille = [43.24], [5.30]
    assert countries_at(*off_marseille).tolist() == [None]
    assert countries_at(*off_marseille, coast_km=20).tolist() == ["France"]
    assert countries_at([42.9], [5.3], coast_km=20).tolist() == [None]


def test_no_place_has_no_country():
    assert countries_at(np.empty(0), np.empty(0), coast_km=20).tolist() == []


def test_every_outline_has_a_country_and_every_country_an_outline():
    assert set(countries()) == {country.outline for country in all_countries()} - {None}
