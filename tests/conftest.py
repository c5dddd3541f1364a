"""A tiny Earth and a tiny model of it, trained once a session by the very recipe that trains the shipped one.

Heavy imports wait inside the fixtures: most tests need no torch.
"""

from pathlib import Path

import pytest
from hypothesis import settings

TINY_RECIPE = Path(__file__).with_name("tiny_recipe.json")

# A busy machine may take its time: what a test finds must not depend on the clock.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.fixture(scope="session")
def mosaic_file(tmp_path_factory):
    """360 x 180 pixels of smooth random colours, and seas."""
    from small_mosaic import small_mosaic

    return small_mosaic(tmp_path_factory.mktemp("mosaic") / "tiny.png")


@pytest.fixture(scope="session")
def mosaic(mosaic_file):
    from graticule.data.orbit.mosaic import Mosaic

    return Mosaic.open(mosaic_file)


@pytest.fixture
def tiny_world(mosaic_file, monkeypatch):
    """Training and judging look at the tiny mosaic instead of NASA's."""
    _look_at(mosaic_file, monkeypatch)


@pytest.fixture(scope="session")
def recipe_file():
    """The shipped model's recipe with every number made small."""
    return TINY_RECIPE


@pytest.fixture(scope="session")
def recipe(recipe_file):
    from graticule.training.orbit import read_recipe

    return read_recipe(recipe_file)


@pytest.fixture(scope="session")
def tiny_run(recipe, mosaic_file, tmp_path_factory):
    """(run folder, model folder) as `graticule train orbit` leaves them; not to be changed."""
    from graticule.training.orbit import train_orbit

    folder = tmp_path_factory.mktemp("tiny")
    with pytest.MonkeyPatch.context() as patch:
        _look_at(mosaic_file, patch)
        assert train_orbit(recipe, folder / "run", folder / "tiny", report=lambda line: None)
    return folder / "run", folder / "tiny"


@pytest.fixture(scope="session")
def tiny_model_folder(tiny_run):
    return tiny_run[1]


@pytest.fixture(scope="session")
def tiny_model(tiny_model_folder):
    """That folder's model, open; not to be changed."""
    from graticule.model import Model

    return Model.open(tiny_model_folder)


@pytest.fixture(scope="session")
def clear_model(tiny_model):
    """The same with neighbours that are told apart.

    A few steps of training leave them alike to the last digits, and rounding would choose among them.
    """
    from dataclasses import replace

    import torch
    from torch.nn import functional

    from graticule.retrieval.gallery import Gallery

    draws = torch.randn(tiny_model.gallery.vectors.shape, generator=torch.Generator().manual_seed(0))
    return replace(
        tiny_model, gallery=Gallery(tiny_model.gallery.lat_lon, functional.normalize(draws, dim=-1))
    )


@pytest.fixture(scope="session")
def views_folder(mosaic_file, tmp_path_factory):
    """24 views of the tiny mosaic as pictures, with truth.csv; not to be changed."""
    from graticule.data.orbit.folder import render_folder

    folder = tmp_path_factory.mktemp("views")
    render_folder(mosaic_file, folder, views=24, seed=1)
    return folder


def _look_at(mosaic_file, patch):
    for module in ("training.orbit", "evaluation.report"):
        patch.setattr(f"graticule.{module}.training_mosaic_path", lambda: mosaic_file)


@pytest.fixture(scope="module")
def ray():
    """A Ray cluster of two workers on this machine."""
    from ray_cluster import small_cluster

    with small_cluster() as ray:
        yield ray
