"""Two runs on one folder at once are refused, whatever they train."""

import pytest

from graticule.errors import InputError
from graticule.lock import locked
from graticule.training.geotoken_folder import GeoTokenRecipe, train_geotoken
from graticule.training.one_run import one_run
from graticule.training.orbit import train_orbit
from graticule.training.reward import RewardRecipe, train_reward
from graticule.training.spaces import SpacesRecipe, align_folder


def align(folder, model):
    align_folder(folder, folder, SpacesRecipe())


def geotoken(folder, model):
    train_geotoken(folder, folder, GeoTokenRecipe(), index=folder, alignment="orbit")


def reward(folder, model):
    train_reward(model, None, folder, RewardRecipe(near_km=50))


@pytest.mark.parametrize("command", [align, geotoken, reward])
def test_a_folder_in_use_is_refused_before_anything_is_read(tmp_path, tiny_model, command):
    (tmp_path / "run").mkdir()
    with locked(tmp_path / "run"), pytest.raises(InputError, match=r"run: another run is writing to it"):
        command(tmp_path, tiny_model)


def test_the_shipped_models_training_holds_its_folder_too(tmp_path, recipe):
    with locked(tmp_path), pytest.raises(InputError, match="another run is writing to it"):
        train_orbit(recipe, tmp_path, tmp_path / "model")


def test_of_several_processes_the_first_alone_holds_it(tmp_path, monkeypatch):
    monkeypatch.setattr("graticule.training.one_run.is_main", lambda: False)
    with locked(tmp_path), one_run(tmp_path, tmp_path):
        pass


def test_a_folder_is_free_again_when_its_run_has_ended(tmp_path):
    for _ in range(2):
        with one_run(tmp_path / "run", tmp_path):
            assert (tmp_path / "run/.lock").exists()


def test_what_a_killed_run_left_half_written_is_swept_away(tmp_path):
    (tmp_path / "run/samples").mkdir(parents=True)
    left = [tmp_path / f"{place}.a.json.99.tmp" for place in ("", "run/", "run/samples/")]
    for path in left:
        path.touch()
    (tmp_path / "run/samples/kept.json").touch()
    with one_run(tmp_path / "run", tmp_path):
        assert not any(path.exists() for path in left)
    assert (tmp_path / "run/samples/kept.json").exists()
