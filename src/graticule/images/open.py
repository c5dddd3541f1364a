"""The only door for pixels: every picture Graticule sees is opened here.

What comes through is an upright 8-bit RGB image, or a `PictureError` that names the file, says what is
wrong with it and what to do. Rules for what pictures may hold besides plain colours:

    orientation tag     applied, so that a turned picture gives the pixels of the upright one
    transparency        laid over mid-grey: white would read as snow or cloud, black as night or water
    16-bit grey         the high byte is kept, as Pillow does for 16-bit colour
    CMYK, palette, YCbCr, grey, black and white    converted to RGB; colour profiles are not applied
    32-bit or floating point    refused: nothing says which value is white
    several frames      the first
"""

from __future__ import annotations

import io
import os
import re
import stat
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from graticule.errors import PictureError
from graticule.images.sniff import what_it_is
from graticule.images.webp import HEAD_BYTES, webp_size

__all__ = [
    "FORMATS",
    "MAX_BYTES",
    "MAX_PIXELS",
    "byte_stream",
    "identified",
    "open_picture",
    "square_pixels",
    "system_message",
]

FORMATS: Final = ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP")
"""The decoders Pillow may use. Each one more is one more parser of hostile bytes."""

MAX_PIXELS: Final = 80_000_000
"""Width times height, as declared. Holds a 61-megapixel camera, and stays below Pillow's own warning."""

MAX_BYTES: Final = 1 << 30
"""A file beyond this is not read: some decoders take the whole file into memory first."""

_GREY: Final = (128, 128, 128)

_ADDRESS: Final = re.compile(r"[a-z][a-z0-9+.-]+:/", re.IGNORECASE)
"""How a URL begins. A path, which joins slashes, keeps the first of them."""


def open_picture(
    source: Path | bytes,
    *,
    name: str | None = None,
    max_pixels: int = MAX_PIXELS,
    shortest: int | None = None,
) -> Image.Image:
    """Decode a picture to an upright 8-bit RGB image.

    Args:
        source: A file, or the bytes of one.
        name: What messages call the picture; the path, or "picture", if not given.
        max_pixels: Refuse what declares more pixels than this, before decoding. Pillow refuses more than
            about 179 million whatever stands here.
        shortest: Let a JPEG be decoded at 1/2, 1/4 or 1/8 of its size as long as its shorter side keeps
            this many pixels. The declared size is what is held against `max_pixels` all the same.

    Raises:
        PictureError: If it is missing, empty, damaged, too large, or not a picture.
    """
    name = name or (str(source) if isinstance(source, Path) else "picture")
    try:
        with byte_stream(source, name) as stream:
            return _decode(stream, name, max_pixels, shortest)
    except PictureError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a path with a null byte in it
        raise PictureError(system_message(name, error)) from error


def square_pixels(image: Image.Image, size: int) -> NDArray[np.uint8]:
    """The centred square of an RGB image, resized: what an encoder looks at.

    Every source pixel of the square counts (area reduction, then bicubic with antialiasing), and a picture
    that is `size` x `size` already comes back untouched.

    Args:
        image: An RGB image, as `open_picture` gives it.
        size: Side of the square, in pixels.

    Returns:
        (3, size, size) uint8.
    """
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    square = image.crop((left, top, left + side, top + side))
    if side != size:
        square = square.resize((size, size), Image.Resampling.BICUBIC, reducing_gap=3.0)
    return np.ascontiguousarray(np.asarray(square).transpose(2, 0, 1))


