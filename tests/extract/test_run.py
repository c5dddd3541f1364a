"""From a source to a folder of features: rows keep their pictures, and a stopped run goes on."""

import errno
import json
import os
import random

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from graticule.errors import ConfigError, InputError, PictureError
from graticule.extract import shard
from graticule.extract.encoder import find_encoder
from graticule.images.open import open_picture, square_pixels
from graticule.lock import locked
from graticule.training.shards import read_names, read_records

COUNT, SHARD_ROWS = 21, 8
REFUSED = (5, 13)
GOOD = [number for number in range(COUNT) if number not in REFUSED]


def features(folder):
    shards = [load_file(path)["features"] for path in sorted(folder.glob("shard-*.safetensors"))]
    return torch.cat(shards).float()


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_folder_holds_what_its_form_says(extract, tmp_path, pictures, encoder):
    outcome = extract(tmp_path)
    assert (outcome.records, outcome.done, outcome.refused, outcome.made) == (COUNT, COUNT, 2, 3)
    assert outcome.finished
    plan = json.loads((tmp_path / "extract.json").read_text())
    assert plan == {
        "format": 1,
        "source": "toy",
        "path": str(pictures),
        "split": None,
        "encoder": encoder,
        "encoder_digest": find_encoder(encoder).digest,
        "width": 12,
        "records": COUNT,
        "shard_rows": SHARD_ROWS,
    }
    records = pq.read_table(tmp_path / "records.parquet")
    assert records["row"].to_pylist() == list(range(COUNT))
    assert records.drop_columns("row").equals(pq.read_table(pictures / "places.parquet"))
    names = [f"shard-{number:08d}" for number in range(3)]
    endings = ("parquet", "safetensors", "txt")
    assert sorted(path.name for path in tmp_path.glob("shard-*")) == [
        f"{name}.{ending}" for name in names for ending in endings
    ]
    for number, name in enumerate(names):
        rows = [row for row in GOOD if row // SHARD_ROWS == number]
        tensors = load_file(tmp_path / f"{name}.safetensors")
        assert tensors.keys() == {"features", "lat_lon", "row"}
        assert (tensors["features"].dtype, tensors["features"].shape) == (torch.float16, (len(rows), 12))
        assert (tensors["row"].dtype, tensors["row"].tolist()) == (torch.int64, rows)
        assert tensors["lat_lon"].dtype == torch.float64
        assert tensors["lat_lon"].tolist() == [[row - 10.0, 7.0 * row] for row in rows]
        assert pq.read_table(tmp_path / f"{name}.parquet").equals(records.take(rows))
    refused = lines(tmp_path / "refused.jsonl")
    assert [(line["row"], line["id"]) for line in refused] == [(5, "id5"), (13, "id13")]
    assert all(f"p{line['row']:02d}.png" in line["error"] for line in refused)
    entries = lines(tmp_path / "ledger.jsonl")
    assert [(e["shard"], e["rows"], e["refused"]) for e in entries] == [(0, 7, 1), (1, 7, 1), (2, 5, 0)]
    assert all(entry["seconds"] > 0 for entry in entries)


def test_what_was_written_can_be_learned_from(extract, tmp_path):
    extract(tmp_path)
    assert len(read_records(tmp_path)) == len(GOOD)
    assert read_names(tmp_path) == ["Sankt Pölten, Austria" if row % 2 else "" for row in GOOD]


def test_features_are_the_encoders_of_that_very_picture(extract, tmp_path, pictures, encoder):
    extract(tmp_path)
    opened = find_encoder(encoder).open()
    pixels = np.stack(
        [square_pixels(open_picture(pictures / f"p{row:02d}.png"), opened.size) for row in GOOD]
    )
    expected = torch.cat([opened.encode(torch.from_numpy(one[None])) for one in pixels])
    torch.testing.assert_close(features(tmp_path), expected, atol=2e-3, rtol=1e-3)


@pytest.mark.parametrize("settings", [{"ahead": 1, "workers": 1}, {"ahead": 9, "workers": 5}])
def test_no_setting_of_a_run_changes_a_bit(extract, tmp_path, whole, contents, settings):
    extract(tmp_path / "other", **settings)
    assert contents(tmp_path / "other") == whole


@pytest.mark.parametrize("settings", [{"ahead": 1}, {"ahead": 99}, {"stop_after_s": 0}])
def test_blocks_have_the_shape_that_the_rows_say(extract, tmp_path, monkeypatch, settings):
    encode, sizes = shard._encode, []

    def told(encoder, decoded):
        sizes.append(len(decoded))
        return encode(encoder, decoded)

    monkeypatch.setattr(shard, "BLOCK", 4)
    monkeypatch.setattr(shard, "_encode", told)
    while not extract(tmp_path, shard_rows=10, **settings).finished:
        pass
    assert sizes == [4, 4, 2, 4, 4, 2, 1]


def test_neither_threads_nor_what_is_refused_beside_it_changes_a_picture(
    extract, tmp_path, own_pictures, monkeypatch
):
    """Blocks keep their shape, and products of matrices of one shape round in one way."""
    monkeypatch.setattr(shard, "BLOCK", 4)
    extract(tmp_path / "before", path=own_pictures, limit=12)
    (own_pictures / "p09.png").write_bytes(b"")
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    try:
        extract(tmp_path / "after", path=own_pictures, limit=12)
    finally:
        torch.set_num_threads(threads)
    kept = torch.tensor([row != 9 for row in GOOD if row < 12])
    assert torch.equal(features(tmp_path / "before")[kept], features(tmp_path / "after"))


def test_a_second_run_does_nothing(extract, tmp_path, monkeypatch):
    extract(tmp_path)
    state = {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in tmp_path.glob("[!.]*")}
    shard._opened.cache_clear()
    monkeypatch.setattr(shard, "_opened", None)  # an encoder that is asked for would fail
    told = []
    outcome = extract(tmp_path, progress=lambda done, total: told.append((done, total)))
    assert (outcome.made, outcome.finished, outcome.refused) == (0, True, 2)
    assert told == [(COUNT, COUNT)]
    assert state == {p.name: (p.stat().st_ino, p.stat().st_mtime_ns) for p in tmp_path.glob("[!.]*")}


def test_time_up_stops_after_a_shard_and_a_rerun_goes_on(extract, tmp_path, whole, contents):
    folder = tmp_path / "parts"
    outcomes = [extract(folder, stop_after_s=0) for _ in range(3)]
    assert [(outcome.done, outcome.finished) for outcome in outcomes] == [(8, False), (16, False), (21, True)]
    assert contents(folder) == whole


def test_a_deleted_shard_is_made_again_and_no_other(extract, tmp_path, whole, contents):
    folder = tmp_path / "mended"
    extract(folder)
    (folder / "shard-00000001.safetensors").unlink()
    assert extract(folder).made == 1
    assert contents(folder) == whole


def test_progress_counts_pictures(extract, tmp_path, monkeypatch):
    monkeypatch.setattr(shard, "BLOCK", 3)
    told = []
    extract(tmp_path, progress=lambda done, total: told.append((done, total)))
    assert {total for _, total in told} == {COUNT}
    done = [done for done, _ in told]
    assert done == sorted(done)
    assert set(done) == {0, 3, 6, 8, 11, 14, 16, 19, 21}


def test_limit_takes_the_first(extract, tmp_path):
    assert extract(tmp_path, limit=9).records == 9
    assert len(read_records(tmp_path)) == 8
    with pytest.raises(ConfigError, match=r"records was 9 and is 21 now.*--limit"):
        extract(tmp_path)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"source": "other"}, "source was 'toy' and is 'other' now"),
        ({"split": "test"}, "split was None and is 'test' now"),
        ({"shard_rows": 9}, "shard_rows was 8 and is 9 now"),
    ],
)
def test_other_settings_are_refused(extract, tmp_path, changed, message):
    extract(tmp_path, stop_after_s=0)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(ConfigError, match=message):
        extract(tmp_path, **changed)
    assert before == {path.name: path.read_bytes() for path in tmp_path.iterdir()}


