"""Sidecars: written where they should be, never over anything, and the pictures never touched."""

import errno
import json
import os
import resource
import signal
import subprocess
from pathlib import Path

import pytest

from graticule.errors import InputError
from graticule.metadata.decide import Rules
from graticule.metadata.journal import journal_path
from graticule.metadata.results import read_results
from graticule.metadata.run import Manner, write
from graticule.metadata.undo import undo
from graticule.metadata.xmp import EMPTY, has_position

LEEDS = (53, 48, 0)


@pytest.fixture
def written(tmp_path, save_results):
    """Writes results about the pictures of a folder; gives {path: outcome}."""

    def written(lines, *, manner=None, rules=None, dry_run=False):
        file = save_results(tmp_path / "results.jsonl", lines)
        manner = manner or Manner(tmp_path)
        return {
            outcome.path: outcome
            for outcome in write(read_results(file), rules or Rules(), manner, dry_run=dry_run)
        }

    return written


def test_a_dry_run_changes_nothing_and_tells_the_same(tmp_path, save_picture, line, written, snapshot):
    for name in ("a.jpg", "b.png"):
        save_picture(tmp_path / name)
    lines = [line("a.jpg"), line("b.png"), line("none.jpg"), line("b.png", latitude=1.0)]
    lines[3]["path"] = "c.jpg"
    save_picture(tmp_path / "c.jpg", latitude=LEEDS)
    dry = written(lines, dry_run=True)
    before = snapshot(tmp_path)
    assert set(before) == {"a.jpg", "b.png", "c.jpg", "results.jsonl"}
    wet = written(lines)
    assert [(o.path, o.action, o.why, o.target) for o in dry.values()] == [
        (o.path, o.action, o.why, o.target) for o in wet.values()
    ]
    assert [o.action for o in wet.values()] == ["write", "write", "refuse", "leave"]
    after = snapshot(tmp_path)
    assert {name: after[name] for name in before} == before, "pictures and results are as they were"
    assert set(after) - set(before) == {"a.jpg.xmp", "b.png.xmp", "results.write-journal.jsonl"}


@pytest.mark.parametrize(
    "name", ["a b.jpg", "-rf.jpg", "ä\udce9.jpg", "two\nlines.jpg", "$(x);'\".jpg", "a.b.jpg", "#[CSTR].jpg"]
)
def test_odd_names(tmp_path, save_picture, line, written, name):
    save_picture(tmp_path / name)
    assert written([line(name)])[name].action == "write"
    assert has_position((tmp_path / f"{name}.xmp").read_bytes())
    [gone] = undo(journal_path(tmp_path / "results.jsonl"))
    assert gone.action == "undone"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, "results.jsonl"])


def test_a_name_that_is_too_long_or_none_is_refused(tmp_path, save_picture, line, written):
    long = "a" * 251 + ".jpg"
    save_picture(tmp_path / long)
    outcomes = written([line(long), line("a\0.jpg"), line("a" * 300 + ".jpg"), line(".")])
    assert [outcome.action for outcome in outcomes.values()] == ["refuse"] * 4


def test_positions_are_left_alone_wherever_they_are(tmp_path, save_picture, line, written, snapshot):
    save_picture(tmp_path / "exif.jpg", latitude=LEEDS)
    save_picture(tmp_path / "xmp.jpg", xmp=b"<a exif:GPSLatitude='1,2N'/>")
    save_picture(tmp_path / "full.jpg")
    save_picture(tmp_path / "stem.jpg")
    (tmp_path / "full.jpg.xmp").write_text("broken, but it has exif:GPSLatitude")
    (tmp_path / "stem.xmp").write_text("broken, but it has exif:GPSLongitude")
    names = ["exif.jpg", "xmp.jpg", "full.jpg", "stem.jpg"]
    review = {"status": "moved", "latitude": 1.0, "longitude": 2.0}
    before = snapshot(tmp_path)
    for naming in ("full", "stem"):
        outcomes = written(
            [line(name, review=review) for name in names], manner=Manner(tmp_path, sidecars=naming)
        )
        assert {outcome.action for outcome in outcomes.values()} == {"leave"}, "whoever says otherwise"
    after = snapshot(tmp_path)
    assert {name: after[name] for name in before} == before
    assert set(after) - set(before) == {"results.jsonl"}, "no journal of nothing"


