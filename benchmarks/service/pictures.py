"""Pictures for a soak: sound ones of several sizes and formats, and what is none."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

__all__ = ["Pictures"]

VIEWS = Path(__file__).parents[2] / "examples" / "pictures"
MIDDLING, LARGE = ((800, 600), (1600, 1200)), (4000, 3000)


@dataclass(frozen=True)
class Pictures:
    """Pictures by name.

    Attributes:
        small: views as they come, PNG of 256 pixels.
        middling: JPEG, of screens.
        large: JPEG, of a camera.
        damaged: what can't be read as pictures, though all are called so.
    """

    small: dict[str, bytes]
    middling: dict[str, bytes]
    large: dict[str, bytes]
    damaged: dict[str, bytes]

    @property
    def sound(self) -> dict[str, bytes]:
        """All that can be answered."""
        return self.small | self.middling | self.large

    @classmethod
    def made(cls, views: int, pixels: int) -> Pictures:
        """Make them.

        Args:
            views: of the examples that they are made of.
            pixels: that the server takes; one picture declares more.
        """
        paths = sorted(VIEWS.glob("*.png"))[:views]
        small = {path.name: path.read_bytes() for path in paths}
        middling = {
            f"{path.stem}-{width}.jpg": _jpeg(path, width, height)
            for path in paths[:4]
            for width, height in MIDDLING
        }
        large = {f"{path.stem}-{LARGE[0]}.jpg": _jpeg(path, *LARGE) for path in paths[:2]}
        first = next(iter(middling.values()))
        damaged = {
            "cut.jpg": first[: len(first) // 2],
            "cut.png": small[paths[0].name][:-1000],
            "empty.jpg": b"",
            "page.jpg": b"<!DOCTYPE html><title>404</title>" * 20,
            "text.png": b"A letter, and no picture.\n" * 50,
            "noise.jpg": b"\xff\xd8\xff\xe0" + bytes(range(256)) * 40,
            "bomb.png": _declaring(pixels),
        }
        return cls(small, middling, large, damaged)


def _jpeg(path: Path, width: int, height: int) -> bytes:
    written = io.BytesIO()
    with Image.open(path) as image:
        image.convert("RGB").resize((width, height), Image.Resampling.BICUBIC).save(
            written, "JPEG", quality=85
        )
    return written.getvalue()


def _declaring(pixels: int) -> bytes:
    """A PNG of a few bytes that claims to hold more than so many pixels."""
    side = int(pixels**0.5) + 1

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
