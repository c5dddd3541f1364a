"""Building goes on where it was stopped, and ends in the same bytes."""

import pytest
import torch
from safetensors.torch import load_file

from graticule.errors import ConfigError
from graticule.retrieval import build
from graticule.retrieval.folder import open_index


def files(out):
    return {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}


def test_killed_at_its_very_end_it_leaves_no_folder_of_work(clustered, index_of, monkeypatch, tmp_path):
    whole = index_of(clustered(130))
    for last in ("write_manifest", "shutil.rmtree"):
        with monkeypatch.context() as patch:
            patch.setattr(f"graticule.retrieval.build.{last}", interrupt)
            with pytest.raises(KeyboardInterrupt):
                index_of(clustered(130), out=tmp_path / last)
        index_of(clustered(130), out=tmp_path / last)
        assert files(tmp_path / last) == files(whole)
        assert not (tmp_path / last / "building").exists()


def interrupt(*given):
    raise KeyboardInterrupt


def test_stopped_again_and_again_it_ends_in_the_same_bytes(clustered, index_of, monkeypatch, tmp_path):
    vectors = clustered(300)
    whole = index_of(vectors)
    ticks = iter(range(10**6))
    monkeypatch.setattr(build.time, "monotonic", lambda: next(ticks))
    runs = 0
    while not (tmp_path / "b" / "manifest.json").exists():
        index_of(vectors, out=tmp_path / "b", stop_after_s=4)
        runs += 1
        assert runs < 50
    assert runs > 3
    assert files(tmp_path / "b") == files(whole)


def test_however_short_its_runs_are_it_gets_on(clustered, index_of, tmp_path):
    vectors = clustered(300)
    whole, runs = index_of(vectors), 0
    while not (tmp_path / "b" / "manifest.json").exists():
        index_of(vectors, out=tmp_path / "b", stop_after_s=-1)
        runs += 1
        assert runs < 50
    assert 5 <= runs <= 10, "300 rows are five blocks of vectors and five of codes"
    assert files(tmp_path / "b") == files(whole)


@pytest.mark.parametrize("name", ["manifest.json", "vectors.safetensors", "lat_lon.safetensors"])
def test_a_folder_of_something_else_is_refused_and_left_as_it_is(clustered, index_of, tmp_path, name):
    (tmp_path / name).write_text("{}")
    (tmp_path / ".x.1.tmp").touch()
    with pytest.raises(ConfigError, match=rf"holds {name} but no index\.json"):
        index_of(clustered(130), out=tmp_path)
    assert files(tmp_path).keys() == {name, ".x.1.tmp"}


def test_what_a_killed_run_was_writing_is_swept_and_nothing_else(clustered, index_of, tmp_path):
    for name in (".index.json.12.tmp", ".notes.tmp"):
        (tmp_path / name).touch()
    index_of(clustered(130), out=tmp_path)
    assert [path.name for path in tmp_path.glob(".*.tmp")] == [".notes.tmp"]


def test_a_damaged_checkpoint_is_not_loaded(clustered, index_of, monkeypatch, tmp_path):
    vectors = clustered(300)
    whole = index_of(vectors)
    out = tmp_path / "b"
    for _ in range(6):  # five blocks of vectors, two of codes
        index_of(vectors, out=out, stop_after_s=-1)
    assert list(out.glob("building/rows-*128-*.faiss"))
    for path in out.glob("building/rows-*.faiss"):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    monkeypatch.setattr(build, "read_body", lambda *_, **__: pytest.fail("it was loaded"))
    index_of(vectors, out=out)
    assert files(out) == files(whole)


def test_vectors_are_a_safetensors_file(clustered, index_of):
    vectors = clustered(130, 6)
    out = index_of(vectors)
    tensors = load_file(out / "vectors.safetensors")
    assert tensors.keys() == {"vectors"}
    assert torch.equal(tensors["vectors"], vectors.half())


def test_rows_are_asked_for_in_blocks_and_once(clustered, places, plan_of, tmp_path, monkeypatch):
    monkeypatch.setattr(build, "_BLOCK_ROWS", 50)
    vectors, asked = clustered(130), []

    def read(rows):
        asked.append((rows.start, rows.stop))
        return vectors[rows]

    source, said = build.Unindexed(places(130), read), []
    assert build.build_index(source, tmp_path, plan_of(vectors), report=said.append)
    assert asked == [(0, 50), (50, 100), (100, 130)]
    assert said[0].startswith("vectors: 130 of 130 rows")
    assert len(open_index(tmp_path)) == 130