def test_gps_that_can_not_be_true_may_be_outdone_by_a_sidecar(tmp_path, save_picture, line, written):
    save_picture(tmp_path / "a.jpg", latitude=(0, 0, 0), longitude=(0, 0, 0))
    assert written([line("a.jpg")])["a.jpg"].action == "write"


def test_again_is_no_fault_and_changes_nothing(tmp_path, save_picture, line, written, snapshot):
    save_picture(tmp_path / "a.jpg")
    written([line("a.jpg")])
    before = (tmp_path / "a.jpg.xmp").read_bytes()
    again = written([line("a.jpg", latitude=7.0)])["a.jpg"]
    assert (again.action, again.why) == ("leave", "its sidecar has Graticule's estimate already")
    assert (tmp_path / "a.jpg.xmp").read_bytes() == before


def test_a_sidecar_of_another_program_gets_one_description_more(
    tmp_path, save_picture, line, written, snapshot
):
    save_picture(tmp_path / "a.jpg")
    theirs = EMPTY.replace(b"<rdf:RDF", b"<!-- theirs --><rdf:RDF")
    (tmp_path / "a.jpg.xmp").write_bytes(theirs)
    (tmp_path / "a.jpg.xmp").chmod(0o640)
    before = snapshot(tmp_path)
    written([line("a.jpg")])
    merged = snapshot(tmp_path)["a.jpg.xmp"]
    assert merged[1] == before["a.jpg.xmp"][1], "its permissions"
    assert b"<!-- theirs -->" in merged[2]
    assert has_position(merged[2])
    list(undo(journal_path(tmp_path / "results.jsonl")))
    assert snapshot(tmp_path)["a.jpg.xmp"] == before["a.jpg.xmp"]


def test_a_sidecar_that_is_no_xmp_or_no_file_is_refused(tmp_path, save_picture, line, written):
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        save_picture(tmp_path / name)
    (tmp_path / "a.jpg.xmp").write_text("my notes")
    (tmp_path / "elsewhere.txt").write_text("mine")
    (tmp_path / "b.jpg.xmp").symlink_to(tmp_path / "elsewhere.txt")
    (tmp_path / "c.jpg.xmp").mkdir()
    outcomes = written([line(name) for name in ("a.jpg", "b.jpg", "c.jpg")])
    assert [outcome.action for outcome in outcomes.values()] == ["refuse"] * 3
    assert "a.jpg.xmp: is no well-formed XMP" in outcomes["a.jpg"].why
    assert "a link" in outcomes["b.jpg"].why
    assert (tmp_path / "a.jpg.xmp").read_text() == "my notes"
    assert (tmp_path / "elsewhere.txt").read_text() == "mine"


def test_a_sidecar_in_capitals_is_a_sidecar(tmp_path, save_picture, line, written):
    for name in ("a.jpg", "b.jpg"):
        save_picture(tmp_path / name)
    (tmp_path / "a.jpg.XMP").write_text("exif:GPSLatitude")
    (tmp_path / "b.XMP").write_bytes(EMPTY)
    outcomes = written([line("a.jpg"), line("b.jpg")], manner=Manner(tmp_path, sidecars="stem"))
    assert outcomes["a.jpg"].why == "its sidecar has GPS"
    assert outcomes["b.jpg"].target == tmp_path / "b.XMP"
    assert has_position((tmp_path / "b.XMP").read_bytes())


