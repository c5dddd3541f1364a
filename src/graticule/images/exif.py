"""Where and when a photo says it was taken: the GPS and the time in its EXIF.

Pillow finds the block of EXIF in the file, behind the guards of `images.open` and without decoding a pixel.
The block itself is read here, and only the tags that matter: a few kilobytes of hostile EXIF can declare
thousands of overlapping values, which a reader of all tags turns into gigabytes.

A place is given only if there is no doubt about it. Cameras without a fix, editors and converters write
(0, 0), fractions like 0/0, 95 degrees, or leave out which hemisphere is meant; such a place is no place, and
`ExifReading.problem` says why.
"""

from __future__ import annotations

import io
import re
import struct
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from PIL import Image, UnidentifiedImageError

from graticule.errors import PictureError
from graticule.images.open import MAX_PIXELS, byte_stream, identified, system_message
from graticule.images.sniff import what_it_is

__all__ = ["ExifReading", "read_exif"]


@dataclass(frozen=True)
class ExifReading:
    """What a photo's EXIF says of where and when."""

    latitude: float | None
    """Degrees north, or None if there is no place to be trusted."""

    longitude: float | None
    """Degrees east, None together with `latitude`."""

    taken_at: datetime | None
    """The camera's clock when the picture was taken: local time, without a zone. None if it does not say."""

    problem: str | None
    """Why there is no place, in the same words for every file with the same fault. None if there is one."""

    has_gps: bool = False
    """Whether it has a latitude or a longitude at all, be they believable or not."""

    utc_offset: timedelta | None = None
    """How far the clock of `taken_at` was ahead of UTC. None if it does not say."""


def read_exif(source: Path | bytes) -> ExifReading:
    """Read where and when a photo was taken. Nothing in the file makes this raise.

    Args:
        source: A file, or the bytes of one.
    """
    name = str(source) if isinstance(source, Path) else "picture"
    taken_at, has_gps, utc_offset = None, False, None
    try:
        with byte_stream(source, name) as stream:
            tags = _read_tags(_exif_block(stream, name))
        taken_at, utc_offset = _taken_at(tags)
        has_gps = _LATITUDE in tags.gps or _LONGITUDE in tags.gps
        return ExifReading(*_place(tags), taken_at, None, has_gps, utc_offset)
    except (PictureError, _NoPlaceError) as error:
        problem = str(error).removeprefix(f"{name}: ")
    except (OSError, ValueError) as error:  # ValueError: a path with a null byte in it
        problem = system_message(name, error).removeprefix(f"{name}: ")
    return ExifReading(None, None, taken_at, problem, has_gps, utc_offset)


class _NoPlaceError(Exception):
    """The picture has no place, or not one to be believed."""


def _exif_block(stream: BinaryIO, name: str) -> BinaryIO:
    """The TIFF structure that holds the tags: the file itself if it is a TIFF."""
    try:
        with identified(stream, name) as image:
            kind, block = image.format, image.info.get("exif")
        if kind == "TIFF":
            return stream
        if kind == "PNG":
            block = _png_exif(stream)
    except PictureError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _NoPlaceError(f"declares far more than {MAX_PIXELS / 1e6:.0f} megapixels") from error
    except UnidentifiedImageError as error:
        stream.seek(0)
        raise _NoPlaceError(what_it_is(stream.read(1024))) from error
    except Exception as error:  # see images.open: hostile bytes are answered with anything
        raise _NoPlaceError("damaged or cut short") from error
    if not block:
        raise _NoPlaceError("no EXIF in the picture")
    return io.BytesIO(_WITHOUT_MARKS.sub(b"", block, count=1))


_WITHOUT_MARKS: Final = re.compile(rb"\A(?:Exif\0\0)*+")
"""What stands before the structure, mostly once; cut off at once, since a block can be a million of them."""


