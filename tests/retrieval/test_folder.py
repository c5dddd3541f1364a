"""Folders of indexes: what was written is read back, and nothing else is."""

import hashlib
import json

import pytest
import torch
from safetensors.torch import save

from graticule.errors import ConfigError, ModelFormatError, ModelNotFoundError
from graticule.retrieval.exact import ExactIndex
from graticule.retrieval.folder import open_index
from graticule.retrieval.ivfpq import IvfPqIndex

FILES = ["index.json", "vectors.safetensors", "lat_lon.safetensors", "index.faiss"]


def resigned(out, name, data):
    """Replace a file, and make the manifest agree: what a forger can do."""
    (out / name).write_bytes(data)
    manifest = json.loads((out / "manifest.json").read_text())
    manifest["files"][name] = hashlib.sha256(data).hexdigest()
    (out / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize("kind", ["exact", "ivfpq"])
def test_what_was_indexed_is_found(clustered, places, index_of, kind):
    vectors = clustered(300)
    gallery = open_index(index_of(vectors, kind))
    assert len(gallery) == 300
    assert torch.equal(gallery.lat_lon, places(300))
    assert torch.equal(gallery.vectors, vectors.half())
    assert isinstance(gallery.index, IvfPqIndex if kind == "ivfpq" else ExactIndex)
    similarities, rows = gallery.index.search(vectors, 1)
    assert torch.equal(rows[:, 0], torch.arange(300))
    torch.testing.assert_close(similarities, torch.ones(300, 1), atol=1e-3, rtol=0)


def test_the_manifest_names_every_file(clustered, index_of):
    out = index_of(clustered(100))
    assert {path.name for path in out.iterdir()} == {*FILES, "manifest.json"}
    assert set(json.loads((out / "manifest.json").read_text())["files"]) == set(FILES)
    assert "index.faiss" not in {
        path.name for path in index_of(clustered(9), "exact", out=out / "x").iterdir()
    }


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("where", [0, 0.5, -1])
def test_a_flipped_byte_is_refused_before_anything_is_loaded(clustered, index_of, monkeypatch, name, where):
    out = index_of(clustered(100))
    data = bytearray((out / name).read_bytes())
    data[int(where * len(data)) if where > 0 else where] ^= 255
    (out / name).write_bytes(data)
    monkeypatch.setattr("graticule.retrieval.folder.IvfPqIndex", None)
    if name == "index.faiss":
        monkeypatch.setattr("faiss.deserialize_index", lambda data: pytest.fail("it was loaded"))
    with pytest.raises(ModelFormatError, match=f"{name}: its SHA-256 is not the manifest's"):
        open_index(out)


@pytest.mark.parametrize("name", FILES)
def test_a_shortened_or_missing_file_is_refused(clustered, index_of, name):
    out = index_of(clustered(100))
    (out / name).write_bytes((out / name).read_bytes()[:-5])
    with pytest.raises(ModelFormatError, match=f"{name}: its SHA-256"):
        open_index(out)
    (out / name).unlink()
    with pytest.raises(ModelFormatError, match=f"{name}: missing"):
        open_index(out)


@pytest.mark.parametrize("name", FILES[1:])
def test_parts_of_another_index_are_refused_even_when_signed(clustered, index_of, tmp_path, name):
    out = index_of(clustered(100))
    other = index_of(clustered(90), out=tmp_path / "other")
    resigned(out, name, (other / name).read_bytes())
    with pytest.raises(ModelFormatError, match=name):
        open_index(out)


@pytest.mark.parametrize("name", FILES[1:])
def test_what_is_no_such_file_is_refused_even_when_signed(clustered, index_of, name):
    out = index_of(clustered(100))
    for data in (b"", b"nothing", b"\xff" * 64):
        resigned(out, name, data)
        with pytest.raises(ModelFormatError, match=name):
            open_index(out)


@pytest.mark.parametrize("latitude", [91.0, float("nan"), float("-inf")])
def test_places_that_are_not_on_earth_are_refused_even_when_signed(clustered, places, index_of, latitude):
    out = index_of(clustered(100))
    lat_lon = places(100)
    lat_lon[99, 0] = latitude
    resigned(out, "lat_lon.safetensors", save({"lat_lon": lat_lon}))
    with pytest.raises(ModelFormatError, match=r"lat_lon\.safetensors: holds places that are not on Earth"):
        open_index(out)


def test_vectors_of_whole_numbers_are_refused_even_when_signed(clustered, index_of):
    vectors = clustered(100)
    out = index_of(vectors)
    resigned(out, "vectors.safetensors", save({"vectors": vectors.long()}))
    with pytest.raises(ModelFormatError, match=r"vectors\.safetensors: holds torch\.int64"):
        open_index(out)


@pytest.mark.parametrize(
    ("field", "value"),
    [("format", 2), ("kind", "tree"), ("rows", 0), ("settings", {"kind": "ivfpq", "x": 1})],
)
def test_a_plan_of_another_kind_is_refused(clustered, index_of, field, value):
    out = index_of(clustered(100))
    plan = json.loads((out / "index.json").read_text())
    resigned(out, "index.json", json.dumps({**plan, field: value}).encode())
    with pytest.raises(ModelFormatError, match=r"index\.json"):
        open_index(out)


def test_another_encoder_is_refused(clustered, index_of):
    out = index_of(clustered(100))
    assert len(open_index(out, encoder_digest="e" * 64)) == 100
    with pytest.raises(ModelFormatError, match=r"queries come from the encoder d{64}"):
        open_index(out, encoder_digest="d" * 64)


def test_a_folder_without_a_finished_index_is_refused(tmp_path, clustered, index_of):
    with pytest.raises(ModelNotFoundError, match="no finished index"):
        open_index(tmp_path)
    with pytest.raises(ModelNotFoundError, match="goes on with one that was stopped"):
        open_index(index_of(clustered(100), stop_after_s=-1))


def test_an_index_is_finished_once(clustered, index_of):
    out = index_of(clustered(100))
    before = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    index_of(clustered(100), out=out)
    assert {path.name: path.stat().st_mtime_ns for path in out.iterdir()} == before


@pytest.mark.parametrize("stopped", [False, True])
def test_a_folder_holds_one_index(clustered, index_of, stopped):
    out = index_of(clustered(100), stop_after_s=-1 if stopped else float("inf"))
    with pytest.raises(ConfigError, match=r"index\.json: rows was 100 and is 90 now"):
        index_of(clustered(90), out=out)
    with pytest.raises(ConfigError, match=r"index\.json: settings was"):
        index_of(clustered(100), out=out, seed=5)
