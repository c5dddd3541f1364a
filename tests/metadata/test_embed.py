"""Into the pictures by exiftool: the pixels stay, the original stays, and what reads back is what was meant."""

import json
import subprocess

import numpy as np
import pytest
from PIL import Image

from graticule.errors import ConfigError, PictureError
from graticule.images.exif import read_exif
from graticule.metadata import embed
from graticule.metadata.decide import Rules
from graticule.metadata.exiftool import find_exiftool
from graticule.metadata.journal import journal_path
from graticule.metadata.results import read_results
from graticule.metadata.run import Manner, write
from graticule.metadata.undo import undo

ODD = "-o two\nlines ä\udce9 $(x).jpg"


@pytest.fixture
def written(tmp_path, save_results, exiftool):
    """Writes results into the pictures of a folder; gives {path: outcome}."""

    def written(lines):
        file = save_results(tmp_path / "results.jsonl", lines)
        manner = Manner(tmp_path, in_place=True)
        return {o.path: o for o in write(read_results(file), Rules(), manner, dry_run=False)}

    return written


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif", "a.webp", ODD])
def test_there_and_back(tmp_path, save_picture, line, written, snapshot, name):
    picture = save_picture(tmp_path / name)
    picture.chmod(0o640)
    before, seen, time = snapshot(tmp_path), pixels(picture), picture.stat().st_mtime_ns
    assert written([line(name)])[name].action == "write"
    read = read_exif(picture)
    assert (read.latitude, read.longitude) == pytest.approx((-43.1, 5.25), abs=1e-6)
    assert np.array_equal(pixels(picture), seen)
    assert picture.stat().st_mode & 0o777 == 0o640
    backup = picture.with_name(f"{name}_original")
    assert backup.read_bytes() == before[name][2]
    assert set(snapshot(tmp_path)) - set(before) == {
        backup.name,
        "results.jsonl",
        "results.write-journal.jsonl",
    }
    assert [gone.action for gone in undo(journal_path(tmp_path / "results.jsonl"))] == ["undone"]
    (tmp_path / "results.jsonl").unlink()
    assert snapshot(tmp_path) == before
    assert picture.stat().st_mtime_ns == time


def test_exiftool_reads_estimate_and_note_beside_what_was_there(
    tmp_path, save_picture, line, written, exiftool
):
    theirs = b"""<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
    <rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="3"/></rdf:RDF></x:xmpmeta>"""
    exif = Image.Exif()
    exif[0x013B] = "A. Photographer"
    exif[0x8825] = {29: "2020:01:02"}  # the date of a fix that never came
    save_picture(tmp_path / "a.jpg", xmp=theirs, exif=exif.tobytes())
    outcome = written([line("a.jpg")])["a.jpg"]
    assert (outcome.action, outcome.why) == ("write", "")
    told = subprocess.run(
        [exiftool, "-config", "", "-json", "-n", "-G1", "-a", tmp_path / "a.jpg"],
        capture_output=True,
        check=True,
    )
    [tags] = json.loads(told.stdout)
    assert (tags["Composite:GPSLatitude"], tags["Composite:GPSLongitude"]) == pytest.approx(
        (-43.1, 5.25), abs=1e-6
    )
    assert tags["GPS:GPSHPositioningError"] == 24200
    assert tags["GPS:GPSProcessingMethod"] == "ESTIMATE BY GRATICULE"
    assert tags["XMP-graticule:RadiusKm"] == 24.2
    assert "Not measured by the camera" in tags["XMP-photoshop:Instructions"]
    assert (tags["XMP-xmp:Rating"], tags["IFD0:Artist"]) == (3, "A. Photographer")
    assert tags["GPS:GPSDateStamp"] == "2020:01:02"
    assert "ExifTool:Warning" not in tags


