"""Picture bytes through the one door for pixels."""

from __future__ import annotations

import io
import struct
from functools import cache

import numpy as np
from PIL import Image

from fuzz.edits import bytes_edit, mixed, png_edit, tiff_edit
from fuzz.target import Target
from graticule.errors import PictureError
from graticule.images.open import open_picture, square_pixels

_CAP = 1_000_000
_MODES = {
    "JPEG": ("RGB", "L", "CMYK"),
    "PNG": ("RGB", "RGBA", "P", "1", "I;16", "LA"),
    "WEBP": ("RGB", "RGBA"),
    "TIFF": ("RGB", "L", "CMYK", "I;16", "F", "1"),
    "GIF": ("P",),
    "BMP": ("RGB", "P", "1"),
}


@cache
def seeds() -> list[bytes]:
    """Small pictures of every format and kind of pixels that is read, some turned, some of several frames."""
    made = [_saved(form, mode) for form, modes in _MODES.items() for mode in modes]
    made += [_saved("JPEG", "RGB", progressive=True), _saved("JPEG", "RGB", exif=_turned(6))]
    made += [_saved("PNG", "RGB", exif=_turned(3)), _saved("WEBP", "RGB", exif=_turned(8))]
    made += [
        _saved("TIFF", "RGB", compression=name)
        for name in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")
    ]
    frames = [_scene("P"), _scene("P").rotate(90)]
    made += [
        _saved(form, "P", save_all=True, append_images=frames) for form in ("GIF", "TIFF", "WEBP", "PNG")
    ]
    # Not supported: refused by name.
    made += [b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b""]
    return made


def one(data: bytes) -> None:
    """Open it whole, and as small as an encoder wants it."""
    for shortest in (None, 8):
        try:
            image = open_picture(data, name="it", max_pixels=_CAP, shortest=shortest)
        except PictureError as error:
            assert str(error).startswith("it: "), error
            assert len(str(error)) < 1000
            continue
        assert image.mode == "RGB"
        assert 0 < image.width * image.height <= _CAP
        pixels = square_pixels(image, 8)
        assert pixels.shape == (3, 8, 8)
        assert pixels.dtype == np.uint8


def _scene(mode: str) -> Image.Image:
    row = np.arange(0, 240, 10, dtype=np.uint8)
    colours = Image.fromarray(np.stack(np.broadcast_arrays(row[:16, None], row, row[::-1]), axis=-1))
    if mode == "I;16":
        return Image.fromarray(np.asarray(colours.convert("L")).astype(np.uint16) << 8)
    return colours.convert(mode)


def _saved(form: str, mode: str, **options: object) -> bytes:
    written = io.BytesIO()
    _scene(mode).save(written, form, **options)
    return written.getvalue()


def _turned(orientation: int) -> bytes:
    return b"Exif\0\0II*\0" + struct.pack("<IHHHIII", 8, 1, 0x0112, 3, 1, orientation, 0)


TARGET = Target(
    name="pictures",
    door="images.open.open_picture",
    promise="an upright 8-bit RGB picture within the cap, or a PictureError that names it",
    seeds=seeds,
    one=one,
    edit=mixed(bytes_edit, png_edit, tiff_edit),
)
