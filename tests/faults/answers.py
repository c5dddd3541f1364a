"""What the command line says of pictures, as data."""

import json

import pytest

from graticule.cli import main


def located(capsys, model, *paths):
    """Run `graticule locate`; gives the exit status, a record a picture, and stderr."""
    with pytest.raises(SystemExit) as leaving:
        main(["locate", *map(str, paths), "--model", str(model), "--no-places", "--format", "jsonl"])
    said = capsys.readouterr()
    return leaving.value.code or 0, [json.loads(line) for line in said.out.splitlines()], said.err


def refused_alone(capsys, model, bad, good):
    """Why each of some pictures is refused, once it is seen that the one among them that is good is answered."""
    half = len(bad) // 2
    status, records, err = located(capsys, model, *bad[:half], good, *bad[half:])
    assert "Traceback" not in err
    assert status == 1
    assert [record["path"] for record in records] == [str(path) for path in (*bad[:half], good, *bad[half:])]
    assert "latitude" in records.pop(half)
    assert not [record["path"] for record in records if "latitude" in record]
    errors = [record["error"] for record in records]
    assert {error["type"] for error in errors} == {"PictureError"}
    return [error["message"] for error in errors]
