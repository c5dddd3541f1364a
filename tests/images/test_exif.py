"""Where and when a photo says it was taken: what is believed, and what is not."""

import io
import struct
import time
from datetime import datetime
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from graticule.images.exif import read_exif

GPS, EXIF = 0x8825, 0x8769
PLAIN = {1: "N", 2: (48.0, 51.0, 29.6), 3: "E", 4: (2.0, 17.0, 40.2)}


def photo(gps=None, *, taken=None, kind="JPEG", digitized=None):
    """A small picture with what `gps` says in its GPS directory."""
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    times = {0x9003: taken, 0x9004: digitized}
    times = {tag: text for tag, text in times.items() if text is not None}
    for directory, tags in ((EXIF, times), (GPS, gps)):
        if tags:
            exif.get_ifd(directory).update(tags)
            exif[directory] = 0  # Pillow's TIFF writer passes over a directory without a pointer to it
    out = io.BytesIO()
    Image.new("RGB", (16, 16), (90, 120, 60)).save(out, kind, exif=exif)
    return out.getvalue()


def plain():
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, "JPEG")
    return out.getvalue()


def angle(degrees, denominator=10_000):
    """Degrees, minutes and seconds as cameras write them: fractions of whole numbers."""
    total = round(Fraction(abs(degrees)) * 3600 * denominator)
    minutes, seconds = divmod(total, 60 * denominator)
    degrees, minutes = divmod(minutes, 60)
    return IFDRational(degrees, 1), IFDRational(minutes, 1), IFDRational(seconds, denominator)


def tiff(entries, *, order="<", gps=()):
    """A TIFF structure by hand, with a GPS directory: entries (tag, type, count, bytes)."""
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    gps_at = 8 + 2 + 12 * (len(entries) + 1) + 4
    values_at = gps_at + 2 + 12 * len(gps) + 4
    tail = b""

    def directory(rows):
        nonlocal tail
        out = struct.pack(order + "H", len(rows))
        for tag, kind, count, data in rows:
            if len(data) > 4:
                out += struct.pack(order + "HHII", tag, kind, count, values_at + len(tail))
                tail += data
            else:
                out += struct.pack(order + "HHI4s", tag, kind, count, data)
        return out + b"\0\0\0\0"

    body = directory([*entries, (GPS, 4, 1, struct.pack(order + "I", gps_at))]) + directory(gps)
    return head + body + tail


def jpeg_with(block):
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, "JPEG", exif=b"Exif\0\0" + block)
    return out.getvalue()


def rationals(*pairs, order="<", letter="I"):
    return b"".join(struct.pack(order + 2 * letter, *pair) for pair in pairs)


def hand_written(latitude, *, ref=b"N\0", order="<", kind=5):
    """A photo at 2 degrees 17' 40" E whose latitude is stored as the given three values of type `kind`."""
    longitude = rationals((2, 1), (17, 1), (40, 1), order=order)
    gps = [(1, 2, 2, ref), (2, kind, 3, latitude), (3, 2, 2, b"E\0"), (4, 5, 3, longitude)]
    return jpeg_with(tiff([], order=order, gps=gps))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_every_format_says_where_and_when(kind):
    reading = read_exif(photo(PLAIN, taken="2021:07:14 12:33:05", kind=kind))
    assert reading.problem is None
    assert reading.latitude == pytest.approx(48 + 51 / 60 + 29.6 / 3600, abs=1e-6)
    assert reading.longitude == pytest.approx(2 + 17 / 60 + 40.2 / 3600, abs=1e-6)
    assert reading.taken_at == datetime(2021, 7, 14, 12, 33, 5)


