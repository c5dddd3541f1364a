"""Every published layout, extracted by a process that is killed outright, ends as it does unharmed, to the bit."""

import json
import signal
from pathlib import Path

import pytest

from graticule.data.orbit.folder import render_folder
from killing import told_by

VIEWS = 15
SETS = [
    ("folder", "folder", "-", VIEWS),
    ("im2gps", "im2gps3k", "-", VIEWS),
    ("yfcc4k", "yfcc4k", "-", VIEWS),
    ("mp16", "mp16", "-", VIEWS),
    ("osv5m", "osv5m", "train", VIEWS * 4 // 5),
]


def in_parts(folder):
    """The tar as MP-16 has it: cut anywhere."""
    [tar] = folder.glob("*.tar")
    data = tar.read_bytes()
    for number in range(3):
        part = data[number * len(data) // 3 : (number + 1) * len(data) // 3]
        (folder / f"{tar.stem}{number:02d}").write_bytes(part)
    tar.unlink()


@pytest.mark.parametrize(("layout", "source", "split", "pictures"), SETS, ids=[s[0] for s in SETS])
def test_a_killed_extraction_ends_where_an_unharmed_one_does(
    mosaic_file, encoder, contents, tmp_path, layout, source, split, pictures
):
    render_folder(mosaic_file, tmp_path / "set", views=VIEWS, seed=2, size=16, layout=layout)
    if layout == "mp16":
        in_parts(tmp_path / "set")
    script = Path(__file__).with_name("killed_layouts.py")
    lines = told_by(script, source, split, tmp_path / "set", encoder, tmp_path, 1, timeout=3600)
    assert {moment.partition(":")[0] for moment, *_ in lines} == {"write", "picture"}
    whole = contents(tmp_path / "whole")
    assert sum(entry["rows"] for entry in whole["ledger"]) == pictures
    shards = json.loads((tmp_path / "whole.made").read_text())
    for moment, *told in lines:
        kind, _, number = moment.partition(":")
        ended, left, made = map(int, told)
        assert (ended, left) == (signal.SIGKILL, 1 if kind == "write" else 0), moment
        if kind == "picture":
            assert made == shards - int(number) // 4, "what was finished is not made again"
        folder = tmp_path / f"{kind}-{number}"
        assert not list(folder.glob(".*.tmp"))
        assert contents(folder) == whole, moment
