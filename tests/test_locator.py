"""The whole road with a tiny model: order, refusals, and uncertainty that means what it says."""

import shutil
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image

from graticule.earth import s2
from graticule.earth.cell_size import reach_km
from graticule.earth.cells import TokenScheme
from graticule.earth.density import HALF_WAY_ROUND_KM
from graticule.earth.distance import haversine_km
from graticule.earth.outline import cell_outline
from graticule.errors import ConfigError, ModelNotFoundError
from graticule.locator import BEAM_WIDTH, Geolocator, list_models
from graticule.prediction import Prediction, Refusal


@pytest.fixture(scope="module")
def geolocator(clear_model):
    return Geolocator(clear_model)


@pytest.fixture(scope="module")
def pictures(views_folder):
    return sorted(views_folder.glob("*.png"))[:10]


def numbers(prediction):
    candidates = [(c.latitude, c.longitude, c.probability) for c in prediction.candidates]
    return np.array([(prediction.latitude, prediction.longitude, prediction.radius_km), *candidates])


def test_every_picture_gets_its_answer_in_order(geolocator, pictures, tmp_path):
    (tmp_path / "page.jpg").write_text("<html>")
    half = tmp_path / "half.png"
    half.write_bytes(pictures[0].read_bytes()[:500])
    mixed = [pictures[3], tmp_path / "page.jpg", pictures[0], half, tmp_path / "gone.png", pictures[1]]
    told = []
    results = list(geolocator.locate(mixed, batch_size=2, progress=lambda *now: told.append(now)))
    assert [result.path for result in results] == [str(path) for path in mixed]
    assert [type(result) for result in results] == [
        Prediction, Refusal, Prediction, Refusal, Refusal, Prediction
    ]  # fmt: skip
    for result, path in zip(results, mixed, strict=True):
        if isinstance(result, Refusal):
            assert str(path) in str(result.error)
        else:
            [alone] = geolocator.locate([path])
            np.testing.assert_allclose(numbers(alone), numbers(result), atol=1e-5)
    assert told == [(2, 6), (4, 6), (6, 6)]


def test_batches_of_refusals_alone(geolocator, tmp_path):
    missing = [tmp_path / f"{n}.png" for n in range(3)]
    assert all(isinstance(result, Refusal) for result in geolocator.locate(missing, batch_size=2))
    assert list(geolocator.locate([])) == []


def test_folders_are_walked(geolocator, views_folder):
    paths = [result.path for result in geolocator.locate([views_folder])]
    assert paths == [str(path) for path in sorted(views_folder.glob("*.png"))]


def test_one_path_is_enough(geolocator, pictures):
    for one in (pictures[0], str(pictures[0])):
        [result] = geolocator.locate(one)
        assert result.path == str(pictures[0])


@pytest.mark.parametrize("decode", ["greedy", "beam"])
def test_the_batch_size_does_not_change_the_answers(geolocator, pictures, decode):
    together = list(geolocator.locate(pictures, decode=decode, batch_size=64))
    for size in (1, 3):
        for one, other in zip(
            geolocator.locate(pictures, decode=decode, batch_size=size), together, strict=True
        ):
            assert [c.cell for c in one.candidates] == [c.cell for c in other.candidates]
            np.testing.assert_allclose(numbers(one), numbers(other), atol=1e-5)


@pytest.mark.parametrize(("decode", "top_k", "expected"), [("beam", 5, 5), ("beam", 2, 2), ("greedy", 5, 5)])
def test_candidates_are_cells_likeliest_first(geolocator, pictures, decode, top_k, expected):
    levels = geolocator.model.cell_model.scheme.levels
    for prediction in geolocator.locate(pictures, decode=decode, top_k=top_k):
        assert len(prediction.candidates) == expected
        ids = np.array([int(c.cell.ljust(16, "0"), 16) for c in prediction.candidates], dtype=np.uint64)
        assert s2.is_valid(ids).all()
        assert set(s2.level_of(ids).tolist()) <= set(levels)
        lat, lon = s2.centres(ids)
        np.testing.assert_allclose(lat, [c.latitude for c in prediction.candidates])
        np.testing.assert_allclose(lon, [c.longitude for c in prediction.candidates])
        probabilities = [c.probability for c in prediction.candidates]
        assert probabilities == sorted(probabilities, reverse=True)
        assert 0 < sum(probabilities) <= 1 + 1e-5
        assert 0 <= prediction.radius_km <= HALF_WAY_ROUND_KM
        assert prediction.model == geolocator.name == "orbit"