@settings(max_examples=150, deadline=None)
@given(st.floats(-90, 90), st.floats(-180, 180), st.sampled_from(["JPEG", "PNG", "TIFF"]))
def test_every_place_on_earth_comes_back(latitude, longitude, kind):
    gps = {
        1: "S" if latitude < 0 else "N",
        2: angle(latitude),
        3: "W" if longitude < 0 else "E",
        4: angle(longitude),
    }
    reading = read_exif(photo(gps, kind=kind))
    if all(sum(gps[tag]) == 0 for tag in (2, 4)):
        assert reading.latitude is reading.longitude is None
    else:
        # A ten-thousandth of a second of arc is 3 mm.
        assert reading.latitude == pytest.approx(latitude, abs=1.5e-8)
        assert reading.longitude == pytest.approx(longitude, abs=1.5e-8)
        assert reading.problem is None


@pytest.mark.parametrize("order", ["<", ">"])
def test_both_byte_orders_are_read(order):
    reading = read_exif(hand_written(rationals((48, 1), (30, 1), (0, 1), order=order), order=order))
    assert (reading.latitude, reading.problem) == (48.5, None)


def test_degrees_and_minutes_may_have_decimals():
    reading = read_exif(hand_written(rationals((48, 1), (305, 10), (0, 1))))
    assert reading.latitude == pytest.approx(48 + 30.5 / 60)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({2: (0.0, 0.0, 0.0), 4: (0.0, 0.0, 0.0)}, "no fix"),
        ({2: (95.0, 0.0, 0.0)}, "nowhere on Earth"),
        ({2: (89.0, 60.0, 60.0)}, "nowhere on Earth"),
        ({4: (180.0, 0.0, 0.1)}, "nowhere on Earth"),
        ({2: (48.0, 75.0, 0.0)}, "not degrees, minutes and seconds"),
        ({1: None}, "does not say whether the latitude is N or S"),
        ({3: None}, "does not say whether the longitude is E or W"),
        ({1: " "}, "does not say whether the latitude is N or S"),
        ({1: "E", 3: "N"}, "whether the latitude is N or S"),
        ({1: "NS"}, "whether the latitude is N or S"),
        ({2: None}, "no latitude"),
        ({4: None}, "no longitude"),
        ({2: (48.0,)}, "no latitude in degrees, minutes and seconds"),
        ({2: None, 4: None}, "no GPS"),
    ],
)
def test_a_place_in_doubt_is_no_place(change, said):
    gps = {tag: value for tag, value in {**PLAIN, **change}.items() if value is not None}
    reading = read_exif(photo(gps, taken="2021:07:14 12:33:05"))
    assert reading.latitude is reading.longitude is None
    assert said in reading.problem
    assert reading.taken_at == datetime(2021, 7, 14, 12, 33, 5), "the time is not in doubt"


@pytest.mark.parametrize("pair", [(0, 0), (1, 0), (0xFFFFFFFF, 0)])
@pytest.mark.parametrize("place", range(3))
def test_fractions_of_nothing_are_no_place(pair, place):
    pairs = [(48, 1), (51, 1), (0, 1)]
    pairs[place] = pair
    reading = read_exif(hand_written(rationals(*pairs)))
    assert reading.latitude is None
    assert "divides by zero" in reading.problem


@pytest.mark.parametrize("ref", [b"N\0", b"S\0"])
def test_a_negative_angle_is_no_place_whatever_the_hemisphere(ref):
    reading = read_exif(hand_written(rationals((-48, 1), (51, 1), (0, 1), letter="i"), ref=ref, kind=10))
    assert reading.latitude is None
    assert "not degrees, minutes and seconds" in reading.problem


def test_text_is_no_place():
    assert "no latitude" in read_exif(hand_written(b"48.58583\0", kind=2)).problem


def test_floats_that_are_no_number_are_no_place():
    reading = read_exif(hand_written(struct.pack("<3d", float("nan"), 0, 0), kind=12))
    assert reading.latitude is None
    assert "no latitude" in reading.problem


def test_a_hemisphere_in_small_letters_is_understood():
    assert read_exif(photo({**PLAIN, 1: "s"})).latitude < 0


@pytest.mark.parametrize(
    "taken", ["0000:00:00 00:00:00", "    :  :     :  :  ", "yesterday", "2021:02:30 10:00:00"]
)
def test_a_time_that_never_was_is_none(taken):
    reading = read_exif(photo(PLAIN, taken=taken))
    assert reading.taken_at is None
    assert reading.problem is None