def _png_exif(stream: BinaryIO) -> bytes | None:
    """The body of a PNG's eXIf chunk. It may stand behind the pixels, where Pillow looks after decoding them."""
    stream.seek(8)
    while len(head := stream.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        if kind == b"eXIf":
            return stream.read(min(length, _MAX_BLOCK))
        stream.seek(length + 4, io.SEEK_CUR)
    return None


_MAX_BLOCK: Final = 1 << 20
"""Bytes of EXIF that are looked at in a PNG, where nothing else bounds them."""

# A TIFF structure: a byte order, then directories of entries (tag, type, count, value or offset of values).
# Exif 2.32, sections 4.5 and 4.6; TIFF 6.0, section 2.

_EXIF_DIRECTORY: Final = 0x8769
_GPS_DIRECTORY: Final = 0x8825
_TAKEN: Final = {0x9003: 0x9011, 0x9004: 0x9012}
"""DateTimeOriginal, and DateTimeDigitized where that is missing, each with the tag of its offset from UTC. DateTime
(0x0132) says when it was edited."""
_LATITUDE_REF, _LATITUDE, _LONGITUDE_REF, _LONGITUDE = 1, 2, 3, 4

_WANTED: Final = {
    _EXIF_DIRECTORY,
    _GPS_DIRECTORY,
    *_TAKEN,
    *_TAKEN.values(),
    _LATITUDE_REF,
    _LATITUDE,
    _LONGITUDE_REF,
    _LONGITUDE,
}

_ASCII, _LONG, _RATIONAL, _SIGNED_RATIONAL = 2, 4, 5, 10
_SIZES: Final = {_ASCII: 1, _LONG: 4, _RATIONAL: 8, _SIGNED_RATIONAL: 8}
_MAX_COUNT: Final = 64
"""No tag read here has more values: a time has 20 letters, an angle 3 fractions."""


class _Value(NamedTuple):
    kind: int
    data: bytes
    """The values as stored, in `order`."""
    order: str


class _Tags(NamedTuple):
    exif: dict[int, _Value]
    gps: dict[int, _Value]


def _read_tags(block: BinaryIO) -> _Tags:
    try:
        block.seek(0)
        head = block.read(8)
        order = {b"II*\0": "<", b"MM\0*": ">"}[head[:4]]
        top = _directory(block, struct.unpack(order + "I", head[4:])[0], order)
        exif, gps = (
            _directory(block, struct.unpack(order + "I", top[tag].data)[0], order) if tag in top else {}
            for tag in (_EXIF_DIRECTORY, _GPS_DIRECTORY)
        )
    except (KeyError, struct.error, OSError, OverflowError) as error:
        raise _NoPlaceError("its EXIF is damaged") from error
    return _Tags(exif, gps)


def _directory(block: BinaryIO, offset: int, order: str) -> dict[int, _Value]:
    """The entries of one directory that are of a type and length read here. What is cut off is left out."""
    block.seek(offset)
    (entries,) = struct.unpack(order + "H", block.read(2))
    raw = block.read(12 * entries)
    found: dict[int, _Value] = {}
    for tag, kind, count, field in struct.iter_unpack(order + "HHI4s", raw[: len(raw) // 12 * 12]):
        if tag not in _WANTED or kind not in _SIZES or not 0 < count <= _MAX_COUNT:
            continue
        size = _SIZES[kind] * count
        if size > 4:
            block.seek(struct.unpack(order + "I", field)[0])
            field = block.read(size)
        if len(field) >= size:
            found[tag] = _Value(kind, field[:size], order)
    return found


def _taken_at(tags: _Tags) -> tuple[datetime | None, timedelta | None]:
    """The camera's clock, and how far it was ahead of UTC."""
    for tag, zone in _TAKEN.items():
        try:
            taken_at = datetime.strptime(_text(tags.exif.get(tag)), "%Y:%m:%d %H:%M:%S")
        except ValueError:  # blank, all zeros, or in a form of its own
            continue
        try:
            return taken_at, datetime.strptime(_text(tags.exif.get(zone)), "%z").utcoffset()
        except ValueError:
            return taken_at, None
    return None, None


def _place(tags: _Tags) -> tuple[float, float]:
    """(latitude, longitude) in degrees.

    Raises:
        _NoPlaceError: If there is none, or it can't be true.
    """
    if _LATITUDE not in tags.gps and _LONGITUDE not in tags.gps:
        raise _NoPlaceError("no GPS in its EXIF")
    latitude = _degrees(tags.gps, "latitude", _LATITUDE) * _sign(tags.gps, "latitude", _LATITUDE_REF, "NS")
    longitude = _degrees(tags.gps, "longitude", _LONGITUDE) * _sign(
        tags.gps, "longitude", _LONGITUDE_REF, "EW"
    )
    if abs(latitude) > 90 or abs(longitude) > 180:
        raise _NoPlaceError("its GPS is nowhere on Earth: beyond 90 degrees of latitude or 180 of longitude")
    if latitude == longitude == 0:
        raise _NoPlaceError("its GPS is (0, 0), which cameras write when they have no fix")
    return latitude, longitude


def _degrees(gps: dict[int, _Value], name: str, tag: int) -> float:
    value = gps.get(tag)
    if value is None or value.kind not in (_RATIONAL, _SIGNED_RATIONAL) or len(value.data) != 24:
        raise _NoPlaceError(f"its GPS has no {name} in degrees, minutes and seconds")
    letter = "I" if value.kind == _RATIONAL else "i"
    numbers = struct.unpack(f"{value.order}6{letter}", value.data)
    fractions = list(zip(numbers[::2], numbers[1::2], strict=True))
    if any(below == 0 for _, below in fractions):
        raise _NoPlaceError(f"its GPS {name} divides by zero")
    degrees, minutes, seconds = (float(above / below) for above, below in fractions)
    # 60 itself is what writers make of 59.9999 when they round.
    if min(degrees, minutes, seconds) < 0 or max(minutes, seconds) > 60:
        raise _NoPlaceError(f"its GPS {name} is not degrees, minutes and seconds")
    return degrees + minutes / 60 + seconds / 3600


def _sign(gps: dict[int, _Value], name: str, tag: int, letters: str) -> int:
    """+1 or -1 for the first or second of `letters`, as the reference tag says."""
    said = _text(gps.get(tag)).upper()
    if said not in tuple(letters):
        raise _NoPlaceError(f"its GPS does not say whether the {name} is {letters[0]} or {letters[1]}")
    return 1 if said == letters[0] else -1


def _text(value: _Value | None) -> str:
    if value is None or value.kind != _ASCII:
        return ""
    return value.data.split(b"\0")[0].decode("ascii", "replace").strip()
