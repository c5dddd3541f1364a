"""Model folders that were tampered with, and commands that meet them."""

import hashlib
import json
import shutil

import pytest

from graticule.cli import main


def resigned(folder, name, data):
    """Replace a file of a folder, and make the manifest agree: what a forger can do."""
    (folder / name).write_bytes(data)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][name] = hashlib.sha256(data).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))


def forget_encoder(folder):
    """Let a model's settings say nothing of its encoder's weights, as those of early versions do."""
    config = json.loads((folder / "config.json").read_text())
    del config["encoder_digest"]
    resigned(folder, "config.json", json.dumps(config).encode())


def copy_of(folder, to):
    """A folder to tamper with, anew if there was one; gives its path."""
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(folder, to)
    return to


def told(capsys, *arguments):
    """Run the command line; gives exit status and stderr."""
    with pytest.raises(SystemExit) as leaving:
        main([str(argument) for argument in arguments])
    return leaving.value.code or 0, capsys.readouterr().err


def refused(capsys, said, *arguments):
    """See that a command ends with a sentence that holds `said`, and with status 2.

    Status 1 would be answers with refusals among them, 3 a fault in Graticule.
    """
    status, line = told(capsys, *arguments)
    assert said in line
    assert status == 2, line
    assert "Traceback" not in line
