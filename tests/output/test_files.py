"""Files are written whole or not at all."""

import errno
import os
from pathlib import Path

import pytest

from graticule.errors import InputError
from graticule.output.files import atomic_bytes, atomic_text, is_stream, sweep_for


def test_a_file_is_whole_or_as_before(tmp_path):
    path = tmp_path / "out.jsonl"
    path.write_text("before")
    with pytest.raises(RuntimeError), atomic_text(path) as stream:  # noqa: PT012
        stream.write("half")
        stream.flush()
        assert path.read_text() == "before"
        raise RuntimeError
    assert path.read_text() == "before"
    with atomic_text(path) as stream:
        stream.write("after \udce9")
    assert path.read_text() == "after \\udce9", "a name that is no text is escaped"
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.jsonl"], "no temporaries stay"


def test_a_link_keeps_pointing_and_a_device_is_not_replaced(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with atomic_text(tmp_path / "link") as stream:
        stream.write("x")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "x"


def test_a_pipe_without_a_name_is_written_to():
    """What /dev/stdout is in `graticule locate ... --output /dev/stdout | less`."""
    reader, writer = os.pipe()
    with atomic_text(Path(f"/dev/fd/{writer}")) as stream:
        stream.write("x")
    os.close(writer)
    assert os.read(reader, 10) == b"x"
    os.close(reader)


def test_where_nothing_can_be_written(tmp_path):
    for path in (tmp_path, tmp_path / "no" / "folder.csv"):
        with pytest.raises(InputError, match=str(path)), atomic_text(path):
            pass


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path):
    path = tmp_path / "out.csv"
    path.write_text("before")
    with pytest.raises(InputError, match="disk is full"), atomic_text(path):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert path.read_text() == "before"
    with pytest.raises(OSError, match="other"), atomic_text(path):
        raise OSError(errno.EINVAL, "other")


def test_bytes_come_as_they_are(tmp_path):
    with atomic_bytes(tmp_path / "out") as stream:
        stream.write(b"\xff\x00")
    assert (tmp_path / "out").read_bytes() == b"\xff\x00"


def test_a_device_is_a_stream_and_a_file_or_nothing_is_not(tmp_path):
    (tmp_path / "file").touch()
    assert [is_stream(path) for path in (tmp_path / "file", tmp_path / "gone")] == [False, False]
    fifo = tmp_path / "pipe"
    os.mkfifo(fifo)
    assert is_stream(fifo)


def test_only_what_killed_runs_left_of_this_file_is_swept(tmp_path):
    kept = [
        ".out.csv.tmp",
        ".out.csv.12x.tmp",
        ".other.csv.12.tmp",
        ".out.csv.part.12.tmp",
        "out.csv",
        ".xout.csv.1.tmp",
    ]
    for name in [*kept, ".out.csv.12.tmp", ".out.csv.99999.tmp"]:
        (tmp_path / name).touch()
    sweep_for(tmp_path / "out.csv")
    assert {path.name for path in tmp_path.iterdir()} == set(kept)
