"""`graticule calibrate`: what it leaves in the folder, and how wrong use is told."""

import json
import shutil

import numpy as np
import pytest

from graticule.model import Model


@pytest.fixture
def folder(tiny_model_folder, tmp_path):
    return shutil.copytree(tiny_model_folder, tmp_path / "model")


@pytest.fixture
def on_tiny_mosaic(monkeypatch, mosaic_file):
    monkeypatch.setattr("graticule.data.orbit.mosaic.training_mosaic_path", lambda: mosaic_file)


def test_the_folder_learns_and_locate_follows(run, folder, on_tiny_mosaic, views_folder):
    before = Model.open(folder)
    assert before.calibration is before.fusion is None
    picture = sorted(views_folder.glob("*.png"))[0]

    def circle():
        status, out, _ = run("locate", picture, "--model", folder, "--format", "jsonl")
        assert status == 0
        return json.loads(out)["radius_km"]

    raw = circle()
    status, out, err = run("calibrate", folder, "--source", "orbit", "--views", "240")
    assert status == 0, err
    assert "240 fresh validation views of Orbit" in out
    after = Model.open(folder)
    assert after.calibration.pictures == 240
    assert after.calibration.model == after.fusion.model == "orbit"
    assert np.isfinite(after.calibration.temperatures).all()
    assert set(after.fusion.weights) == {"log-probability", "similarity", "minimum-risk"}
    assert after.familiarity.pictures == 240
    assert "too few pictures to tell what is unlike them" in out
    assert circle() != raw
    status, out, _ = run("locate", picture, "--model", folder, "--select", "fusion", "--format", "jsonl")
    assert status == 0
    assert json.loads(out)["selection"] == {"by": "fusion", "fallback": None}


def test_the_same_pictures_teach_the_same(run, folder, on_tiny_mosaic):
    told = []
    for _ in range(2):
        assert run("calibrate", folder, "--source", "orbit", "--views", "200")[0] == 0
        told.append((folder / "calibration.json").read_bytes() + (folder / "fusion.json").read_bytes())
    assert told[0] == told[1]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "--source orbit"),
        (["--source", "orbit", "--images", "."], "--images"),
        (["--source", "orbit", "--views", "20"], "too few"),
    ],
)
def test_wrong_use_is_told(run, folder, on_tiny_mosaic, options, said):
    status, _, err = run("calibrate", folder, *options)
    assert status == 2
    assert said in err
    assert not (folder / "calibration.json").exists()


def test_what_is_no_model_is_told(run, tmp_path, on_tiny_mosaic):
    status, _, err = run("calibrate", tmp_path, "--source", "orbit")
    assert status == 2
    assert str(tmp_path) in err
    assert "Traceback" not in err
