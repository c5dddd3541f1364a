"""Features are computed once: what is there is kept, and what was stopped goes on."""

import numpy as np
import pytest
import torch

from graticule.data.orbit.views import Views, poses
from graticule.encoders.orbit import OrbitEncoder
from graticule.training import features
from graticule.training.features import extract_views, load_shards

START, COUNT = 5, 40


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    monkeypatch.setattr(features, "SHARD_ROWS", 16)
    monkeypatch.setattr(features, "_BATCH", 8)


@pytest.fixture(scope="module")
def encoder(recipe):
    torch.manual_seed(0)
    return OrbitEncoder(recipe.align.encoder).eval()


@pytest.fixture
def extract(encoder, mosaic):
    def extract(folder, **changed):
        settings = {"split": "train", "start": START, "count": COUNT, "seasons": 0.0, "bf16": False}
        return extract_views(encoder, mosaic, folder, **{**settings, "report": lambda line: None, **changed})

    return extract


def shards(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_shards_hold_the_views_in_order(extract, encoder, mosaic, tmp_path):
    assert extract(tmp_path)
    assert sorted(shards(tmp_path)) == [f"shard-{first:09d}.safetensors" for first in (5, 21, 37)]
    found, lat_lon = load_shards(tmp_path)
    indices = np.arange(START, START + COUNT)
    pose = poses("train", indices)
    assert torch.equal(lat_lon, torch.stack([pose.lat, pose.lon], dim=1))
    assert found.dtype == torch.float16
    expected = encoder.encode(Views(mosaic, "train", size=32).batch(indices)[0])
    torch.testing.assert_close(found.float(), expected, atol=0.02, rtol=0.01)


@pytest.mark.parametrize("seasons", [0.0, 1.0])
def test_stopped_and_resumed_equals_uninterrupted(extract, tmp_path, seasons):
    def stop(line):
        raise KeyboardInterrupt

    extract(tmp_path / "whole", seasons=seasons)
    folder = tmp_path / "resumed"
    with pytest.raises(KeyboardInterrupt):
        extract(folder, seasons=seasons, report=stop)
    [first] = folder.iterdir()
    before = first.stat()
    (folder / ".shard-000000021.safetensors.9.tmp").write_bytes(b"half")
    extract(folder, seasons=seasons)
    after = first.stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert shards(folder) == shards(tmp_path / "whole")


def test_time_up_stops_after_a_shard(extract, tmp_path):
    finished = [extract(tmp_path, stop_after_s=-1) for _ in range(3)]
    assert finished == [False, False, True]
    assert len(load_shards(tmp_path)[0]) == COUNT
    assert extract(tmp_path, stop_after_s=-1)


def test_seasons_change_the_features_and_not_the_places(extract, tmp_path):
    extract(tmp_path / "ordinary")
    extract(tmp_path / "varied", seasons=1.0)
    (one, here), (other, there) = load_shards(tmp_path / "ordinary"), load_shards(tmp_path / "varied")
    assert torch.equal(here, there)
    assert (one != other).any(dim=1).all()


def test_bfloat16_is_near(extract, tmp_path):
    extract(tmp_path / "exact", count=8)
    extract(tmp_path / "rounded", count=8, bf16=True)
    exact, rounded = load_shards(tmp_path / "exact")[0], load_shards(tmp_path / "rounded")[0]
    assert torch.cosine_similarity(exact.float(), rounded.float()).min() > 0.99
