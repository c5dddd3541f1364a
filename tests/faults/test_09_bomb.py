"""Fault 9: a file of a few bytes that declares gigabytes of pixels."""

import resource
import struct
import sys

import pytest

from faults.answers import refused_alone
from faults.fault import Fault
from faults.test_02_safetensors import little_memory
from graticule.images import open as door
from images.test_open import png_header

FAULT = Fault(
    number=9,
    fault="a decompression bomb, told by its declared size",
    defence="the declared size is held against a cap of 80 megapixels before a pixel is allocated (images/open.py)",
)

SIDE = 13_000
"""169 megapixels: more than Graticule takes, and less than Pillow refuses. Decoded they would fill 676 MB."""
MORE = 400 << 20


def gif(width, height):
    image = struct.pack("<BHHHHB", 0x2C, 0, 0, width, height, 0)
    palette = bytes(6)
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + palette + image + b"\2\1\0\0;"


def bmp(width, height):
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + 64, 0, 0, 54) + header + bytes(64)


def tiff(width, height):
    tags = [
        (256, 4, width),
        (257, 4, height),
        (258, 3, 8),
        (259, 3, 8),
        (262, 3, 1),
        (273, 4, 8),
        (278, 4, height),
        (279, 4, 16),
    ]
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    return b"II*\0" + struct.pack("<I", 24) + bytes(16) + struct.pack("<H", len(tags)) + entries + bytes(4)


def webp(width, height):
    body = b"VP8L" + struct.pack("<IBI", 10, 0x2F, (width - 1) | (height - 1) << 14) + bytes(5)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


MAKERS = {"png": png_header, "gif": gif, "bmp": bmp, "tiff": tiff, "webp": webp}


def check(model, folder, good, capsys):
    """Each bomb is refused by its declared size, in less memory than its pixels need. Gives how many were tried."""
    bombs = []
    for kind, make in MAKERS.items():
        for side in (SIDE, 16_383 if kind == "webp" else 60_000):
            bombs.append(folder / f"{side}.{kind}")
            bombs[-1].write_bytes(make(side, side))
    refused_alone(capsys, model, bombs[:1], good)  # what is heavy is imported
    with little_memory(MORE):
        messages = refused_alone(capsys, model, bombs, good)
    for path, message in zip(bombs, messages, strict=True):
        assert message.startswith(f"{path}: "), message
        assert "the limit is 80 megapixels" in message or "far more than 80 megapixels" in message, message
    return len(bombs)


needs_limits = pytest.mark.skipif(sys.platform != "linux", reason="reads its address space from /proc")


@needs_limits
def test_bombs_are_refused_by_what_they_declare(small_folder, picture, tmp_path, capsys, record_property):
    record_property("inputs", check(small_folder, tmp_path, picture, capsys))


@needs_limits
def test_without_the_defence_pixels_are_allocated(small_folder, picture, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(door, "_check_size", lambda size, name, most: None)
    with pytest.raises(AssertionError, match="damaged or cut short"):
        check(small_folder, tmp_path, picture, capsys)
    assert resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY
