"""Rows that stay on disk: the same numbers as in memory, and memory that does not grow with them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from graticule.alignment.location import LocationEncoderConfig
from graticule.alignment.spaces import SpacesAlignment, SpacesAlignmentConfig
from graticule.errors import InputError
from graticule.retrieval.build import Unindexed, build_index
from graticule.retrieval.exact import ExactIndexConfig
from graticule.retrieval.folder import NEIGHBOURS, IndexPlan
from graticule.store import ModelFolder, save_tensors, write_manifest
from graticule.training import shards
from graticule.training.shards import read_records
from graticule.training.stored import StoredRows, matrices, selected

SIZES = (3, 1, 0, 5)


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """(rows on disk in four files of four types, the same in memory)."""
    folder, parts, whole = tmp_path_factory.mktemp("stored"), [], []
    kinds = (torch.float16, torch.float32, torch.float16, torch.bfloat16)
    for number, (size, kind) in enumerate(zip(SIZES, kinds, strict=True)):
        tensor = torch.randn(size, 4, generator=torch.Generator().manual_seed(number)).to(kind)
        other = torch.arange(7, dtype=torch.int8)
        save_file({"a": other, "features": tensor, "z": other.clone()}, folder / f"{number}.safetensors")
        parts.append(matrices(folder / f"{number}.safetensors")["features"])
        whole.append(tensor.half())
    return StoredRows(parts), torch.cat(whole)


@settings(max_examples=50)
@given(rows=st.lists(st.integers(0, 8), max_size=12), chosen=st.lists(st.integers(0, 5), max_size=6))
def test_any_rows_in_any_order_are_those_in_memory(stored, rows, chosen):
    found, whole = stored
    rows = torch.tensor(rows, dtype=torch.int64)
    assert found.shape == (len(found), 4) == whole.shape
    assert torch.equal(found[rows], whole[rows])
    some = torch.tensor([8, 0, 3, 3, 4, 7])
    chosen = torch.tensor(chosen, dtype=torch.int64)
    for left in (found, whole):
        assert torch.equal(selected(left, some)[chosen], whole[some][chosen])
    assert torch.equal(found[2:5], whole[2:5])


def test_a_row_that_is_none_is_zeros(stored):
    found, whole = stored
    rows = StoredRows(found._parts, torch.tensor([-1, 8, -1, 0]))
    assert torch.equal(rows[:], torch.stack([torch.zeros(4), whole[8], torch.zeros(4), whole[0]]).half())


def test_a_digest_tells_other_numbers_and_other_rows(stored):
    found, _ = stored
    other = found.only(torch.tensor([1, 0, 2, 3, 4, 5, 6, 7, 8]))
    assert StoredRows(found._parts).digest() == found.digest() != other.digest()
    assert StoredRows(found._parts[::-1]).digest() != found.digest()


def test_blocks_come_in_order_whatever_their_size(stored, monkeypatch):
    found, whole = stored
    monkeypatch.setattr("graticule.training.stored._AT_ONCE", 2)
    assert torch.equal(torch.cat([block for part in found._parts for block in part.blocks()]), whole)


def test_a_file_that_is_cut_or_taken_away_while_in_use_is_named(tmp_path):
    path = tmp_path / "shard-0.safetensors"
    save_file({"features": torch.ones(6, 4)}, path)
    rows = StoredRows([matrices(path)["features"]])
    os.truncate(path, path.stat().st_size - 8)
    with pytest.raises(InputError, match=r"shard-0\.safetensors: has become shorter"):
        rows[:]
    path.unlink()
    with pytest.raises(InputError, match=r"shard-0\.safetensors: can't be read any more"):
        rows[:]


def write(folder, name, *, rows=40, width=4, text=None):
    lat_lon = torch.from_numpy(np.random.default_rng(rows).uniform((-60, -180), (75, 180), (rows, 2)))
    tensors = {"features": torch.ones(rows, width).half(), "lat_lon": lat_lon}
    save_file(tensors | ({} if text is None else {"text": text}), folder / name)


def test_shards_are_looked_through_once_and_again_when_they_change(tmp_path, monkeypatch):
    looked = []
    survey = shards._Shard.survey
    monkeypatch.setattr(
        shards._Shard, "survey", lambda shard: looked.append(shard.path.name) or survey(shard)
    )
    text = torch.zeros(40, 3).half()
    text[:7] = 1
    write(tmp_path, "shard-0.safetensors")
    write(tmp_path, "shard-1.safetensors", text=text)
    checked = tmp_path / "run" / "checked.json"
    first = read_records(tmp_path, checked=checked)
    again = read_records(tmp_path, checked=checked)
    assert looked == ["shard-0.safetensors", "shard-1.safetensors"]
    assert (first.digest, first.named) == (again.digest, again.named)
    assert first.named == 7
    assert not first.text[:40].any()
    write(tmp_path, "shard-0.safetensors", rows=41)
    changed = read_records(tmp_path, checked=checked)
    assert looked[2:] == ["shard-0.safetensors"]
    assert changed.digest != first.digest
    assert read_records(tmp_path).digest == changed.digest


def test_what_was_found_good_does_not_excuse_what_is_bad_now(tmp_path):
    checked = tmp_path / "run" / "checked.json"
    write(tmp_path, "shard-0.safetensors")
    read_records(tmp_path, checked=checked)
    broken = {"features": torch.full((40, 4), torch.nan), "lat_lon": torch.zeros(40, 2)}
    save_file(broken, tmp_path / "shard-0.safetensors")
    for _ in range(2):
        with pytest.raises(InputError, match="row 0 holds NaN"):
            read_records(tmp_path, checked=checked)


def index(folder):
    """An alignment of the folder's features to vectors half as wide, and an index of these, as training reads it."""
    records = read_records(folder)
    location = LocationEncoderConfig(sigmas=(1.0,), frequencies=8, hidden=16, layers=1, width=512)
    torch.manual_seed(0)
    alignment = SpacesAlignment(SpacesAlignmentConfig(feature_width=1024, hidden=8, location=location))
    alignment.save(folder / "alignment", about={}, card="")
    alignment = SpacesAlignment.from_folder(folder / "alignment")
    plan = IndexPlan(
        kind="exact",
        rows=len(records),
        width=512,
        encoder_digest=None,
        vectors="made up",
        features="",
        settings=ExactIndexConfig(),
    )
    source = Unindexed(records.lat_lon, lambda rows: alignment.images(records.features[rows].float()))
    build_index(source, folder / "index", plan, report=lambda line: None)
    # Any others will do for neighbours: to find the nearest would take hours here.
    near = torch.randint(len(records), (len(records), 4), dtype=torch.int32)
    digest = save_tensors(
        folder / "index" / NEIGHBOURS, {"rows": near, "similarities": torch.ones(near.shape).half()}
    )
    digests = ModelFolder(folder / "index").digests
    write_manifest(folder / "index", {**digests, NEIGHBOURS: digest})


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the processes that are measured are forked")
@pytest.mark.parametrize("what", ["align", "geotoken"])
def test_memory_does_not_grow_with_the_data(tmp_path, what):
    width, rows = 1024, 16_384
    for name, count in (("small", 1), ("large", 10)):
        (tmp_path / name).mkdir()
        for number in range(count):
            write(tmp_path / name, f"shard-{number}.safetensors", rows=rows, width=width)
        if what == "geotoken":
            index(tmp_path / name)
    size_mb = 9 * rows * width * 2 / 2**20 * (1.5 if what == "geotoken" else 1)
    source = Path(__file__).parents[2] / "src"
    # Left to itself glibc keeps blocks of up to 32 MB that were freed, now more of them and now fewer.
    steady = {"MALLOC_MMAP_THRESHOLD_": str(2**20), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [
            *(sys.executable, Path(__file__).with_name("memory_run.py"), what),
            *(tmp_path / "small", tmp_path / "large"),
        ],
        env={**os.environ, "PYTHONPATH": str(source), **steady},
        capture_output=True,
        text=True,
        check=False,
    )
    small_mb, large_mb = map(float, done.stdout.split())
    shutil.rmtree(tmp_path / "large")  # pytest keeps what tests leave
    assert size_mb > 280
    assert large_mb - small_mb < 0.15 * size_mb, done.stderr
