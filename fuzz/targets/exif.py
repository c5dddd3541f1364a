"""Metadata of pictures and sidecars: where and when a picture says that it was taken."""

from __future__ import annotations

import io
import math
import struct
from functools import cache
from typing import Final

from PIL import Image

from fuzz.edits import bytes_edit, mixed, png_edit, tiff_edit
from fuzz.target import Target
from fuzz.targets.files import folder
from graticule.errors import InputError, PictureError
from graticule.images.exif import ExifReading, read_exif
from graticule.metadata.existing import read_existing
from graticule.metadata.xmp import EMPTY, insertion

_OURS: Final = {
    "exif:GPSLatitude": "48,51.5N",
    "exif:GPSLongitude": "2,21E",
    "photoshop:Instructions": "An estimate.",
}
_THEIRS: Final = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:exif="http://ns.adobe.com/exif/1.0/" exif:GPSLatitude="1,2N"/>'
    b"</rdf:RDF></x:xmpmeta>"
)


@cache
def seeds() -> list[bytes]:
    """Pictures that say where and when they were taken, in EXIF and XMP, and packets of XMP alone."""
    exif = [b"Exif\0\0" + _structure(order) for order in "<>"]
    made = [_saved(form, exif=block) for form in ("JPEG", "PNG", "WEBP") for block in exif]
    made += [_saved(form, xmp=_THEIRS) for form in ("JPEG", "WEBP")]
    made += [_saved("TIFF", tiffinfo={700: _THEIRS}), _saved("GIF"), _saved("BMP")]
    made += [_structure(order) for order in "<>"]  # a TIFF of no picture
    return [*made, EMPTY, _THEIRS, _THEIRS.decode().encode("utf-16")]


def one(data: bytes) -> None:
    """Read it as a picture, and as a packet of XMP that a property is put into."""
    _check(read_exif(data))
    path = folder("exif") / "picture"
    path.write_bytes(data)
    packets = [data]
    try:
        existing = read_existing(path)
    except PictureError as error:
        assert str(error).startswith(f"{path}: "), error
    else:
        assert not (existing.position and existing.doubtful)
        packets += existing.packets
    for packet in packets:
        try:
            found = insertion(packet, _OURS, "it")
        except InputError as error:
            assert str(error).startswith("it: "), error
        else:
            after = found.into(packet)
            assert after.replace(found.text, b"", 1) == packet
            assert b"GPSLatitude" in after


def _check(reading: ExifReading) -> None:
    assert (reading.latitude is None) == (reading.longitude is None) == (reading.problem is not None)
    if reading.latitude is not None and reading.longitude is not None:
        assert reading.has_gps
        assert abs(reading.latitude) <= 90
        assert abs(reading.longitude) <= 180
        assert (reading.latitude, reading.longitude) != (0, 0)
        assert math.isfinite(reading.latitude + reading.longitude)
    if reading.taken_at is not None:
        assert reading.taken_at.tzinfo is None
        str(reading.taken_at)


def _saved(form: str, **options: object) -> bytes:
    written = io.BytesIO()
    Image.new("RGB", (4, 4), (10, 90, 30)).save(written, form, **options)
    return written.getvalue()


def _structure(order: str) -> bytes:
    """A TIFF structure with a time and a place: 48 51' 29.6" N, 2 17' 40.2" E."""
    taken, zone = b"2021:07:14 12:33:05\0", b"+02:00\0"
    angles = struct.pack(f"{order}12I", 48, 1, 51, 1, 296, 10, 2, 1, 17, 1, 402, 10)
    top, exif, gps, values = 8, 8 + 30, 8 + 30 + 30, 8 + 30 + 30 + 54
    directories = (
        _directory(order, (0x8769, 4, 1, exif), (0x8825, 4, 1, gps))
        + _directory(order, (0x9003, 2, 20, values), (0x9011, 2, 7, values + 20))
        + _directory(
            order,
            (1, 2, 2, b"N\0\0\0"),
            (2, 5, 3, values + 27),
            (3, 2, 2, b"E\0\0\0"),
            (4, 5, 3, values + 51),
        )
    )
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", top)
    return head + directories + taken + zone + angles


def _directory(order: str, *entries: tuple[int, int, int, int | bytes]) -> bytes:
    rows = (
        struct.pack(f"{order}HHI", *row)
        + (value if isinstance(value, bytes) else struct.pack(f"{order}I", value))
        for *row, value in entries
    )
    return struct.pack(f"{order}H", len(entries)) + b"".join(rows) + bytes(4)


TARGET = Target(
    name="exif",
    door="images.exif.read_exif, metadata.existing.read_existing, metadata.xmp.insertion",
    promise="a place on Earth other than (0, 0), or why there is none; XMP keeps every byte it had",
    seeds=seeds,
    one=one,
    edit=mixed(bytes_edit, tiff_edit, tiff_edit, png_edit),
)