def test_what_can_not_be_written_to_is_refused_and_the_rest_goes_on(
    tmp_path, save_picture, line, written, snapshot
):
    save_picture(tmp_path / "a.bmp")
    save_picture(tmp_path / "a.gif")
    save_picture(tmp_path / "lie.jpg", latitude=(0, 0, 0), longitude=(0, 0, 0))
    save_picture(tmp_path / "broken.jpg", xmp=b"<x>")
    save_picture(tmp_path / "taken.jpg")
    (tmp_path / "taken.jpg_original").write_text("the only copy of something")
    save_picture(tmp_path / "real.jpg", latitude=(53, 48, 0))
    (tmp_path / "link.jpg").symlink_to(save_picture(tmp_path / "far" / "a.jpg"))
    exif = Image.Exif()
    exif[0x8825] = {27: b"ASCII\0\0\0CELLID"}
    save_picture(tmp_path / "method.jpg", exif=exif.tobytes())
    save_picture(tmp_path / "fine.jpg")
    before = snapshot(tmp_path)
    names = [name for name in before if not name.endswith("_original") and "/" not in name]
    outcomes = written([line(name) for name in names])
    assert {name: outcome.action for name, outcome in outcomes.items()} == {
        **dict.fromkeys(names, "refuse"),
        "real.jpg": "leave",
        "fine.jpg": "write",
    }
    assert "into a BMP" in outcomes["a.bmp"].why
    assert "what a camera wrote" in outcomes["lie.jpg"].why
    assert "exiftool finds GPS" in outcomes["method.jpg"].why
    assert "taken.jpg_original is there already" in outcomes["taken.jpg"].why
    after = snapshot(tmp_path)
    assert {name for name in before if after[name] != before[name]} == {"fine.jpg"}
    list(undo(journal_path(tmp_path / "results.jsonl")))
    (tmp_path / "results.jsonl").unlink()
    assert snapshot(tmp_path) == before


def test_what_exiftool_is_given_is_noted_first_and_deleted(
    tmp_path, save_picture, line, written, monkeypatch
):
    save_picture(tmp_path / "a.jpg")
    journal, given = journal_path(tmp_path / "results.jsonl"), []

    def killed(*_, packet, **__):
        assert packet.read_bytes()
        assert str(packet) in journal.read_text(), "else a kill would leave it"
        given.append(packet)
        raise PictureError("exiftool can't write it (Killed).")

    monkeypatch.setattr(embed, "copy_with", killed)
    assert written([line("a.jpg")])["a.jpg"].action == "refuse"
    [packet] = given
    assert not packet.exists()


@pytest.mark.parametrize("fault", ["fails", "other place", "other pixels", "no packet"])
def test_a_copy_that_is_not_the_picture_never_takes_its_place(
    tmp_path, save_picture, line, written, snapshot, monkeypatch, fault
):
    save_picture(tmp_path / "a.jpg")
    other = save_picture(tmp_path / "other.jpg", seed=1)
    before, good = snapshot(tmp_path), embed.copy_with

    def bad(exiftool, picture, copy, *, name, tags, packet):
        if fault == "fails":
            copy.write(picture.read(100))
            raise PictureError(f"{name}: exiftool can't write it (Killed).")
        if fault == "other place":
            tags = tags | {"GPSLatitudeRef": "N"}
        if fault == "no packet":
            packet.write_bytes(packet.read_bytes().replace(b"orbit", b"crazy"))
        with other.open("rb") as elsewhere:
            source = elsewhere if fault == "other pixels" else picture
            good(exiftool, source, copy, name=name, tags=tags, packet=packet)

    monkeypatch.setattr(embed, "copy_with", bad)
    assert written([line("a.jpg")])["a.jpg"].action == "refuse"
    (tmp_path / "results.jsonl").unlink()
    assert snapshot(tmp_path) == before, "no copy, no backup, and no journal of nothing"


def test_where_a_file_has_but_one_name_the_backup_is_a_copy(
    tmp_path, save_picture, line, written, snapshot, monkeypatch
):
    picture = save_picture(tmp_path / "a.jpg")
    before = snapshot(tmp_path)

    def no_links(self, other):
        raise OSError("not on this file system")

    monkeypatch.setattr("pathlib.Path.hardlink_to", no_links)
    assert written([line("a.jpg")])["a.jpg"].action == "write"
    backup = tmp_path / "a.jpg_original"
    assert backup.read_bytes() == before["a.jpg"][2]
    backup.write_bytes(b"no longer")
    [refused] = undo(journal_path(tmp_path / "results.jsonl"))
    assert "its backup a.jpg_original is missing or changed" in refused.why
    assert read_exif(picture).latitude is not None
    backup.write_bytes(before["a.jpg"][2])
    assert [gone.action for gone in undo(journal_path(tmp_path / "results.jsonl"))] == ["undone"]
    (tmp_path / "results.jsonl").unlink()
    assert snapshot(tmp_path) == before


def test_without_exiftool_it_is_said_at_once(tmp_path, save_results, line, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match=r"exiftool is not on the PATH.*leave out --in-place"):
        find_exiftool()
    read = read_results(save_results(tmp_path / "results.jsonl", [line("a.jpg")]))
    with pytest.raises(ConfigError, match="exiftool"):
        list(write(read, Rules(), Manner(tmp_path, in_place=True), dry_run=True))
