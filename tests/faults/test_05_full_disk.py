"""Fault 5: where nothing more can be written the user is told, and what was there stays as it was."""

import os
import resource
import shutil
import subprocess
import sys
from contextlib import contextmanager

import pytest
import torch
from safetensors.torch import load_file, save_file

from faults.fault import Fault
from faults.folders import told
from faults.small import toy_run
from graticule.errors import InputError
from graticule.output import files as output_files
from graticule.training import checkpoint

FAULT = Fault(
    number=5,
    fault="disk full, read-only folder",
    defence="files are written beside their place and renamed; the operating system's refusal is told with the path "
    "and what to do (output/files.py, store.py, extract/plan.py, training/checkpoint.py)",
)
LIMITS = (0, 100, 300)
"""Bytes of a file that fit on the disk: none, less than a header, less than a table."""


@contextmanager
def full_disk(size):
    """The kernel refuses to let any file grow beyond so many bytes while the block runs."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def contents(folder):
    """Name -> bytes of what can be seen in a folder."""
    return {path.name: path.read_bytes() for path in folder.glob("[!.]*") if path.is_file()}


def with_truth(pictures, folder):
    """A copy of the pictures with the table of their places; gives its path."""
    shutil.copytree(pictures[0].parent, folder)
    shutil.copy(pictures[0].parents[1] / "truth.csv", folder)
    return folder


def check_output(kind, small_folder, pictures, tmp_path, capsys):
    """`locate --output` says that the disk is full, leaves the old file, and ends well once there is room."""
    out = tmp_path / f"out.{kind}"
    command = ("locate", *pictures[:4], "--model", small_folder, "--no-places", "--output", out)
    for limit in LIMITS:
        out.write_bytes(b"before")
        with full_disk(limit):
            status, line = told(capsys, *command)
        assert status == 2, line
        assert str(out) in line
        assert "Traceback" not in line
        assert out.read_bytes() == b"before"
        assert not [path.name for path in tmp_path.glob(".*.tmp")]
    status, line = told(capsys, *command)
    assert status == 0, line
    assert out.stat().st_size > max(LIMITS)
    return len(LIMITS)


def check_folder(command, out, whole, capsys):
    """A command that fills a folder says that the disk is full, and with room goes on to the same files."""
    for limit in LIMITS:
        before = contents(out) if out.exists() else {}
        with full_disk(limit):
            status, line = told(capsys, *command, "--out", out)
        assert status == 2, line
        assert str(out) in line
        assert "Traceback" not in line
        assert before.items() <= contents(out).items(), "what was finished is kept"
    status, line = told(capsys, *command, "--out", out)
    assert status == 0, line
    assert told(capsys, *command, "--out", whole)[0] == 0
    assert not list(out.glob(".*.tmp"))
    found, expected = ({n: d for n, d in contents(f).items() if n != "ledger.jsonl"} for f in (out, whole))
    assert found == expected
    return len(LIMITS)


def check_training(folder):
    """A run says so too, and its last checkpoint is as it was."""
    toy_run(folder, stop_after_s=-1)
    before = (folder / "checkpoint.safetensors").read_bytes()
    for limit in (0, 100, 2000):
        with full_disk(limit), pytest.raises(InputError, match=rf"^{folder}/.*can't be written.*make room"):
            toy_run(folder)
        assert (folder / "checkpoint.safetensors").read_bytes() == before
    return 3


@pytest.mark.parametrize("kind", ["csv", "jsonl", "geojson", "kml", "parquet"])
def test_answers_that_do_not_fit(kind, small_folder, pictures, tmp_path, capsys, record_property):
    record_property("inputs", check_output(kind, small_folder, pictures, tmp_path, capsys))


def test_features_and_an_index_that_do_not_fit(
    small_folder, pictures, tmp_path, capsys, monkeypatch, record_property
):
    source = with_truth(pictures, tmp_path / "source")
    extract = ("extract", "folder", source, "--encoder", small_folder, "--shard-rows", 5)
    tried = check_folder(extract, tmp_path / "features", tmp_path / "whole", capsys)
    tried += check_folder(("index", tmp_path / "whole"), tmp_path / "index", tmp_path / "indexed", capsys)
    record_property("inputs", tried)


# TensorBoard's own thread says it as well.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_checkpoint_that_does_not_fit(tmp_path, record_property):
    tried = check_training(tmp_path / "run")
    task, _ = toy_run(tmp_path / "run")
    assert len(task.seen) == 7
    toy_run(tmp_path / "whole")
    found, whole = (load_file(tmp_path / name / "checkpoint.safetensors") for name in ("run", "whole"))
    assert all(found[name].equal(tensor) for name, tensor in whole.items())
    record_property("inputs", tried)


# Root may write anywhere, unless it gives that up.
UNPRIVILEGED = ["setpriv", "--bounding-set=-dac_override"] if os.geteuid() == 0 else []


@pytest.mark.skipif(UNPRIVILEGED != [] and shutil.which("setpriv") is None, reason="root may write anywhere")
@pytest.mark.parametrize("command", ["locate", "extract", "index", "align"])
def test_a_folder_that_may_not_be_written_to(command, small_folder, pictures, tmp_path):
    closed, features = tmp_path / "closed", tmp_path / "features"
    features.mkdir()
    save_file(
        {"features": torch.zeros(4, 8).half(), "lat_lon": torch.zeros(4, 2, dtype=torch.float64)},
        features / "shard-00000000.safetensors",
    )
    source = with_truth(pictures, tmp_path / "source")
    closed.mkdir()
    (closed / "out.csv").write_text("before")
    closed.chmod(0o555)
    arguments = {
        "locate": (pictures[0], "--model", small_folder, "--output", closed / "out.csv"),
        "extract": ("folder", source, "--encoder", small_folder, "--out", closed),
        "index": (features, "--out", closed),
        "align": (features, "--out", closed),
    }[command]
    done = subprocess.run(
        [*UNPRIVILEGED, sys.executable, "-m", "graticule", command, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 2, done.stderr
    assert str(closed) in done.stderr
    assert "Traceback" not in done.stderr
    assert contents(closed) == {"out.csv": b"before"}


def test_without_the_defence_an_old_file_is_spoilt(small_folder, pictures, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(output_files, "is_stream", lambda path: True)  # what is written in place
    with pytest.raises(AssertionError):
        check_output("csv", small_folder, pictures, tmp_path, capsys)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_without_the_defence_a_checkpoint_is_spoilt(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "write_whole", lambda path, data: path.write_bytes(data))
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        check_training(tmp_path)