def test_of_two_sidecars_that_differ_in_capitals_either_may_have_the_position(
    tmp_path, save_picture, line, written
):
    save_picture(tmp_path / "a.jpg")
    (tmp_path / "a.jpg.XMP").write_text("exif:GPSLatitude")
    (tmp_path / "a.jpg.xmp").write_bytes(EMPTY)
    assert written([line("a.jpg")])["a.jpg"].action == "leave"


def test_two_pictures_of_one_stem(tmp_path, save_picture, line, written):
    for name in ("a.jpg", "a.png", "b.jpg"):
        save_picture(tmp_path / name)
    lines = [line("a.jpg"), line("a.png"), line("b.jpg")]
    shared = written(lines, manner=Manner(tmp_path, sidecars="stem"), dry_run=True)
    assert [outcome.action for outcome in shared.values()] == ["refuse", "refuse", "write"]
    assert "a.xmp would be the sidecar of a.png too" in shared["a.jpg"].why
    assert shared["b.jpg"].target == tmp_path / "b.xmp"
    assert [outcome.target.name for outcome in written(lines).values()] == [
        "a.jpg.xmp",
        "a.png.xmp",
        "b.jpg.xmp",
    ]


def test_a_picture_listed_twice(tmp_path, save_picture, line, save_results):
    for name in ("a.jpg", "b.jpg"):
        save_picture(tmp_path / name)
    (tmp_path / "link").symlink_to(tmp_path)
    lines = [line("a.jpg"), line("a.jpg"), line("b.jpg"), line("link/b.jpg", latitude=9.0)]
    read = read_results(save_results(tmp_path / "results.jsonl", lines))
    outcomes = list(write(read, Rules(), Manner(tmp_path), dry_run=True))
    assert [outcome.action for outcome in outcomes] == ["write", "leave", "refuse", "refuse"]
    assert outcomes[1].why == "listed before, in line 1"
    assert "lines 3, 4" in outcomes[3].why


@pytest.mark.parametrize("record", [True, False])
def test_a_picture_that_changed_since_is_refused(tmp_path, save_picture, line, written, record):
    for name in ("same.jpg", "changed.jpg"):
        save_picture(tmp_path / name)
    lines = []
    for name in ("same.jpg", "changed.jpg"):
        status = (tmp_path / name).stat()
        state = {"bytes": status.st_size, "modified": status.st_mtime}
        lines.append(line(name, file=state) if record else line(name))
    later = (tmp_path / "changed.jpg").stat().st_mtime + 60
    os.utime(tmp_path / "changed.jpg", (later, later))
    outcomes = written(lines)
    assert outcomes["same.jpg"].action == "write"
    assert (outcomes["changed.jpg"].action, outcomes["changed.jpg"].why) == (
        "refuse",
        "changed since it was located. Locate it again.",
    )


def test_nothing_outside_the_folder_is_touched(tmp_path, save_picture, line, written, snapshot):
    inside, outside = tmp_path / "in", tmp_path / "out"
    for folder in (inside, outside):
        save_picture(folder / "a.jpg")
    (inside / "link").symlink_to(outside)
    paths = ["a.jpg", "../out/a.jpg", "link/a.jpg", str(outside / "a.jpg"), str(inside / "a.jpg")]
    outcomes = written([line(path) for path in paths[:4]], manner=Manner(inside))
    # The last three are the same picture, seen from three sides; all of them say the same.
    assert [outcomes[path].action for path in paths[:4]] == ["write", "refuse", "leave", "leave"]
    assert "lies outside" in outcomes["../out/a.jpg"].why
    assert set(snapshot(outside)) == {"a.jpg"}


def test_without_a_folder_paths_start_here(tmp_path, save_picture, line, written, monkeypatch):
    save_picture(tmp_path / "photos" / "a.jpg")
    monkeypatch.chdir(tmp_path)
    assert written([line("photos/a.jpg")], manner=Manner())["photos/a.jpg"].action == "write"
    list(undo(journal_path(tmp_path / "results.jsonl")))
    assert not (tmp_path / "photos" / "a.jpg.xmp").exists()


