"""From a folder of features to an index: which vectors, which kind, which neighbours."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional

from graticule.alignment.location import LocationEncoderConfig
from graticule.alignment.spaces import SpacesAlignment, SpacesAlignmentConfig
from graticule.errors import ConfigError, InputError, ModelFormatError, ModelNotFoundError
from graticule.retrieval import build
from graticule.retrieval.folder import open_index
from graticule.retrieval.ivfpq import IvfPqIndex
from graticule.retrieval.neighbours import NeighbourConfig, read_neighbours
from graticule.training import index
from graticule.training.index import index_folder

WIDTH = 12


@pytest.fixture
def features(tmp_path):
    """Three shards of features with their authors, the second of them unknown throughout."""
    folder = tmp_path / "features"
    folder.mkdir()
    generator = torch.Generator().manual_seed(0)
    for shard, rows in enumerate((40, 10, 30)):
        path = folder / f"shard-{shard:08d}.safetensors"
        tensors = {
            "features": torch.randn(rows, WIDTH, generator=generator).half(),
            "lat_lon": torch.rand(rows, 2, generator=generator, dtype=torch.float64) * 80,
        }
        save_file(tensors, path)
        authors = [None if shard == 1 else f"author {row % 4}" for row in range(rows)]
        records = {"author": pa.array(authors, pa.string()), "sequence": pa.nulls(rows, pa.string())}
        pq.write_table(pa.table(records), path.with_suffix(".parquet"))
    return folder


@pytest.fixture
def plan(features):
    def plan(**changed):
        given = {
            "source": "folder",
            "path": "/pictures",
            "split": None,
            "encoder": "orbit",
            "encoder_digest": "a" * 64,
            "width": WIDTH,
            "records": 83,
            "shard_rows": 40,
        }
        (features / "extract.json").write_text(json.dumps({**given, **changed}))

    return plan


@pytest.fixture
def alignment(tmp_path):
    location = LocationEncoderConfig(sigmas=(1.0,), frequencies=4, hidden=8, layers=1, width=WIDTH)
    torch.manual_seed(0)
    made = SpacesAlignment(SpacesAlignmentConfig(feature_width=WIDTH, hidden=8, location=location))
    made.save(tmp_path / "aligned", about={}, card="A card.")
    return SpacesAlignment.from_folder(tmp_path / "aligned"), tmp_path / "aligned"


def quiet(line):
    del line


def all_features(folder):
    return index.read_records(folder).features[:].float()


def test_features_are_indexed_as_unit_vectors(features, tmp_path):
    assert index_folder(features, tmp_path / "i", report=quiet)
    gallery = open_index(tmp_path / "i")
    expected = functional.normalize(all_features(features), dim=-1)
    torch.testing.assert_close(gallery.vectors.float(), expected, atol=1e-3, rtol=0)
    assert torch.equal(gallery.lat_lon, index.read_records(features).lat_lon)
    assert gallery.built is None


def test_an_alignment_gives_the_vectors(features, tmp_path, alignment):
    made, folder = alignment
    assert index_folder(features, tmp_path / "i", alignment=str(folder), kind="ivfpq", report=quiet)
    gallery = open_index(tmp_path / "i")
    with torch.inference_mode():
        expected = made.images(all_features(features))
    torch.testing.assert_close(gallery.vectors.float(), expected, atol=1e-3, rtol=0)
    assert isinstance(gallery.index, IvfPqIndex)
    assert "aligned" in json.loads((tmp_path / "i" / "index.json").read_text())["vectors"]


def test_a_model_is_an_alignment_too(tiny_model, tiny_model_folder, tmp_path):
    folder = tmp_path / "features"
    folder.mkdir()
    values = torch.randn(
        20, tiny_model.config.encoder.width, generator=torch.Generator().manual_seed(0)
    ).half()
    save_file({"features": values, "lat_lon": torch.zeros(20, 2).double()}, folder / "shard-0.safetensors")
    assert index_folder(folder, tmp_path / "i", alignment=str(tiny_model_folder), report=quiet)
    expected = tiny_model.alignment.images(values.float())
    torch.testing.assert_close(open_index(tmp_path / "i").vectors.float(), expected, atol=1e-3, rtol=0)


def test_many_rows_make_the_other_kind(features, tmp_path, monkeypatch):
    monkeypatch.setattr(index, "EXACT_ROWS", 79)
    index_folder(features, tmp_path / "i", report=quiet)
    assert json.loads((tmp_path / "i" / "index.json").read_text())["kind"] == "ivfpq"


def test_neighbours_are_of_other_authors(features, tmp_path):
    config = NeighbourConfig(count=5)
    assert index_folder(features, tmp_path / "i", neighbours=config, report=quiet)
    rows, _ = read_neighbours(tmp_path / "i")
    author = np.array([*[row % 4 for row in range(40)], *[-1] * 10, *[row % 4 for row in range(30)]])
    assert rows.shape == (80, 5)
    assert (rows >= 0).all()
    other = author[rows.numpy()]
    assert ((other != author[:, None]) | (author[:, None] < 0)).all()
    # Neighbours without a known author come from the second shard, and there are some.
    assert (other == -1).any()


def test_records_of_other_rows_are_refused(features, tmp_path):
    path = features / "shard-00000001.parquet"
    pq.write_table(pq.read_table(path).slice(1), path)
    with pytest.raises(InputError, match="79 records for 80 rows"):
        index_folder(features, tmp_path / "i", neighbours=NeighbourConfig(count=5), report=quiet)
    path.write_bytes(b"none")
    with pytest.raises(InputError, match="records can't be read"):
        index_folder(features, tmp_path / "i", neighbours=NeighbourConfig(count=5), report=quiet)


def test_records_that_know_no_author_leave_nothing_out(features, tmp_path):
    for path in features.glob("shard-*.parquet"):
        pq.write_table(pq.read_table(path).drop_columns(["author"]), path)
    index_folder(features, tmp_path / "i", neighbours=NeighbourConfig(count=79), report=quiet)
    assert (read_neighbours(tmp_path / "i")[0] >= 0).all()


def test_neighbours_can_be_added_to_an_index(features, tmp_path):
    out = tmp_path / "i"
    index_folder(features, out, report=quiet)
    before = (out / "vectors.safetensors").stat().st_mtime_ns
    index_folder(features, out, neighbours=NeighbourConfig(count=5), report=quiet)
    assert (out / "vectors.safetensors").stat().st_mtime_ns == before
    index_folder(features, out, report=quiet)
    assert read_neighbours(out)[0].shape == (80, 5)


def test_the_encoder_is_remembered(features, plan, tmp_path):
    plan()
    index_folder(features, tmp_path / "i", report=quiet)
    assert len(open_index(tmp_path / "i", encoder_digest="a" * 64)) == 80
    with pytest.raises(ModelFormatError, match="queries come from the encoder"):
        open_index(tmp_path / "i", encoder_digest="b" * 64)


def test_an_extraction_that_is_not_finished_is_refused(features, plan, tmp_path):
    plan(records=200)
    with pytest.raises(InputError, match="3 shards of 5; run the same `graticule extract` again"):
        index_folder(features, tmp_path / "i", report=quiet)


def test_other_features_need_another_folder(features, tmp_path):
    index_folder(features, tmp_path / "i", report=quiet)
    path = features / "shard-00000001.safetensors"
    tensors = {"features": torch.ones(10, WIDTH).half(), "lat_lon": torch.zeros(10, 2).double()}
    save_file(tensors, path)
    with pytest.raises(ConfigError, match=r"index\.json: features was"):
        index_folder(features, tmp_path / "i", report=quiet)


def test_an_alignment_that_moved_is_the_same(features, tmp_path, alignment):
    _, folder = alignment
    index_folder(features, tmp_path / "i", alignment=str(folder), report=quiet)
    moved = folder.rename(tmp_path / "moved")
    assert index_folder(features, tmp_path / "i", alignment=str(moved), report=quiet)
    with pytest.raises(ConfigError, match=r"index\.json: features was"):
        index_folder(features, tmp_path / "i", report=quiet)


def test_the_folder_of_a_model_is_refused_and_left_as_it_is(features, tmp_path, alignment):
    _, folder = alignment
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(ConfigError, match=r"holds manifest\.json but no index\.json"):
        index_folder(features, folder, report=quiet)
    assert before == {path.name: path.read_bytes() for path in folder.iterdir()}


def test_an_alignment_of_other_features_is_refused(features, tmp_path, tiny_model_folder):
    with pytest.raises(ConfigError, match=r"takes features \d+ wide, but these are 12"):
        index_folder(features, tmp_path / "i", alignment=str(tiny_model_folder), report=quiet)
    with pytest.raises(ModelNotFoundError, match="nowhere"):
        index_folder(features, tmp_path / "i", alignment=str(tmp_path / "nowhere"), report=quiet)
    with pytest.raises(ModelFormatError, match="no alignment that can be read"):
        index_folder(features, tmp_path / "i", alignment=str(_without_alignment(tmp_path)), report=quiet)


def _without_alignment(tmp_path):
    from graticule.store import save_folder

    save_folder(tmp_path / "none", {"name": "none"}, {})
    return tmp_path / "none"


def test_it_stops_when_told_to_and_goes_on(features, tmp_path, monkeypatch):
    monkeypatch.setattr(build, "_BLOCK_ROWS", 64)
    assert not index_folder(features, tmp_path / "i", kind="ivfpq", report=quiet, stop_after_s=-1)
    assert index_folder(features, tmp_path / "i", kind="ivfpq", report=quiet)
