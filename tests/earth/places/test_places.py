"""What lies where: countries to their borders, disputed areas, coasts, poles, towns, languages."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graticule.earth.distance import haversine_km, unit_vectors
from graticule.earth.places import Place, Places, towns
from graticule.errors import CoordinateError, InputError


@pytest.fixture(scope="module")
def places():
    return Places.load()


def at(places, lat, lon):
    [place] = places.at([lat], [lon])
    return place


@pytest.mark.parametrize(
    ("lat", "lon", "country", "region"),
    [
        (-22.46, -68.93, "CL", "Antofagasta"),
        (48.86, 2.35, "FR", None),
        (37.77, -122.45, "US", "California"),
        (-29.31, 27.50, "LS", "Maseru"),  # an enclave
        (43.94, 12.45, "SM", None),
        (54.71, 20.5, "RU", None),  # an exclave
        (39.2, 45.4, "AZ", "Nakhchivan"),
        (4.9, -52.3, "FR", "French Guiana"),
        (78.2, 15.6, "NO", "Svalbard"),
        (47.7, -87.5, "US", "Michigan"),  # lakes are divided like land
        (66.5, 180.0, "RU", None),
        (66.5, -180.0, "RU", None),
        (-16.85, 179.99, "FJ", None),
        (-90.0, 12.0, "AQ", None),
        (-89.99, -180.0, "AQ", None),
    ],
)
def test_places_lie_in_their_countries(places, lat, lon, country, region):
    place = at(places, lat, lon)
    assert place.country == country
    assert region is None or place.region == region
    assert place.claimed_by == ()
    assert place.coast_km is None


@pytest.mark.parametrize(("lat", "lon"), [(0, -30), (90, 0), (42, 51), (-57, 100)])
def test_nobody_owns_the_sea(places, lat, lon):
    place = at(places, lat, lon)
    assert (place.country, place.country_name, place.region, place.coast_km) == (None, None, None, None)
    assert str(place).startswith("at sea, ")


@pytest.mark.parametrize(
    ("at_border", "step", "one", "other"),
    [
        ((49.0, -110.0), (0.03, 0), "CA", "US"),  # along a parallel
        ((22.0, 28.0), (0.03, 0), "EG", "SD"),
        ((-5.0, 141.0), (0, 0.03), "PG", "ID"),  # along a meridian
    ],
)
def test_countries_reach_to_their_borders(places, at_border, step, one, other):
    border, off = np.array(at_border), np.array(step)
    assert at(places, *(border + off)).country == one
    assert at(places, *(border - off)).country == other
    assert at(places, *border).country in (one, other)


def test_there_are_no_gaps_between_countries(places):
    """Along a line across half of Europe, every point is somebody's."""
    lat, lon = np.linspace(47.0, 52.0, 4000), np.linspace(2.0, 30.0, 4000)
    found = places.at(lat, lon)
    assert (
        {"FR", "DE", "CZ", "PL", "UA"}
        <= {place.country for place in found}
        <= {*("FR", "DE", "CZ", "PL", "UA", "LU", "BY", "BE")}
    )
    assert all(place.coast_km is None for place in found)


@pytest.mark.parametrize(
    ("lat", "lon", "claimed_by"),
    [
        (34.08, 74.8, {"India", "Pakistan"}),
        (35.0, 79.5, {"India", "China"}),
        (27.6, 91.9, {"India", "China"}),
        (45.2, 34.2, {"Ukraine", "Russia"}),
        (33.0, 35.8, {"Israel", "Syria"}),
        (42.23, 43.97, {"Georgia", "South Ossetia"}),
        (43.0, 41.0, {"Georgia", "Abkhazia"}),
        (35.3, 33.4, {"Cyprus", "Northern Cyprus"}),
        (9.56, 44.06, {"Somalia", "Somaliland"}),
        (44.1, 145.9, {"Russia", "Japan"}),
        (9.6, 28.4, {"Sudan", "South Sudan"}),
        (3.38, -59.8, {"Guyana", "Venezuela"}),
        (3.2, -57.6, {"Guyana", "Suriname"}),
        (4.8, 35.3, {"Kenya", "South Sudan"}),
        (46.84, 29.63, {"Moldova", "Transnistria"}),
    ],
)
def test_what_is_disputed_is_nobodys(places, lat, lon, claimed_by):
    place = at(places, lat, lon)
    assert (place.country, place.country_name) == (None, None)
    assert set(place.claimed_by) == claimed_by
    assert str(place).startswith("an area claimed by ")


