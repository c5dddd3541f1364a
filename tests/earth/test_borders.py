"""Outlines of land and countries."""

import numpy as np
import pytest

from graticule.earth.borders import borders, countries, land


def area(ring):
    """Area on the sphere as a share of the Earth (Green's theorem along the parallels)."""
    lat, lon = np.radians(ring).T
    sine = np.sin(lat)
    return abs(np.sum(np.diff(lon) * (sine[1:] + sine[:-1]) / 2)) / (4 * np.pi)


def holds(polygons, lat, lon):
    """Even-odd rule over all rings."""
    crossings = 0
    for polygon in polygons:
        for ring in polygon:
            (y0, x0), (y1, x1) = ring[:-1].T, ring[1:].T
            cross = (y0 > lat) != (y1 > lat)
            crossings += np.sum(lon < (x1 - x0)[cross] * (lat - y0[cross]) / (y1 - y0)[cross] + x0[cross])
    return crossings % 2 == 1


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
    ("name", "lat", "lon"),
    [("France", 48.86, 2.35), ("Australia", -33.87, 151.0), ("Brazil", -15.8, -47.9), ("Kenya", -1.29, 36.8)],
)
def test_known_places_lie_in_their_countries(name, lat, lon):
    assert holds(countries()[name], lat, lon)
    assert holds(land(), lat, lon)
    assert not holds(countries()["Japan"], lat, lon)


def test_the_sea_is_no_land():
    for lat, lon in [(0, -30), (42, 51), (-40, 90)]:
        assert not holds(land(), lat, lon)


def test_borders_are_between_countries_not_along_coasts():
    points = np.concatenate(borders())
    rhine = np.hypot(points[:, 0] - 48.58, points[:, 1] - 7.8)
    assert rhine.min() < 0.3, "France and Germany"
    lisbon = np.hypot(points[:, 0] - 38.7, points[:, 1] + 9.4)
    assert lisbon.min() > 1, "a coast"


def test_what_is_shared_cannot_be_written_to():
    with pytest.raises(ValueError, match="read-only"):
        land()[0][0][0, 0] = 1