def test_the_answer_does_not_depend_on_how_many_candidates_are_shown(geolocator, pictures):
    for few, many in zip(
        geolocator.locate(pictures, top_k=1), geolocator.locate(pictures, top_k=24), strict=True
    ):
        assert (few.latitude, few.longitude, few.radius_km) == (many.latitude, many.longitude, many.radius_km)


@pytest.mark.parametrize(
    "options", [{"decode": "guess"}, {"top_k": 0}, {"batch_size": 0}, {"batch_size": -1}]
)
def test_settings_that_make_no_sense_are_refused(geolocator, pictures, options):
    with pytest.raises(ConfigError, match=next(iter(options))):
        next(geolocator.locate(pictures, **options))


def test_locating_leaves_the_model_as_it_was(tiny_model, pictures):
    before = {name: tensor.clone() for name, tensor in tiny_model.encoder.state_dict().items()}
    list(Geolocator(tiny_model).locate(pictures[:2]))
    after = tiny_model.encoder.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())


def test_a_turned_picture_is_in_the_same_place(geolocator, pictures, tmp_path):
    """A view has no upright: quarter turns are averaged."""
    [upright] = geolocator.locate(pictures[:1])
    for quarter in (90, 180, 270):
        path = tmp_path / f"{quarter}.png"
        Image.open(pictures[0]).rotate(quarter).save(path)
        [turned] = geolocator.locate([path])
        np.testing.assert_allclose(numbers(turned), numbers(upright), atol=1e-4)


def test_a_folder_is_loaded_by_its_path(tiny_model_folder, pictures):
    [from_text] = Geolocator.load(str(tiny_model_folder)).locate([str(pictures[0])])
    [from_path] = Geolocator.load(tiny_model_folder).locate(pictures[:1])
    assert from_text == from_path


def test_a_missing_model_says_how_to_get_one(tmp_path):
    with pytest.raises(ModelNotFoundError, match="graticule train"):
        Geolocator.load(tmp_path)


def test_models_are_listed_whether_or_not_they_are_installed(tiny_model_folder, tmp_path, monkeypatch):
    monkeypatch.setattr("graticule.locator.shipped_models", lambda: {"orbit": tiny_model_folder})
    monkeypatch.setenv("GRATICULE_MODELS", str(tmp_path))
    orbit, geoclip = list_models()
    assert (orbit.name, orbit.domain, orbit.licence, orbit.installed) == (
        "orbit", "views from above", "Apache-2.0", True
    )  # fmt: skip
    files = [path for path in tiny_model_folder.iterdir() if path.name != "manifest.json"]
    assert orbit.disk_bytes == sum(path.stat().st_size for path in files)
    assert (geoclip.name, geoclip.domain, geoclip.installed) == ("geoclip", "street-level photos", False)
    shutil.copytree(tiny_model_folder, tmp_path / "geoclip")
    assert {model.name: model.installed for model in list_models()} == {"orbit": True, "geoclip": True}


# --- How sure: a cell model whose certainty is set by hand ------------------------------------------------


@dataclass(frozen=True)
class Walk:
    on_path: torch.Tensor  # (B, W): whether the prefix is the beginning of the one path
    length: int


class OnePath:
    """Follows one path with probability p at each step, all other children being alike."""

    scheme = TokenScheme((0, 2, 4, 6))
    path = (2, 3, 15, 3)

    def __init__(self, p):
        self.p = p

    def begin(self, query):
        return Walk(torch.ones(query.batch_size, 1, dtype=torch.bool), 0)

    def next_log_probs(self, state):
        size, token = self.scheme.vocabulary[state.length], self.path[state.length]
        certain = torch.full((size,), (1 - self.p) / (size - 1), dtype=torch.float64)
        certain[token] = self.p
        even = torch.full((size,), 1 / size, dtype=torch.float64)
        return torch.where(state.on_path[..., None], certain, even).log()

    def advance(self, state, parents, tokens):
        return Walk(state.on_path.gather(1, parents) & (tokens == self.path[state.length]), state.length + 1)