@pytest.mark.parametrize(
    ("lat", "lon", "code"),
    [(27.15, -13.2, "EH"), (26.74, -11.67, "EH"), (22.7, -15.0, "EH"), (28.5, -10.5, "MA"), (25.0, 121.5, "TW"),
     (31.45, 34.4, "PS"), (42.66, 21.16, "XK"), (-51.7, -58.0, "FK"), (36.14, -5.35, "GI"), (32.9, 35.3, "IL"),
     (33.5, 36.3, "SY"), (2.82, -60.67, "BR"), (6.7, -61.2, "VE"), (4.0, -57.0, "SR"), (3.0, 36.0, "KE"),
     (42.0, 44.1, "GE"), (39.5, 76.0, "CN")],
)  # fmt: skip
def test_what_has_a_code_is_called_by_it(places, lat, lon, code):
    assert at(places, lat, lon).country == code


def test_the_coast_belongs_to_the_nearest_country(places):
    place = at(places, -20.2, -70.25)
    assert (place.country, place.region) == ("CL", "Tarapacá")
    assert 5 < place.coast_km < 15
    assert str(place) == f"off the coast of Tarapacá, Chile, {place.town_km:.0f} km from Iquique"
    assert at(places, -20.2, -70.6).country is None
    # Off Fiji across the antimeridian, and in the far north, where a degree of longitude is short.
    assert at(places, -16.8, -179.8).country == "FJ"
    assert at(places, 81.9, 60.0).country == "RU"


@settings(deadline=None, max_examples=20)
@given(st.lists(st.tuples(st.floats(-90, 90), st.floats(-180, 180)), min_size=1, max_size=200))
def test_the_nearest_town_is_the_nearest(points):
    lat, lon = np.array(points).T
    rows, km = towns.nearest_towns(lat, lon)
    everywhere = unit_vectors(lat, lon) @ towns._towns().T
    assert np.allclose(everywhere[np.arange(len(lat)), rows], everywhere.max(axis=1), rtol=0, atol=1e-12)
    assert (km >= 0).all()


def test_towns_are_where_they_are(places):
    place = at(places, -22.46, -68.93)
    assert place.town == "Calama"
    assert place.town_km < 3
    far = at(places, -27.2, -115.0)
    assert far.town == "Hanga Roa"
    assert far.town_km == pytest.approx(float(haversine_km(-27.2, -115.0, -27.151, -109.433)), abs=2)


def test_many_points_are_answered_like_each(places):
    random = np.random.default_rng(0)
    lat, lon = np.degrees(np.arcsin(random.uniform(-1, 1, 300))), random.uniform(-180, 180, 300)
    assert places.at(lat, lon) == [at(places, *point) for point in zip(lat, lon, strict=True)]
    assert places.at([], []) == []


def test_names_follow_the_language():
    assert str(Places.load("de").at([-22.46], [-68.93])[0]) == "Antofagasta, Chile, near Calama"
    assert at(Places.load("ja"), 39.9, 116.4).country_name == "中国"
    assert at(Places.load("pt-BR"), 48.8, 9.2).country_name == "Alemanha"
    assert at(Places.load("zh-Hant"), 37.8, -122.4).country_name == "美國"
    assert at(Places.load("fr"), 34.08, 74.8).claimed_by == ("Inde", "Pakistan")
    assert Places.load("EN") is Places.load()
    with pytest.raises(InputError, match="language 'xx'"):
        Places.load("xx")


@pytest.mark.parametrize(
    ("lat", "lon", "message"),
    [([91.0], [0.0], "91.0, 0.0 at index 0"), ([0.0, np.nan], [0.0, 0.0], "index 1"), ([0.0], [181.0], "181.0"),
     ([0.0], [0.0, 1.0], "must both be"), (0.0, 0.0, "must both be")],
)  # fmt: skip
def test_points_that_do_not_exist_are_refused(places, lat, lon, message):
    with pytest.raises(CoordinateError, match=message):
        places.at(lat, lon)


def test_a_place_in_words():
    assert str(Place("CL", "Chile", "Antofagasta", "Calama", 3.0)) == "Antofagasta, Chile, near Calama"
    assert str(Place("CL", "Chile", "Calama", "Calama", 12.4)) == "Chile, 12 km from Calama"
    assert str(Place("GI", "Gibraltar", None, "Gibraltar", 0.2)) == "Gibraltar, near Gibraltar"
    assert str(Place(None, None, "Kashmir", "Srinagar", 1.0, None, ("India", "Pakistan"))) == (
        "an area claimed by India and Pakistan, near Srinagar"
    )
    assert (
        str(Place(None, None, None, "Hilo", 340.2, "United States"))
        == "at sea, 340 km from Hilo, United States"
    )
    assert str(Place(None, None, None, None, None)) == "at sea"
    assert Place("CL", "Chile", None, "Calama", 3.0).to_dict() == {
        "text": "Chile, near Calama", "country": "CL", "country_name": "Chile", "region": None, "town": "Calama",
        "town_km": 3.0, "claimed_by": [],
    }  # fmt: skip
