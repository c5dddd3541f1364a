"""What an answer may hold, and the circle that holds nine tenths of the probability."""

import io
import json
import math
import sys
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from graticule.earth import s2
from graticule.earth.distance import EARTH_RADIUS_KM
from graticule.earth.outline import cell_from_token
from graticule.errors import CoordinateError, InputError
from graticule.locator import Geolocator
from graticule.prediction import Candidate, Prediction, credible_radius_km

DEGREE_KM = EARTH_RADIUS_KM * math.pi / 180

latitudes = st.floats(-90, 90)
longitudes = st.floats(-180, 180)


@pytest.fixture(scope="module")
def geolocator(clear_model):
    return Geolocator(clear_model)


@pytest.fixture(scope="module")
def pictures(views_folder):
    return sorted(views_folder.glob("*.png"))[:4]


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


def test_the_whole_probability(geolocator, pictures):
    for result in geolocator.locate(pictures):
        whole = result.density
        assert whole is not None
        assert result.probability("-90,-180,90,180") == pytest.approx(1)
        halves = result.probability("-90,-180,0,180"), result.probability("0,-180,90,180")
        assert sum(halves) == pytest.approx(1, abs=1e-6)
        small, large = result.credible_region(0.5), result.credible_region(0.9)
        assert set(small.cells.tolist()) <= set(large.cells.tolist())
        assert small.probability >= 0.5
        assert large.probability >= 0.9
        assert large.probability - large.probabilities[-1] < 0.9, "its last cell is needed"
        assert 0 < small.area_km2 <= large.area_km2


def test_a_region_is_a_shape_that_holds_its_cells(geolocator, pictures):
    shapely = pytest.importorskip("shapely")
    [result] = geolocator.locate(pictures[:1])
    region = result.credible_region(0.5)
    shape = shapely.geometry.shape(region.geometry())
    lat, lon = s2.centres(region.cells)
    assert shapely.contains(shape, shapely.points(lon, lat)).all()


def test_the_way_to_the_estimate_is_nested_and_never_surer(geolocator, pictures):
    for result in geolocator.locate(pictures):
        way = result.coarse_to_fine()
        cells = [cell_from_token(step.cell) for step in way]
        assert all(s2.contains(outer, inner) for outer, inner in pairwise(cells))
        shares = [step.probability for step in way]
        assert shares == sorted(shares, reverse=True)
        assert s2.contains(cells[-1], s2.cell_ids([result.latitude], [result.longitude])[0])
        first = geolocator.model.cell_model.scheme.levels[0]
        assert s2.level_of(cells[0]) == first


def test_neighbours_are_the_gallerys(geolocator, pictures):
    [result] = geolocator.locate(pictures[:1])
    assert len(result.neighbours) == geolocator.model.config.neighbours
    gallery = geolocator.model.gallery
    for one in result.neighbours:
        assert (one.latitude, one.longitude) == tuple(gallery.lat_lon[one.row].tolist())
    similarities = [one.similarity for one in result.neighbours]
    assert similarities == sorted(similarities, reverse=True)


def test_an_answer_from_a_file_has_no_density():
    read = Prediction("a.png", 1.0, 2.0, 3.0, (), "orbit")
    for ask in (lambda: read.probability("Chile"), read.credible_region, read.coarse_to_fine, read.plot):
        with pytest.raises(InputError, match=r"a\.png: .*no density; locate it again"):
            ask()
    assert "1.0° N" in read._repr_html_()


def test_it_draws_itself(geolocator, pictures):
    [result] = geolocator.locate(pictures[:1])
    for reach_deg in (None, 10.0):
        out = io.BytesIO()
        result.plot(reach_deg=reach_deg).figure.savefig(out)
        pixels = np.asarray(Image.open(out).convert("RGB")).astype(int)
        orange = (pixels[..., 0] > 200) & (pixels[..., 2] < 60)
        assert orange.sum() > 50


def test_what_a_notebook_shows(geolocator, pictures, monkeypatch):
    [result] = geolocator.locate(pictures[:1])
    shown = replace(result, path="<b>.png")._repr_html_()
    assert "&lt;b&gt;.png" in shown
    assert "data:image/png;base64," in shown
    assert "Estimate: " in shown
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert "<img" not in result._repr_html_()


def test_a_feature(geolocator, pictures):
    [result] = geolocator.locate(pictures[:1])
    feature = json.loads(json.dumps(result.to_geojson()))
    assert feature["geometry"]["coordinates"] == [result.longitude, result.latitude]
    assert feature["properties"]["radius_km"] == result.radius_km