def test_another_encoder_is_refused(extract, tmp_path, encoder, other_encoder):
    extract(tmp_path / "out", stop_after_s=0)
    with pytest.raises(ConfigError, match=r"extract\.json: encoder_digest was"):
        extract(tmp_path / "out", encoder=other_encoder)


def test_an_encoder_that_moved_is_the_same(extract, tmp_path, encoder, whole, contents):
    folder = tmp_path / "out"
    extract(folder, stop_after_s=0)
    (tmp_path / "moved").mkdir()
    for path in os.scandir(encoder):
        os.link(path.path, tmp_path / "moved" / path.name)
    assert extract(folder, encoder=str(tmp_path / "moved")).finished
    found = contents(folder)
    assert json.loads(found.pop("extract.json"))["encoder"] == str(tmp_path / "moved")
    assert found == {name: data for name, data in whole.items() if name != "extract.json"}


@pytest.mark.parametrize("change", ["id", "place", "fewer", "column"])
def test_a_changed_source_is_refused(extract, tmp_path, own_pictures, change):
    extract(tmp_path / "out", path=own_pictures)
    table = pq.read_table(own_pictures / "places.parquet")
    rows = table.to_pylist()
    if change == "id":
        rows[17]["id"] = "new"
    elif change == "place":
        rows[17]["latitude"] += 1e-9
    table = table.from_pylist(rows, table.schema)
    if change == "fewer":
        table = table.slice(1)
    elif change == "column":
        table = table.drop_columns("author")
    pq.write_table(table, own_pictures / "places.parquet")
    expected = {"fewer": "records was 21 and is 20 now", "column": "its columns is not as it was"}
    name = "new" if change == "id" else "id17"
    with pytest.raises(ConfigError, match=expected.get(change, f"record 17, {name}, is not as it was")):
        extract(tmp_path / "out", path=own_pictures)


