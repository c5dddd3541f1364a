"""The command line as a whole: quick help, no traceback by accident, one on demand."""

import io
import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import graticule
from graticule.errors import GraticuleError


def test_help_imports_nothing_heavy():
    script = (
        "import sys\n"
        "from graticule.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit as leaving:\n    assert not leaving.code\n"
        "heavy = {'torch', 'numpy', 'PIL', 'matplotlib', 'pydantic'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    source = Path(graticule.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(source)},
    )
    assert done.returncode == 0, done.stderr
    assert "locate" in done.stdout


@pytest.mark.parametrize(
    "command",
    [
        *(
            "locate",
            "evaluate",
            "extract",
            "index",
            "align",
            "fit",
            "reward",
            "calibrate",
            "variogram",
            "demo",
        ),
        *("models list", "orbit render", "data check", "train orbit", "train geotoken"),
    ],
)
def test_every_command_explains_itself(run, command):
    status, out, _ = run(*command.split(), "--help")
    assert status == 0
    assert "Usage: graticule" in out


def test_a_wrong_command_is_named(run):
    status, _, err = run("lokate")
    assert status == 2
    assert "lokate" in err


def test_version(run):
    status, out, _ = run("--version")
    assert status == 0
    assert out.startswith("graticule")


def raising(error):
    def load(_, **options):
        raise error

    return load


def test_an_error_on_purpose_has_no_traceback(run, locator, monkeypatch):
    monkeypatch.setattr(locator.Geolocator, "load", raising(GraticuleError("it is so.")))
    assert run("locate", "--model", "orbit", "x.png") == (2, "", "graticule: it is so.\n")


def test_an_unexpected_error_is_short_unless_asked(run, locator, monkeypatch):
    monkeypatch.setattr(locator.Geolocator, "load", raising(ZeroDivisionError("oh")))
    status, _, err = run("locate", "--model", "orbit", "x.png")
    assert status == 3
    assert "unexpected ZeroDivisionError: oh" in err
    assert "Traceback" not in err
    located = ["locate", "--model", "orbit", "x.png"]
    for arguments in (["--debug", *located], [*located, "--debug"]):
        status, _, err = run(*arguments)
        assert status == 3
        assert "Traceback" in err


READ = """
import sys
from graticule import cli
from graticule.images.batches import read_batches, walk
if sys.argv[2] == "prepared":
    cli._prepare_streams()
for batch in read_batches(walk(sys.argv[1]), 8):
    print(len(batch))
"""


def test_what_pillow_says_of_damaged_pictures_is_not_shown(tmp_path):
    """In a process of its own, for pytest listens to logs and warnings."""
    written = io.BytesIO()
    Image.new("RGB", (8, 8)).save(written, "TIFF")
    samples = struct.pack("<HHI", 277, 3, 1)  # how many numbers a pixel has: three, and now 300
    lying = written.getvalue().replace(samples + b"\3\0", samples + struct.pack("<H", 300))
    (tmp_path / "samples.tif").write_bytes(lying)
    cut_short = b"Exif\0\0II*\0" + struct.pack("<IHHHII", 8, 9, 271, 2, 5000, 90)
    Image.new("L", (8, 8)).save(tmp_path / "exif.jpg", exif=cut_short)

    def said(prepared):
        done = subprocess.run(
            [sys.executable, "-c", READ, tmp_path, prepared], capture_output=True, text=True, check=True
        )
        assert done.stdout == "2\n"
        return done.stderr

    assert "UserWarning" in said("")
    assert "samples per pixel" in said("")
    assert said("prepared") == ""
