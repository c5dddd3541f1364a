"""Commands that train, killed outright and run again: the folder is what an unharmed run leaves, to the bit."""

import signal
from pathlib import Path

import pytest

from graticule.data.orbit.folder import render_folder
from killing import told_by


@pytest.fixture(scope="module")
def photos(mosaic_file, tmp_path_factory):
    """Views enough for `fit` to part them."""
    folder = tmp_path_factory.mktemp("photos")
    render_folder(mosaic_file, folder, views=60, seed=3, size=16)
    return folder


def files(folder):
    """What the command made, without what its run needed to go on."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize("command", ["align", "geotoken", "reward", "fit"])
def test_a_killed_command_ends_where_an_unharmed_one_does(command, tiny_model_folder, photos, tmp_path):
    script = Path(__file__).with_name("killed_commands.py")
    lines = told_by(script, tiny_model_folder, photos, tmp_path, command, 1, timeout=3600)
    assert {moment.partition(":")[0] for moment, *_ in lines} == {"write", "step"}
    expected = files(tmp_path / "whole/mine")
    assert "config.json" in expected
    for moment, ended, folder in lines:
        assert int(ended) == signal.SIGKILL, moment
        found = files(tmp_path / folder / "mine")
        assert found.keys() == expected.keys(), moment
        assert [name for name in found if found[name] != expected[name]] == [], moment
        assert not list((tmp_path / folder).rglob(".*.tmp")), moment