def test_a_source_at_another_path_is_refused(extract, tmp_path, own_pictures):
    extract(tmp_path / "out")
    with pytest.raises(ConfigError, match=r"path was .* write its new path there"):
        extract(tmp_path / "out", path=own_pictures)


def test_a_file_that_vanishes_stops_the_run(extract, tmp_path, own_pictures, contents):
    """A disk that comes loose must not leave a folder full of refusals."""
    (own_pictures / "p18.png").rename(own_pictures / "gone")
    with pytest.raises(InputError, match=r"p18\.png.*bring it back"):
        extract(tmp_path / "out", path=own_pictures)
    assert [entry["shard"] for entry in lines(tmp_path / "out" / "ledger.jsonl")] == [0, 1]
    (own_pictures / "gone").rename(own_pictures / "p18.png")
    assert extract(tmp_path / "out", path=own_pictures).made == 1


@pytest.mark.parametrize("failing", ["disk", "memory"])
def test_a_machine_that_fails_stops_the_run_and_refuses_no_picture(
    extract, tmp_path, monkeypatch, whole, contents, failing
):
    read = shard.open_picture if failing == "memory" else shard.read_picture

    def fails(*args, **named):
        if "p18.png" in (named.get("name") or args[1]["container"]):
            if failing == "disk":
                raise InputError("p18.png: can't be read now")
            raise PictureError("p18.png: damaged") from MemoryError()
        return read(*args, **named)

    with monkeypatch.context() as patch:
        patch.setattr(shard, "open_picture" if failing == "memory" else "read_picture", fails)
        with pytest.raises(InputError, match=r"p18\.png: (can't be read now|the memory)"):
            extract(tmp_path / "out")
    assert [entry["shard"] for entry in lines(tmp_path / "out" / "ledger.jsonl")] == [0, 1]
    assert extract(tmp_path / "out").made == 1
    assert contents(tmp_path / "out") == whole


def test_features_that_are_no_numbers_are_refused(extract, tmp_path, monkeypatch):
    encode = shard._encode

    def encode_one_to_nothing(encoder, decoded):
        features = encode(encoder, decoded)
        features[2] = torch.nan
        return features

    monkeypatch.setattr(shard, "_encode", encode_one_to_nothing)
    extract(tmp_path)
    assert [line["row"] for line in lines(tmp_path / "refused.jsonl")] == [2, 5, 10, 13, 18]
    assert len(read_records(tmp_path)) == COUNT - 5


def test_a_shard_of_refusals_alone_is_finished_all_the_same(extract, tmp_path, own_pictures):
    for number in range(8, 16):
        (own_pictures / f"p{number:02d}.png").write_bytes(b"no")
    assert extract(tmp_path / "out", path=own_pictures).refused == 9
    assert len(read_records(tmp_path / "out")) == COUNT - 9


