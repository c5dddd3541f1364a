"""Selectors on the whole road: named, confined to a region, drawn from samples."""

import numpy as np
import pytest

from graticule.decoding.sample import Sampling
from graticule.decoding.select.fusion import Fusion
from graticule.earth.regions import parse_region
from graticule.errors import ConfigError
from graticule.locator import Geolocator, explore
from graticule.output import to_dict
from graticule.prediction import Refusal, Selection

NAMES = ("log-probability", "similarity", "minimum-risk")


@pytest.fixture(scope="module")
def geolocator(clear_model):
    return Geolocator(clear_model)


@pytest.fixture(scope="module")
def pictures(views_folder):
    return sorted(views_folder.glob("*.png"))[:6]


def place(result):
    return result.latitude, result.longitude


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("decode", ["greedy", "beam", Sampling(count=8)])
def test_the_estimate_is_one_of_the_candidates(geolocator, pictures, pixels_of, name, decode):
    results = list(geolocator.locate(pictures, select=name, decode=decode))
    found = explore(geolocator.model, geolocator.model.query(pixels_of(pictures)), decode).candidates
    places = found.lat_lon(geolocator.model.cell_model.scheme).numpy()
    for row, result in enumerate(results):
        assert result.selection == Selection(name)
        assert np.abs(places[row] - place(result)).sum(axis=1).min() < 1e-9


@pytest.fixture(scope="module")
def pixels_of(geolocator):
    import torch

    from graticule.images.batches import read_batches

    def read(paths):
        [batch] = read_batches(paths, geolocator.model.encoder.size)
        return torch.from_numpy(np.stack([pixels for _, pixels in batch]))

    return read


def test_samples_are_chosen_among_unless_said_otherwise(geolocator, pictures):
    [result] = geolocator.locate(pictures[:1], decode=Sampling(count=4))
    assert result.selection == Selection("minimum-risk")
    assert to_dict(result)["selection"] == {"by": "minimum-risk", "fallback": None}


def test_without_a_selector_nothing_is_said_of_one(geolocator, pictures):
    [result] = geolocator.locate(pictures[:1])
    assert result.selection is None
    assert "selection" not in to_dict(result)


def test_samples_depend_on_the_seed_and_the_picture_not_on_its_batch(geolocator, pictures):
    def places(seed, size):
        drawn = Sampling(count=5, seed=seed)
        return [
            place(r)
            for r in geolocator.locate(pictures, decode=drawn, select="log-probability", batch_size=size)
        ]

    assert places(1, 64) == places(1, 2) == places(1, 1)
    assert any(places(1, 64) != places(seed, 64) for seed in (2, 3, 4))


def test_a_refused_picture_does_not_change_what_is_drawn_for_the_next(geolocator, pictures, tmp_path):
    (tmp_path / "page.jpg").write_text("<html>")
    mixed = [tmp_path / "page.jpg", *pictures[:4]]

    def places(size):
        drawn = Sampling(count=3, temperature=2.0, seed=5)
        results = list(geolocator.locate(mixed, decode=drawn, select="log-probability", batch_size=size))
        return [place(result) for result in results[1:]]

    assert places(64) == places(1) == places(2)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("decode", ["beam", Sampling(count=10, distinct=True)])
def test_a_chosen_place_lies_in_the_region(geolocator, pictures, name, decode):
    region = parse_region("Brazil")
    results = geolocator.locate(pictures, select=name, decode=decode, within=region)
    assert region.contains([place(result) for result in results]).all()


def test_a_fusion_is_the_model_s_own(clear_model, pictures):
    from dataclasses import replace

    def located(model, name):
        return [place(result) for result in Geolocator(model).locate(pictures, select=name)]

    for name in ("similarity", "log-probability"):
        other = ({*NAMES} - {name}).pop()
        fusion = Fusion(model="m", fitted_on="f", pictures=1, weights={name: 1.0, other: 0.0})
        assert located(replace(clear_model, fusion=fusion), "fusion") == located(clear_model, name)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"select": "guess"}, "there is none called 'guess'"),
        ({"select": "reward"}, "graticule reward"),
        ({"select": "fusion"}, "graticule calibrate"),
        ({"decode": Sampling(count=0)}, "count"),
        ({"decode": Sampling(temperature=0)}, "temperature"),
    ],
)
def test_what_makes_no_sense_is_refused(geolocator, pictures, options, said):
    with pytest.raises(ConfigError, match=said):
        next(geolocator.locate(pictures, **options))


def test_candidates_of_a_calibrated_model_have_its_own_probabilities(clear_model, pictures, pixels_of):
    from dataclasses import replace

    from graticule.decoding.calibration import Calibration
    from graticule.locator import BEAM_WIDTH

    scheme = clear_model.cell_model.scheme
    calibration = Calibration.none(clear_model.cell_model, mass=1.0, width=BEAM_WIDTH).model_copy(
        update={"temperatures": (0.5, *[3.0] * (scheme.length - 1))}
    )
    query = clear_model.query(pixels_of(pictures))
    plain, tempered = (
        explore(m, query) for m in (clear_model, replace(clear_model, calibration=calibration))
    )
    assert (plain.candidates.tokens == tempered.candidates.tokens).all()
    assert (plain.candidates.log_probs == tempered.candidates.log_probs).all()
    assert not np.allclose(plain.density.mass, tempered.density.mass)


def test_a_reward_model_of_another_model_is_refused(clear_model, pictures, tmp_path):
    from graticule.tokens.reward import RewardModel

    judging = RewardModel.from_geotoken(clear_model.geotoken, near_km=50, hidden=8)
    judging.save(tmp_path / "other", about={"model": "another"}, card="c")
    judging.save(tmp_path / "own", about={"model": clear_model.config.name}, card="c")
    geolocator = Geolocator(clear_model)
    with pytest.raises(ConfigError, match="another"):
        next(geolocator.locate(pictures, reward=tmp_path / "other"))
    [result] = geolocator.locate(pictures[:1], reward=tmp_path / "own")
    assert result.selection == Selection("reward")


def test_densities_come_one_by_one_and_in_order(geolocator, pictures, tmp_path):
    (tmp_path / "page.jpg").write_text("<html>")
    mixed = [pictures[0], tmp_path / "page.jpg", pictures[1], pictures[2]]
    found = list(geolocator.densities(mixed, batch_size=2))
    assert [path for path, _ in found] == [str(path) for path in mixed]
    assert isinstance(found[1][1], Refusal)
    for (_, density), result in zip(found, geolocator.locate(mixed), strict=True):
        if not isinstance(result, Refusal):
            assert len(density.cells) == 1
            assert density.total[0] == pytest.approx(1)
            np.testing.assert_allclose(density.point()[0], place(result), atol=1e-4)


def test_densities_stay_in_the_region(geolocator, pictures):
    region = parse_region("Chile")
    for _, density in geolocator.densities(pictures[:2], within="Chile"):
        held = density.mass[0] > 0
        assert region.contains(density.lat_lon[0][held]).all()
