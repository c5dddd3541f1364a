"""`graticule write` at the command line: a dry run unless told otherwise, and back again."""

import json

import pytest
from PIL import Image

from graticule.metadata import run as running

PLACE = {"latitude": -43.1, "longitude": 5.25, "radius_km": 24.2, "candidates": [], "model": "orbit"}


@pytest.fixture
def archive(tmp_path, monkeypatch):
    """Three pictures, one of them with GPS, and results that name two more, one in a line that is torn."""
    monkeypatch.chdir(tmp_path)
    exif = Image.Exif()
    exif[0x8825] = {1: "N", 2: (53, 48, 0), 3: "E", 4: (11, 0, 0)}
    for name, options in (("a.jpg", {}), ("[red]b.jpg", {}), ("gps.jpg", {"exif": exif.tobytes()})):
        Image.new("RGB", (16, 16), "olive").save(tmp_path / name, **options)
    lines = [json.dumps({"path": name, **PLACE}) for name in ("a.jpg", "[red]b.jpg", "gps.jpg", "none.jpg")]
    (tmp_path / "results.jsonl").write_text("\n".join([*lines, '{"path": "c.jp']))
    return tmp_path


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_dry_run_says_what_would_be_done_and_does_nothing(run, archive):
    before = files(archive)
    status, out, err = run("write", "results.jsonl")
    assert status == 1, "something was refused"
    assert "[red]b.jpg" in out
    assert "43.1° S, 5.2° E" in out
    assert f"2 to be written, such as {archive / 'a.jpg.xmp'}\n" in out
    assert "1 left alone: its EXIF has GPS" in out
    assert "refused  none.jpg: no such file" in err
    assert "malformed  results.jsonl, line 5: is no JSON" in err
    assert "nothing was changed; --write writes" in err
    assert files(archive) == before


def test_written_and_taken_back(run, archive):
    before = files(archive)
    status, out, _ = run("write", "results.jsonl", "--write")
    assert status == 1
    assert "2 written" in out
    assert "To take it back: graticule write --undo results.write-journal.jsonl" in out
    assert files(archive) == sorted([*before, "a.jpg.xmp", "[red]b.jpg.xmp", "results.write-journal.jsonl"])
    status, out, _ = run("write", "--undo", "results.write-journal.jsonl")
    assert (status, out) == (0, "as before: 2 of 2 files that were changed\n")
    assert files(archive) == before


def test_interrupted_it_says_how_to_go_on_and_how_to_go_back(run, archive, monkeypatch):
    before = files(archive)
    good, calls = running.plan_sidecar, iter([False, True])

    def interrupted(*given):
        if next(calls):
            raise KeyboardInterrupt
        return good(*given)

    monkeypatch.setattr(running, "plan_sidecar", interrupted)
    status, _, err = run("write", "results.jsonl", "--write")
    assert status == 130
    assert "stopped; the same command goes on. To take it back: graticule write --undo results.write" in err
    assert "a.jpg.xmp" in files(archive)
    assert run("write", "--undo", "results.write-journal.jsonl")[0] == 0
    assert files(archive) == before


def test_json_has_everything(run, archive):
    status, out, _ = run("write", "results.jsonl", "--write", "--format", "json")
    told = json.loads(out)
    assert (status, told["dry_run"], told["journal"]) == (1, False, "results.write-journal.jsonl")
    assert [picture["action"] for picture in told["pictures"]] == ["write", "write", "leave", "refuse"]
    assert told["pictures"][0]["target"] == str(archive / "a.jpg.xmp")
    assert told["problems"] == [{"line": 5, "message": "is no JSON"}]
    (archive / "a.jpg.xmp").write_text("mine")
    status, out, _ = run("write", "--undo", "results.write-journal.jsonl", "--format", "json")
    assert status == 1
    assert [file["action"] for file in json.loads(out)["files"]] == ["undone", "refuse"]


def test_only_what_is_sure_enough(run, archive):
    _, out, _ = run("write", "results.jsonl", "--max-radius", "10", "--folder", archive)
    assert "4 left alone: its circle of 90 % is wider than 10 km" in out
    assert "0 to be written" in out
    _, out, _ = run("write", "results.jsonl", "--min-confidence", "0.8", "--radius", "30")
    assert "2 to be written" in out
    _, out, _ = run("write", "results.jsonl", "--reviewed-only")
    assert "4 left alone: not reviewed" in out


def test_long_lists_are_cut_with_a_total(run, archive):
    lines = [json.dumps({"path": f"{number}.jpg", **PLACE}) for number in range(50)]
    (archive / "results.jsonl").write_text("\n".join(lines))
    for number in range(25):
        Image.new("RGB", (4, 4)).save(archive / f"{number}.jpg")
    _, out, err = run("write", "results.jsonl", "--folder", archive)
    assert "and 5 more\n25 to be written, such as" in out
    assert "and 5 more; --format json has all" in err


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["results.jsonl", "--undo", "results.write-journal.jsonl"],
        ["results.jsonl", "--min-confidence", "0.5"],
        ["results.jsonl", "--radius", "5"],
        ["none.jsonl"],
        ["--undo", "none.jsonl"],
        ["a.jpg"],
    ],
)
def test_wrong_use_is_told_without_a_traceback(run, archive, arguments):
    before = files(archive)
    status, _, err = run("write", *arguments)
    assert status == 2
    assert "Traceback" not in err
    assert files(archive) == before