def test_one_corrupt_picture_of_a_thousand(extract, tmp_path, own_pictures):
    """Of 1,000 the one is refused and 999 have features, each its own."""
    table = pq.read_table(own_pictures / "places.parquet")
    [row] = table.slice(0, 1).to_pylist()
    rows = [row | {"id": str(number), "container": f"{number % 4}.png"} for number in range(1000)]
    for number, colour in enumerate(((9, 9, 9), (250, 0, 0), (0, 250, 0), (0, 0, 250))):
        Image.new("RGB", (16, 16), colour).save(own_pictures / f"{number}.png")
    rows[777]["container"] = "p13.png"
    pq.write_table(table.from_pylist(rows, table.schema), own_pictures / "places.parquet")
    outcome = extract(tmp_path / "out", path=own_pictures, shard_rows=300)
    assert (outcome.done, outcome.refused) == (1000, 1)
    found = features(tmp_path / "out")
    kinds = torch.tensor([number % 4 for number in range(1000) if number != 777])
    nearest = torch.cdist(found, found[:4]).argmin(1)
    assert torch.equal(nearest, kinds)


def test_stale_temporaries_are_swept(extract, tmp_path):
    (tmp_path / ".shard-00000001.parquet.12.tmp").write_bytes(b"half")
    (tmp_path / ".notes.tmp").write_bytes(b"somebody's own")
    extract(tmp_path)
    assert [path.name for path in tmp_path.glob(".*.tmp")] == [".notes.tmp"]


def test_nothing_is_swept_from_a_folder_that_is_refused(extract, tmp_path):
    for name in ("shard-00000000.safetensors", ".x.1.tmp"):
        (tmp_path / name).touch()
    with pytest.raises(InputError, match=r"no extract\.json"):
        extract(tmp_path)
    assert (tmp_path / ".x.1.tmp").exists()


@pytest.mark.parametrize("number", sorted(random.Random(0).sample(range(16), 5)))
def test_a_full_disk_surfaces_and_leaves_what_was_there(
    extract, tmp_path, whole, contents, monkeypatch, number
):
    """16 files are written: two of the plan, three a shard, the refusals twice and the ledger thrice."""
    calls = iter(range(number))
    sync = os.fsync

    def full(file):
        if next(calls, None) is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(file)

    folder = tmp_path / "out"
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        InputError, match=r"out: can't be written to \(No space left on device\).*run the same"
    ):
        extract(folder)
    assert not list(folder.glob(".*.tmp"))
    for path in folder.glob("[!.]*"):
        expected = whole.get(path.name, path.read_bytes())
        assert path.read_bytes() == expected or path.name in ("ledger.jsonl", "refused.jsonl")
        assert path.read_bytes().endswith(b"\n") or path.suffix not in (".json", ".jsonl")
    monkeypatch.setattr(os, "fsync", sync)
    assert extract(folder).finished
    assert contents(folder) == whole


def test_a_read_only_folder_is_named(extract, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write everywhere
    with pytest.raises(InputError, match=r"out: nothing can be written"):
        extract(tmp_path / "out")


def test_two_runs_in_one_folder_are_refused(extract, tmp_path):
    with locked(tmp_path), pytest.raises(InputError, match="another run is writing to it"):
        extract(tmp_path)
    assert extract(tmp_path).finished


def test_shards_of_something_else_are_not_mixed_in(extract, tmp_path):
    (tmp_path / "shard-000000005.safetensors").touch()
    with pytest.raises(InputError, match=r"holds shards but no extract\.json"):
        extract(tmp_path)


@pytest.mark.parametrize("name", ["extract.json", "records.parquet", "ledger.jsonl", "refused.jsonl"])
def test_damaged_files_are_named(extract, tmp_path, name):
    extract(tmp_path, stop_after_s=0)
    (tmp_path / name).write_bytes(b'{"format": 2}\n')
    with pytest.raises(InputError, match=name):
        extract(tmp_path)


def test_an_empty_source_is_refused(extract, tmp_path, own_pictures):
    table = pq.read_table(own_pictures / "places.parquet")
    pq.write_table(table.slice(0, 0), own_pictures / "places.parquet")
    with pytest.raises(InputError, match="no picture that can be used"):
        extract(tmp_path / "out", path=own_pictures)


@pytest.mark.parametrize("name", ["shard_rows", "limit", "ahead", "workers"])
def test_numbers_out_of_range_are_refused(extract, tmp_path, name):
    with pytest.raises(ConfigError, match=name):
        extract(tmp_path, **{name: 0})


def test_an_unknown_engine_is_refused(extract, tmp_path):
    with pytest.raises(ConfigError, match="'spark'; choose local or ray"):
        extract(tmp_path, engine="spark")
