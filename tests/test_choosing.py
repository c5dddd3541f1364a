"""Selectors on the whole road: named, confined to a region, drawn from samples."""

import numpy as np
import pytest

from graticule.decoding.sample import Sampling
from graticule.decoding.select.fusion import Fusion
from graticule.earth.regions import parse_region
from graticule.errors import ConfigError
from graticule.locator import Geolocator, explore
from graticule.output import to_dict
from graticule.prediction import Selection

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