@pytest.fixture
def believing(tiny_model, pictures):
    """The answer of a locator that believes in one path so much."""

    def believing(p, decode="beam", top_k=5):
        geolocator = Geolocator(replace(tiny_model))
        geolocator.model.geotoken = OnePath(p)
        [prediction] = geolocator.locate(pictures[:1], decode=decode, top_k=top_k)
        return prediction

    return believing


CERTAINTIES = (0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.97, 0.98, 0.99, 0.999, 1 - 1e-9)


@pytest.mark.parametrize("decode", ["greedy", "beam"])
def test_the_surer_the_smaller_the_circle(believing, decode):
    radii = [believing(p, decode).radius_km for p in CERTAINTIES]
    assert all(surer <= doubtful + 1e-9 for doubtful, surer in pairwise(radii))
    assert radii[0] > 10_000
    assert radii[-1] == pytest.approx(reach_km(6))


def test_the_circle_holds_nine_tenths(believing):
    """Checked by drawing from the model itself: places spread evenly over the cells it draws."""
    random, scheme = np.random.default_rng(0), OnePath.scheme
    for p in (0.5, 0.8, 0.97, 0.99):
        prediction, inside, draws = believing(p), 0, 400
        for _ in range(draws):
            tokens, on_path = [], True
            for size, true in zip(scheme.vocabulary, OnePath.path, strict=True):
                others = [token for token in range(size) if token != true]
                if on_path and random.random() < p:
                    tokens.append(true)
                else:
                    tokens.append(random.choice(others) if on_path else random.integers(size))
                on_path = on_path and tokens[-1] == true
            lat, lon = scheme.centres(np.array([tokens]))
            inside += (
                haversine_km(prediction.latitude, prediction.longitude, lat, lon)[0] <= prediction.radius_km
            )
        assert inside / draws > 0.88, p


def test_the_answer_is_where_the_path_leads(believing):
    lat, lon = OnePath.scheme.centres(np.array([OnePath.path]))
    for decode in ("greedy", "beam"):
        prediction = believing(0.97, decode)
        assert haversine_km(prediction.latitude, prediction.longitude, lat, lon)[0] < 1e-6


def test_a_search_that_passed_most_of_the_mass_by_claims_little(believing):
    assert believing(0.5, "greedy").radius_km > 10_000


def test_more_candidates_than_the_beam_is_wide_can_be_shown(believing):
    wide = 2 * BEAM_WIDTH
    assert len(believing(0.999, top_k=wide).candidates) == wide
    assert len(believing(0.999, "greedy", top_k=wide).candidates) == wide


# --- How far a cell reaches ---------------------------------------------------------------------------------


@pytest.mark.parametrize("level", range(11))
def test_no_corner_of_a_cell_is_out_of_reach(level):
    """All cells of the coarse levels; of finer ones those along a face's middle lines, edges and diagonals."""
    random = np.random.default_rng(level)
    lat = np.rad2deg(np.arcsin(random.uniform(-1, 1, 400)))
    lon = random.uniform(-180, 180, 400)
    middle = np.linspace(-45, 45, 60)
    lat = np.concatenate([lat, 0 * middle, middle, np.rad2deg(np.arctan(np.cos(np.deg2rad(middle)))), middle])
    lon = np.concatenate([lon, middle, 0 * middle, middle, middle])
    lat, lon = np.append(lat, [1e-6, 90, 35.264]), np.append(lon, [1e-6, 0, 44.999])
    cells = np.unique(s2.cell_ids(lat, lon, level=level))
    if level <= 2:
        assert len(cells) == 6 * 4**level
    lat, lon = s2.centres(cells)
    corners = np.stack([cell_outline(cell, points_a_side=1)[:4] for cell in cells])
    reached = haversine_km(lat[:, None], lon[:, None], corners[..., 0], corners[..., 1]).max()
    tightness = {1: 0.87, 2: 0.96}.get(level, 0.97)  # halving is the rule of small cells
    assert tightness * reach_km(level) < reached <= reach_km(level)