def test_a_private_picture_has_a_private_sidecar(tmp_path, save_picture, line, written):
    save_picture(tmp_path / "a.jpg").chmod(0o700)
    written([line("a.jpg")])
    assert (tmp_path / "a.jpg.xmp").stat().st_mode & 0o777 == 0o600


def test_a_full_disk_leaves_whole_files_and_is_told(tmp_path, save_picture, line, save_results, snapshot):
    for name in ("a.jpg", "b.jpg"):
        save_picture(tmp_path / name)
    read = read_results(
        save_results(tmp_path / "results.jsonl", [line("a.jpg"), line("b.jpg", model="m" * 9000)])
    )
    before, limit = snapshot(tmp_path), resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limit[1]))
    try:
        outcomes = list(write(read, Rules(), Manner(tmp_path), dry_run=False))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, handler)
    assert [outcome.action for outcome in outcomes] == ["write", "refuse"]
    assert "File too large" in outcomes[1].why
    assert set(snapshot(tmp_path)) - set(before) == {"a.jpg.xmp", "results.write-journal.jsonl"}
    assert [gone.action for gone in undo(journal_path(read.path))] == ["undone"]
    assert snapshot(tmp_path) == before


def test_without_a_journal_nothing_is_written(
    tmp_path, save_picture, line, save_results, snapshot, monkeypatch
):
    save_picture(tmp_path / "a.jpg")
    read = read_results(save_results(tmp_path / "results.jsonl", [line("a.jpg")]))
    before = snapshot(tmp_path)
    journal_path(read.path).mkdir()
    with pytest.raises(InputError, match=r"write-journal\.jsonl: can't be written"):
        list(write(read, Rules(), Manner(tmp_path), dry_run=False))
    assert snapshot(tmp_path) == before


def test_a_folder_that_can_not_be_written_to_is_told(
    tmp_path, save_picture, line, written, monkeypatch, snapshot
):
    for name in ("locked/a.jpg", "b.jpg"):
        save_picture(tmp_path / name)
    opened = os.open

    def read_only(path, flags, *options, **more):
        if Path(path).parent.name == "locked" and flags & os.O_CREAT:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return opened(path, flags, *options, **more)

    monkeypatch.setattr(os, "open", read_only)  # root, whom permissions don't stop, runs tests too
    outcomes = written([line("locked/a.jpg"), line("b.jpg")])
    assert [outcome.action for outcome in outcomes.values()] == ["refuse", "write"]
    assert "Read-only file system" in outcomes["locked/a.jpg"].why
    list(undo(journal_path(tmp_path / "results.jsonl")))
    assert set(snapshot(tmp_path)) == {"locked/a.jpg", "b.jpg", "results.jsonl"}


def test_exiftool_reads_what_a_sidecar_says(tmp_path, save_picture, line, written, exiftool):
    save_picture(tmp_path / "a.jpg")
    written([line("a.jpg", review={"status": "confirmed", "note": "Älmhult <3"})])
    told = subprocess.run(
        [exiftool, "-config", "", "-json", "-n", "-G1", "-a", tmp_path / "a.jpg.xmp"],
        capture_output=True,
        check=True,
    )
    [tags] = json.loads(told.stdout)
    assert tags["XMP-exif:GPSLatitude"] == pytest.approx(-43.1, abs=1e-7)
    assert tags["XMP-exif:GPSLongitude"] == pytest.approx(5.25, abs=1e-7)
    assert tags["XMP-exif:GPSHPositioningError"] == 24200
    assert "90 % within 24 km" in tags["XMP-photoshop:Instructions"]
    assert tags["XMP-graticule:ReviewNote"] == "Älmhult <3"
    assert "ExifTool:Warning" not in tags