def test_the_time_of_scanning_stands_in_for_the_time_of_taking():
    assert read_exif(photo(PLAIN, digitized="1999:12:31 23:59:59")).taken_at == datetime(
        1999, 12, 31, 23, 59, 59
    )


def test_a_png_may_hold_its_exif_behind_the_pixels():
    whole = photo(PLAIN, kind="PNG")
    at = whole.index(b"eXIf") - 4
    length = struct.unpack(">I", whole[at : at + 4])[0] + 12
    chunk, rest = whole[at : at + length], whole[:at] + whole[at + length :]
    end = rest.index(b"IEND") - 4
    assert read_exif(rest[:end] + chunk + rest[end:]) == read_exif(whole)


def test_no_pixel_is_decoded(monkeypatch, tmp_path):
    def forbidden(*_):
        raise AssertionError("pixels were decoded")

    for kind in ("JPEG", "PNG", "TIFF", "WEBP"):
        path = tmp_path / f"a.{kind.lower()}"
        path.write_bytes(photo(PLAIN, kind=kind))
        with monkeypatch.context() as patch:
            patch.setattr("PIL.ImageFile.ImageFile.load", forbidden)
            assert read_exif(path).problem is None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"<!doctype html><html>", "web page"),
        (b"\xff\xd8\xff\xe0 and no more", "damaged"),
        (plain(), "no EXIF"),
        (photo(None, taken="2021:07:14 12:33:05"), "no GPS"),
    ],
)
def test_what_has_no_place_says_why(tmp_path, content, said):
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    reading = read_exif(path)
    assert reading.latitude is None
    assert said in reading.problem
    assert str(path) not in reading.problem


def test_what_is_no_file_says_why(tmp_path):
    assert "no such file" in read_exif(tmp_path / "missing.jpg").problem
    assert "folder" in read_exif(tmp_path).problem


@pytest.mark.parametrize("entries", [5000, 65535])
def test_thousands_of_overlapping_values_cost_nothing(entries):
    """Read by a reader of all tags, each of these is 8,000 fractions: half a billion of them in all."""
    row = struct.pack("<HHII", 0x1234, 5, 8000, 8)
    block = b"II*\0" + struct.pack("<I", 14) + b"\0" * 6 + struct.pack("<H", 1)
    block += struct.pack("<HHII", GPS, 4, 1, 32) + b"\0" * 4 + struct.pack("<H", entries)
    block = (block + row * 5000)[:65000]
    assert "no GPS" in read_exif(jpeg_with(block)).problem


def test_a_million_marks_before_the_block_cost_nothing():
    """Cut off one by one, a copy of the rest each, these took a minute of the processor."""
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, "WEBP", exif=b"Exif\0\0" * 1_000_000 + tiff([]))
    begun = time.process_time()
    assert "no GPS" in read_exif(out.getvalue()).problem
    assert time.process_time() - begun < 5


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=400))
def test_hostile_exif_never_raises(block):
    reading = read_exif(jpeg_with(block))
    assert (reading.latitude is None) == (reading.problem is not None)
    reading = read_exif(jpeg_with(b"II*\0" + block))
    assert (reading.latitude is None) == (reading.problem is not None)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(
        [photo(PLAIN, taken="2021:07:14 12:33:05", kind=k) for k in ("JPEG", "PNG", "TIFF", "WEBP")]
    ),
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=8),
    st.integers(0, 10**6),
)
def test_a_damaged_photo_never_raises(whole, changes, cut):
    damaged = bytearray(whole)
    for at, value in changes:
        damaged[at % len(damaged)] = value
    reading = read_exif(bytes(damaged[: 1 + cut % len(damaged)]))
    if reading.latitude is not None:
        assert -90 <= reading.latitude <= 90
        assert -180 <= reading.longitude <= 180
    else:
        assert reading.problem
    assert np.isfinite(reading.latitude or 0)
