"""Pictures as a server may see them: small, upright, and nothing but pixels."""

from __future__ import annotations

import base64
import io
from pathlib import Path

from PIL import Image

from graticule.errors import PictureError
from graticule.images.open import open_picture

__all__ = ["data_url", "small_jpeg"]


def small_jpeg(picture: Path | bytes | Image.Image, max_side: int) -> bytes:
    """Encode a picture anew: no side longer than `max_side`, no EXIF, GPS, comment, profile or thumbnail.

    Args:
        picture: A file, the bytes of one, or an RGB image as `open_picture` gives it.
        max_side: In pixels. Smaller pictures are not enlarged.

    Raises:
        PictureError: If it can't be opened, or is an image that is not RGB.
    """
    if not isinstance(picture, Image.Image):
        # Twice the size, so that the resize decides how the pixels look, not the JPEG decoder.
        picture = open_picture(picture, shortest=2 * max_side)
    elif picture.mode != "RGB":
        raise PictureError(
            f"picture: an image of mode {picture.mode}. Open it with open_picture, which gives RGB."
        )
    # Pillow's JPEG writer takes the comment from the image it is given: only the pixels may go on.
    pixels = Image.frombytes("RGB", picture.size, picture.tobytes())
    pixels.thumbnail((max_side, max_side), Image.Resampling.BICUBIC, reducing_gap=3.0)
    out = io.BytesIO()
    pixels.save(out, "JPEG", quality=85)
    return out.getvalue()


def data_url(jpeg: bytes) -> str:
    """A JPEG as a URL that holds all of it."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")
