"""The door for pixels: what comes through, and what is refused in which words."""

import contextlib
import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from graticule.errors import PictureError
from graticule.images.open import open_picture, square_pixels
from graticule.images.webp import HEAD_BYTES, webp_size

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP")


def scene(width=48, height=32, mode="RGB"):
    y, x = np.mgrid[:height, :width]
    pixels = np.stack([x * 5, y * 7, (x + y) * 3], -1).astype(np.uint8)
    return Image.fromarray(pixels).convert(mode)


def encoded(image, kind="PNG", **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def png_header(width, height):
    """A PNG that declares a size and holds next to nothing."""

    def chunk(tag, body):
        return struct.pack(">I", len(body)) + tag + body + struct.pack(">I", zlib.crc32(tag + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 64)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_gives_upright_rgb(kind):
    image = open_picture(encoded(scene(), kind))
    assert image.mode == "RGB"
    assert image.size == (48, 32)
    error = np.abs(np.asarray(image).astype(int) - np.asarray(scene()).astype(int)).mean()
    assert error < 12, "the colours are those that went in, within what the format keeps"


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_gives_the_upright_pixels(kind, orientation):
    upright = scene()
    stored = {
        1: lambda i: i,
        2: lambda i: i.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        3: lambda i: i.transpose(Image.Transpose.ROTATE_180),
        4: lambda i: i.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
        5: lambda i: i.transpose(Image.Transpose.TRANSPOSE),
        6: lambda i: i.transpose(Image.Transpose.ROTATE_90),
        7: lambda i: i.transpose(Image.Transpose.TRANSVERSE),
        8: lambda i: i.transpose(Image.Transpose.ROTATE_270),
    }[orientation](upright)
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if kind == "WEBP" else {}
    opened = open_picture(encoded(stored, kind, exif=exif, **options))
    assert np.array_equal(np.asarray(opened), np.asarray(upright))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_jpeg_has_the_upright_size(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = scene(48, 32) if orientation < 5 else scene(32, 48)
    assert open_picture(encoded(stored, "JPEG", exif=exif)).size == (48, 32)


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_is_passed_over(value):
    exif = Image.Exif()
    exif[0x0112] = value
    assert open_picture(encoded(scene(), exif=exif)).size == (48, 32)


def test_a_damaged_exif_block_leaves_the_pixels_alone():
    assert open_picture(encoded(scene(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")).size == (48, 32)


@pytest.mark.parametrize(
    ("mode", "kind"),
    [("CMYK", "JPEG"), ("CMYK", "TIFF"), ("P", "PNG"), ("P", "GIF"), ("1", "PNG"), ("L", "BMP")],
)
def test_other_modes_become_rgb(mode, kind):
    assert open_picture(encoded(scene(mode=mode), kind)).mode == "RGB"


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_grey_keeps_its_high_byte(kind):
    deep = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64) * 16
    opened = np.asarray(open_picture(encoded(Image.fromarray(deep), kind)))
    assert np.array_equal(opened[..., 0], (deep >> 8).astype(np.uint8))
    assert np.array_equal(opened[..., 0], opened[..., 2])


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_32_bit_pixels_are_refused(dtype):
    with pytest.raises(PictureError, match="32-bit"):
        open_picture(encoded(Image.fromarray(np.ones((4, 4), dtype)), "TIFF"))


def test_transparency_shows_mid_grey():
    clear = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    assert open_picture(encoded(clear)).getpixel((1, 1)) == (128, 128, 128)
    half = Image.new("LA", (4, 4), (255, 128))
    assert open_picture(encoded(half)).getpixel((1, 1))[0] == pytest.approx(191, abs=2)
    palette = Image.new("P", (4, 4), 0)
    assert open_picture(encoded(palette, "GIF", transparency=0)).getpixel((1, 1)) == (128, 128, 128)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_several_frames_the_first_is_taken(kind):
    red, blue = (Image.new("RGB", (8, 8), colour) for colour in ("red", "blue"))
    opened = open_picture(encoded(red, kind, save_all=True, append_images=[blue]))
    assert opened.getpixel((3, 3))[0] > 200


@pytest.mark.parametrize("size", [(1, 1), (2000, 100), (3, 500)])
def test_odd_shapes_are_answered(size):
    assert square_pixels(open_picture(encoded(scene(*size))), 64).shape == (3, 64, 64)


def test_a_picture_of_the_right_size_is_untouched():
    image = scene(64, 64)
    assert np.array_equal(square_pixels(image, 64), np.asarray(image).transpose(2, 0, 1))
    wide = scene(80, 64)
    assert np.array_equal(square_pixels(wide, 64), np.asarray(wide)[:, 8:72].transpose(2, 0, 1))


def test_shrinking_averages_instead_of_skipping():
    stripes = np.zeros((512, 512, 3), np.uint8)
    stripes[:, ::2] = 255
    small = square_pixels(Image.fromarray(stripes), 64).astype(int)
    assert np.abs(small - 128).max() <= 8


def test_the_declared_size_is_refused_before_decoding(monkeypatch):
    def never(*_):
        raise AssertionError("pixels were decoded")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", never)
    with pytest.raises(PictureError, match=r"10000 x 9000 pixels, the limit is 80 megapixels"):
        open_picture(png_header(10_000, 9_000), name="bomb.png")
    with pytest.raises(PictureError, match="megapixels"):
        open_picture(png_header(60_000, 60_000), name="bomb.png")
    with pytest.raises(PictureError, match=r"48 x 32 pixels, the limit is 0.001 megapixels"):
        open_picture(encoded(scene(), "JPEG", progressive=True), max_pixels=1000, shortest=4)


def test_draft_decoding_keeps_what_is_asked_for():
    big = encoded(scene(800, 640), "JPEG")
    assert min(open_picture(big, shortest=128).size) >= 128
    assert max(open_picture(big, shortest=128).size) < 800
    assert open_picture(big).size == (800, 640)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "BMP"])
@pytest.mark.parametrize("part", [0.02, 0.5, 0.9])
def test_a_truncated_picture_is_refused_by_name(kind, part):
    whole = encoded(Image.effect_noise((64, 64), 60).convert("RGB"), kind)
    with pytest.raises(PictureError, match=r"^half\.jpg: .*Copy it again"):
        open_picture(whole[: max(12, int(len(whole) * part))], name="half.jpg")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html><body>404", "web page"),
        (b"\n  <HTML>", "web page"),
        (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        (b"dear diary, today I walked", "text file"),
        (b"%PDF-1.7\n%\xe2\xe3", "PDF"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC"),
        (b"\0\0\0\x18ftypisom\0\0\0\0", "video"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "git lfs pull"),
        (b"PK\x03\x04\0\0\0\0\x01\x02\xff\xfe", "not a picture"),
        (b"\xff\xd8\xff", "cut short"),
    ],
)
def test_what_is_no_picture_is_named(tmp_path, content, words):
    path = tmp_path / "holiday.jpg"
    path.write_bytes(content)
    with pytest.raises(PictureError, match=words) as caught:
        open_picture(path)
    assert str(caught.value).startswith(str(path))


def test_formats_outside_the_list_are_refused():
    with pytest.raises(PictureError, match="JPEG, PNG, WebP"):
        open_picture(encoded(scene(), "PCX"))


def test_paths_that_lead_nowhere(tmp_path):
    with pytest.raises(PictureError, match="no such file"):
        open_picture(tmp_path / "gone.jpg")
    with pytest.raises(PictureError, match="without pictures"):
        open_picture(tmp_path)
    with pytest.raises(PictureError, match="can't be read"):
        open_picture(tmp_path / ("x" * 400))
    with pytest.raises(PictureError, match="can't be read"):
        open_picture(Path("a\0b.jpg"))
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(PictureError, match="not a plain file"):
        open_picture(tmp_path / "pipe.jpg")


SEEDS = [encoded(scene(20, 14), kind) for kind in FORMATS] + [
    encoded(scene(20, 14, "CMYK"), "TIFF"),
    encoded(scene(20, 14), "TIFF", compression="tiff_lzw"),
    encoded(scene(20, 14), "JPEG", progressive=True),
    encoded(Image.new("RGBA", (9, 9), (1, 2, 3, 4))),
    encoded(scene(20, 14), "GIF", save_all=True, append_images=[scene(20, 14).rotate(90)]),
]


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_mutated_bytes_give_a_picture_or_a_refusal(data):
    mutated = bytearray(data.draw(st.sampled_from(SEEDS)))
    for _ in range(data.draw(st.integers(1, 8))):
        place = data.draw(st.integers(0, len(mutated) - 1))
        mutated[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(mutated)))
    content = bytes(mutated[:cut]) if data.draw(st.booleans()) else bytes(mutated)
    try:
        image = open_picture(content, max_pixels=1_000_000)
    except PictureError:
        return
    assert image.mode == "RGB"
    assert square_pixels(image, 8).shape == (3, 8, 8)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_arbitrary_bytes_give_a_picture_or_a_refusal(content):
    with contextlib.suppress(PictureError):
        assert open_picture(content, max_pixels=1_000_000).mode == "RGB"


@pytest.mark.parametrize("options", [{"lossless": True}, {}, {"exif": b"Exif\0\0II*\0"}])
@pytest.mark.parametrize("size", [(1, 1), (63, 64), (300, 7)])
def test_the_size_of_a_webp_is_known_before_a_decoder_sees_it(size, options, monkeypatch):
    data = encoded(scene(*size), "WEBP", **options)
    assert webp_size(data[:HEAD_BYTES]) == Image.open(io.BytesIO(data)).size
    monkeypatch.setattr("PIL.Image.open", lambda *_, **__: pytest.fail("a decoder saw it"))
    with pytest.raises(PictureError, match=f"{size[0]} x {size[1]} pixels"):
        open_picture(data, max_pixels=size[0] * size[1] - 1)