def byte_stream(source: Path | bytes, name: str) -> BinaryIO:
    """The bytes of `source` as a seekable stream, once it is known to be a plain file of sane length.

    Raises:
        PictureError: it is none.
        OSError: it can't be opened; `system_message` says why in words.
    """
    if isinstance(source, bytes):
        length = len(source)
    else:
        status = source.stat()
        if stat.S_ISDIR(status.st_mode):
            raise PictureError(f"{name}: a folder without pictures. Give one that holds some, or a picture.")
        if not stat.S_ISREG(status.st_mode):
            # A pipe would block, a device would never end.
            raise PictureError(f"{name}: not a plain file. Save the picture to a file first.")
        length = status.st_size
    if length == 0:
        raise PictureError(f"{name}: the file is empty. Copy it again from where it came.")
    if length > MAX_BYTES:
        raise PictureError(f"{name}: {length / 2**30:.1f} GiB, the limit is 1 GiB. Save a smaller copy.")
    return io.BytesIO(source) if isinstance(source, bytes) else source.open("rb")


def _decode(stream: BinaryIO, name: str, max_pixels: int, shortest: int | None) -> Image.Image:
    try:
        with identified(stream, name, max_pixels=max_pixels) as image:
            if shortest is not None and image.format == "JPEG":
                image.draft("RGB", (shortest, shortest))
            image.load()
            return _to_rgb(_upright(image), name)
    except PictureError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PictureError(
            f"{name}: declares far more than {max_pixels / 1e6:.0f} megapixels. Save a smaller copy."
        ) from error
    except UnidentifiedImageError as error:
        stream.seek(0)
        raise PictureError(f"{name}: {what_it_is(stream.read(1024))}") from error
    except Exception as error:
        # Pillow's parsers answer hostile bytes with anything from struct.error to MemoryError, and a
        # batch must outlive all of them.
        raise PictureError(
            f"{name}: damaged or cut short ({_brief(error)}). Copy it again from where it came."
        ) from error


def identified(stream: BinaryIO, name: str, *, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """What a file declares itself to be, with its size held against the cap; nothing is decoded yet.

    Raises:
        PictureError: There are too many pixels, or none.
        Exception: Whatever Pillow's parsers answer to hostile bytes.
    """
    declared = webp_size(stream.read(HEAD_BYTES))
    stream.seek(0)
    if declared is not None:
        _check_size(declared, name, max_pixels)
    image = Image.open(stream, formats=FORMATS)
    _check_size(image.size, name, max_pixels)
    return image


def _check_size(size: tuple[int, int], name: str, max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        raise PictureError(
            f"{name}: {width} x {height} pixels, the limit is {max_pixels / 1e6:g} megapixels. "
            "Save a smaller copy."
        )
    if width < 1 or height < 1:
        raise PictureError(f"{name}: {width} x {height} pixels: there is nothing to look at.")


def _upright(image: Image.Image) -> Image.Image:
    """The image turned as its orientation tag says; an unreadable tag says nothing."""
    try:
        orientation = image.getexif().get(0x0112, 1)
    except Exception:  # a damaged EXIF block does not make the pixels worse
        return image
    turn = _TURNS.get(orientation) if isinstance(orientation, int) else None
    return image if turn is None else image.transpose(turn)


_TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def _to_rgb(image: Image.Image, name: str) -> Image.Image:
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode in ("I", "F"):
        raise PictureError(
            f"{name}: 32-bit pixels, and nothing says which value is white. Save it with 8 or 16 bits."
        )
    if image.has_transparency_data:
        coloured = image.convert("RGBA")
        backdrop = Image.new("RGBA", coloured.size, (*_GREY, 255))
        return Image.alpha_composite(backdrop, coloured).convert("RGB")
    return image.convert("RGB")


def system_message(name: str, error: OSError | ValueError) -> str:
    """Why a file can't be read, and what to do, in one sentence."""
    if isinstance(error, FileNotFoundError):
        if _ADDRESS.match(name):
            return (
                f"{name}: an address on a network, and none is fetched unasked. Download the picture first, or allow "
                "http and https with --allow-urls (from Python, give an Address)."
            )
        return f"{name}: no such file or folder. Check the path."
    if isinstance(error, PermissionError):
        return f"{name}: no permission to read it. Check the file's rights."
    reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else _brief(error)
    return f"{name}: can't be read ({reason}). Check the path."


def _brief(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 100 else text[:97] + "..."
