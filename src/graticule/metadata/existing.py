"""What a picture's file says of its position already, in EXIF and in XMP.

Pillow finds the blocks behind the guards of `images.open`, and no pixel is decoded. Whoever has a position is left
alone, so doubt is settled that way: any mention of a latitude in XMP counts, however broken or nested it is.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from graticule.errors import PictureError
from graticule.images.exif import read_exif
from graticule.images.open import byte_stream, identified
from graticule.metadata.xmp import has_position

__all__ = ["Existing", "read_existing"]

_XMP: Final = b"http://ns.adobe.com/xap/1.0/\0"
_MORE_XMP: Final = b"http://ns.adobe.com/xmp/extension/\0"
_TIFF_XMP: Final = 700
_LONGEST: Final = 1 << 26
"""Bytes of XMP that are looked at in a PNG, where nothing else bounds them."""


@dataclass(frozen=True, slots=True)
class Existing:
    """What a picture says of itself."""

    format: str
    """As Pillow calls it: JPEG, PNG, ..."""
    packets: tuple[bytes, ...]
    """Its XMP, of which there should be one block at most. Of a GIF, the whole file, in which it may be."""
    extended: bool
    """Whether the XMP goes on in further segments of a JPEG."""
    position: str | None
    """The position it has, in words. None if it has none to be believed."""
    doubtful: bool
    """Whether its EXIF has a position that can't be true, such as (0, 0)."""


def read_existing(picture: Path) -> Existing:
    """Look at a picture's metadata.

    Raises:
        PictureError: it can't be read, so nobody knows.
    """
    name = str(picture)
    try:
        with byte_stream(picture, name) as stream:
            form, packets, extended = _xmp(stream, name)
    except PictureError:
        raise
    except Exception as error:  # see images.open: hostile bytes are answered with anything
        raise PictureError(
            f"{name}: missing, damaged or no picture. Whether it has GPS is not known."
        ) from error
    exif = read_exif(picture)
    position = None
    if exif.latitude is not None:
        position = "its EXIF has GPS"
    elif any(map(has_position, packets)):
        position = "its XMP has GPS"
    return Existing(form, packets, extended, position, position is None and exif.has_gps)


def _xmp(stream: BinaryIO, name: str) -> tuple[str, tuple[bytes, ...], bool]:
    """The format, the blocks of XMP, and whether the first goes on in the others."""
    with identified(stream, name) as image:
        form = image.format or ""
        if form in ("JPEG", "MPO"):
            return form, *_of_jpeg(image)
        if form == "TIFF":
            found = getattr(image, "tag_v2", {}).get(_TIFF_XMP)
        elif form == "WEBP":
            found = image.info.get("xmp")
        elif form == "PNG":
            return form, _of_png(stream, name), False
        elif form == "GIF":
            stream.seek(0)
            found = stream.read()
        else:
            found = None  # a BMP can't hold any
    return form, (_bytes(found),) if found else (), False


def _of_jpeg(image: Any) -> tuple[tuple[bytes, ...], bool]:
    segments = [body for kind, body in image.applist if kind == "APP1"]
    main = [body.removeprefix(_XMP) for body in segments if body.startswith(_XMP)]
    more = [body for body in segments if body.startswith(_MORE_XMP)]
    return (*main, *more), bool(more)


def _bytes(value: Any) -> bytes:
    """TIFF's writers call the block bytes, or a tuple of numbers, or text."""
    return value.encode("utf-8", "surrogateescape") if isinstance(value, str) else bytes(value)


def _of_png(stream: BinaryIO, name: str) -> tuple[bytes, ...]:
    """The chunks of XMP; they may stand behind the pixels."""
    found: list[bytes] = []
    stream.seek(8)
    while len(head := stream.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        if kind not in (b"iTXt", b"tEXt", b"zTXt"):
            stream.seek(length + 4, 1)
            continue
        body = stream.read(length)[:_LONGEST]
        stream.seek(4, 1)
        if body.startswith(b"Raw profile type "):
            raise PictureError(
                f"{name}: has metadata of an old kind, 'Raw profile', that is not read here. Whether it has GPS is not "
                "known."
            )
        if kind == b"iTXt" and body.startswith(b"XML:com.adobe.xmp\0"):
            found.append(_international_text(body))
            if sum(map(len, found)) > _LONGEST:
                raise PictureError(
                    f"{name}: has more XMP than is looked at. Whether it has GPS is not known."
                )
    return tuple(found)


def _international_text(body: bytes) -> bytes:
    """The text of a PNG's iTXt chunk: keyword, 0, compressed?, method, language, 0, translated keyword, 0, text."""
    rest = body.split(b"\0", 1)[1]
    text = rest[2:].split(b"\0", 2)[2]
    return zlib.decompressobj().decompress(text, _LONGEST) if rest[:1] == b"\1" else text
