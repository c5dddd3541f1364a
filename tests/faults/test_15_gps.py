"""Fault 15: GPS tags that can't be true."""

import struct

import pytest

from faults.fault import Fault
from graticule.data.sources.folder import Folder
from graticule.images import exif
from graticule.images.exif import read_exif
from images.test_exif import GPS, PLAIN, hand_written, jpeg_with, photo, plain, rationals, tiff

FAULT = Fault(
    number=15,
    fault="lying GPS tags: (0, 0), fractions of nothing, 95 degrees, NaN",
    defence="a place is believed only if nothing about it is in doubt; else there is none, and why is said "
    "(images/exif.py)",
)


def changed(**tags):
    """A photo whose GPS directory is that of an honest one but for some tags."""
    kept = {**PLAIN, **{int(tag[1:]): value for tag, value in tags.items()}}
    return photo({tag: value for tag, value in kept.items() if value is not None})


def doubles(*values):
    return hand_written(struct.pack("<3d", *values), kind=12)


NAN, INFINITY = float("nan"), float("inf")
ZERO = (0.0, 0.0, 0.0)
LIES = {
    "null-island": (changed(_2=ZERO, _4=ZERO), "no fix"),
    "0-0-degrees": (hand_written(rationals((0, 0), (0, 0), (0, 0))), "divides by zero"),
    "0-0-minutes": (hand_written(rationals((48, 1), (0, 0), (0, 1))), "divides by zero"),
    "1-0-seconds": (hand_written(rationals((48, 1), (51, 1), (1, 0))), "divides by zero"),
    "95-degrees": (changed(_2=(95.0, 0.0, 0.0)), "nowhere on Earth"),
    "90-degrees-and-a-bit": (changed(_2=(90.0, 0.0, 0.1)), "nowhere on Earth"),
    "200-degrees-east": (changed(_4=(200.0, 0.0, 0.0)), "nowhere on Earth"),
    "4294967295-degrees": (hand_written(rationals((2**32 - 1, 1), (0, 1), (0, 1))), "nowhere on Earth"),
    "75-minutes": (changed(_2=(48.0, 75.0, 0.0)), "not degrees, minutes and seconds"),
    "minus-48-degrees": (
        hand_written(rationals((-48, 1), (51, 1), (0, 1), letter="i"), kind=10),
        "not degrees, minutes and seconds",
    ),
    "nan": (doubles(NAN, NAN, NAN), "no latitude"),
    "infinity": (doubles(INFINITY, 0, 0), "no latitude"),
    "text": (hand_written(b"48.858222\0", kind=2), "no latitude"),
    "half-a-place": (changed(_4=None), "no longitude"),
    "no-hemisphere": (changed(_1=None), "N or S"),
    "blank-hemisphere": (changed(_3=" "), "E or W"),
    "hemispheres-swapped": (changed(_1="E", _3="N"), "N or S"),
    "gps-beyond-the-end": (jpeg_with(tiff([], gps=[(2, 5, 3, b"\xff\xff\xff\x7f")])[:-2]), "GPS"),
    "a-damaged-block": (jpeg_with(b"II*\0\xff\xff\xff\xff"), "damaged"),
    "an-endless-directory": (
        jpeg_with(b"II*\0" + struct.pack("<IHHHII", 8, 65535, GPS, 4, 1, 8)),
        "GPS",
    ),
    "no-gps": (photo(None, taken="2021:07:14 12:33:05"), "no GPS"),
    "no-exif": (plain(), "no EXIF"),
}


def check(folder):
    """Only honest photos are records to train on; of all others it is said why not. Gives how many were tried."""
    for name, (content, _) in LIES.items():
        (folder / f"{name}.jpg").write_bytes(content)
    (folder / "honest.jpg").write_bytes(photo(PLAIN))
    scan = Folder().scan(folder)
    assert scan.records["id"].to_pylist() == ["honest.jpg"]
    told = {problem.where: problem.what for problem in scan.problems}
    assert sorted(told) == sorted(f"{name}.jpg" for name in LIES)
    for name, (content, words) in LIES.items():
        assert words in told[f"{name}.jpg"], name
        reading = read_exif(content)
        assert (reading.latitude, reading.longitude) == (None, None)
        assert words in reading.problem
    return len(LIES)


def credulous(tags):
    """What a reader makes of the tags that takes numbers for what they are."""

    def degrees(tag):
        value = tags.gps[tag]
        whole, minutes, seconds = struct.iter_unpack(f"{value.order}II", value.data)
        return whole[0] / whole[1] + minutes[0] / minutes[1] / 60 + seconds[0] / seconds[1] / 3600

    try:
        return degrees(2), degrees(4)
    except (KeyError, ValueError, ZeroDivisionError, struct.error) as error:
        raise exif._NoPlaceError("no place") from error


def test_what_lies_is_never_trained_on(tmp_path, record_property):
    record_property("inputs", check(tmp_path))


def test_without_the_defence_lies_are_trained_on(tmp_path, monkeypatch):
    monkeypatch.setattr(exif, "_place", credulous)
    with pytest.raises(AssertionError, match=r"null-island\.jpg|95-degrees\.jpg|200-degrees"):
        check(tmp_path)
