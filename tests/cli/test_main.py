"""The command line as a whole: quick help, no traceback by accident, one on demand."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

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
