"""`graticule index`: options reach the library, and it says how it ended."""

import pytest
import torch
from safetensors.torch import save_file

from graticule.retrieval import build
from graticule.retrieval.folder import open_index
from graticule.retrieval.neighbours import read_neighbours


@pytest.fixture
def features(tmp_path):
    folder = tmp_path / "features"
    folder.mkdir()
    generator = torch.Generator().manual_seed(0)
    tensors = {
        "features": torch.randn(60, 8, generator=generator).half(),
        "lat_lon": torch.zeros(60, 2, dtype=torch.float64),
    }
    save_file(tensors, folder / "shard-00000000.safetensors")
    return folder


def test_an_index_with_neighbours(run, features, tmp_path):
    out = tmp_path / "index"
    status, said, _ = run("index", features, "--out", out, "--kind", "ivfpq", "--neighbours", "3")
    assert status == 0
    assert said.splitlines()[-1] == f"finished: {out}"
    assert "index: 60 of 60 rows" in said
    assert open_index(out).built is not None
    assert read_neighbours(out)[0].shape == (60, 3)


def test_what_is_a_duplicate_can_be_said(run, features, tmp_path):
    for cosine, metres, left in (("-1", "1", 0), ("0.98", "1", 3), ("-1", "0", 0)):
        out = tmp_path / f"{cosine}-{metres}"
        options = ["--neighbours", "3", "--duplicate-cosine", cosine, "--duplicate-m", metres]
        assert run("index", features, "--out", out, *options)[0] == 0
        assert (read_neighbours(out)[0] >= 0).sum(1).tolist() == [left] * 60


def test_it_stops_in_time_and_goes_on(run, features, tmp_path, monkeypatch):
    monkeypatch.setattr(build, "_BLOCK_ROWS", 32)
    out = tmp_path / "index"
    status, said, _ = run("index", features, "--out", out, "--minutes", "0")
    assert (status, said.splitlines()[-1]) == (0, "stopped; run the same command again to go on")
    assert run("index", features, "--out", out)[1].splitlines()[-1] == f"finished: {out}"


def test_wrong_use_is_told_in_a_sentence(run, tmp_path):
    (tmp_path / "empty").mkdir()
    status, _, said = run("index", tmp_path / "empty", "--out", tmp_path / "index")
    assert status == 2
    assert "holds no shard-*.safetensors" in said
