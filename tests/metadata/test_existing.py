"""Whatever names a position, in EXIF or XMP, wherever the format keeps it, is seen."""

import binascii
import struct
import zlib
from fractions import Fraction

import pytest
from PIL import Image, PngImagePlugin
from PIL.TiffImagePlugin import IFDRational

from graticule.errors import PictureError
from graticule.metadata.existing import read_existing

LEEDS = (53, 48, 0)
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><!-- %s --></x:xmpmeta>'
PLACED, UNPLACED = XMP % b"exif:GPSLatitude", XMP % b"nothing"


@pytest.mark.parametrize("form", ["jpg", "png", "tif", "webp"])
def test_gps_in_exif_is_seen(tmp_path, save_picture, form):
    path = save_picture(tmp_path / f"a.{form}", latitude=LEEDS)
    existing = read_existing(path)
    assert (existing.position, existing.doubtful) == ("its EXIF has GPS", False)


@pytest.mark.parametrize(
    ("latitude", "longitude", "letters"),
    [
        ((0, 0, 0), (0, 0, 0), "NE"),
        ((95, 0, 0), (10, 0, 0), "NE"),
        ((53, 48, 0), (10, 0, 0), "XE"),
        ((IFDRational(0, 0), 0, 0), (10, 0, 0), "NE"),
        ((Fraction(53), 0, 0), None, "NE"),
    ],
)
def test_gps_that_can_not_be_true_is_no_position_but_is_there(
    tmp_path, save_picture, latitude, longitude, letters
):
    path = tmp_path / "a.jpg"
    if longitude is None:
        exif = Image.Exif()
        exif[0x8825] = {1: "N", 2: latitude}
        save_picture(path, exif=exif)
    else:
        save_picture(path, latitude=latitude, longitude=longitude, letters=letters)
    existing = read_existing(path)
    assert (existing.position, existing.doubtful) == (None, True)


@pytest.mark.parametrize("form", ["jpg", "png", "tif", "webp"])
def test_xmp_is_found(tmp_path, save_picture, form):
    def save(name, packet):
        if form == "png":
            chunks = PngImagePlugin.PngInfo()
            chunks.add_itxt("XML:com.adobe.xmp", packet.decode())
            return save_picture(tmp_path / name, pnginfo=chunks)
        if form == "tif":
            return save_picture(tmp_path / name, tiffinfo={700: packet})
        return save_picture(tmp_path / name, xmp=packet)

    placed, unplaced = read_existing(save(f"a.{form}", PLACED)), read_existing(save(f"b.{form}", UNPLACED))
    assert (placed.position, placed.packets) == ("its XMP has GPS", (PLACED,))
    assert (unplaced.position, unplaced.packets, unplaced.doubtful) == (None, (UNPLACED,), False)


def test_xmp_behind_the_pixels_of_a_png_is_found(tmp_path, save_picture):
    path = save_picture(tmp_path / "a.png")
    for compressed in (False, True):
        text = zlib.compress(PLACED) if compressed else PLACED
        _insert_chunk(path, b"iTXt", b"XML:com.adobe.xmp\0" + bytes([compressed, 0]) + b"\0\0" + text)
    assert read_existing(path).packets == (PLACED, PLACED)
    assert read_existing(path).position == "its XMP has GPS"


def test_a_bomb_in_a_png_is_not_blown_up(tmp_path, save_picture):
    path = save_picture(tmp_path / "a.png")
    bomb = zlib.compress(bytes(80 << 20), 1)
    _insert_chunk(path, b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + bomb)
    [packet] = read_existing(path).packets
    assert len(packet) == 64 << 20


def test_many_bombs_in_a_png_are_not_blown_up_together(tmp_path, save_picture):
    path = save_picture(tmp_path / "a.png")
    packed = zlib.compress(bytes(40 << 20), 9)
    for _ in range(4):
        _insert_chunk(path, b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + packed)
    with pytest.raises(PictureError, match="more XMP than is looked at"):
        read_existing(path)


def test_old_metadata_of_a_png_leaves_doubt(tmp_path, save_picture):
    path = save_picture(tmp_path / "a.png")
    _insert_chunk(path, b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(b"exif"))
    with pytest.raises(PictureError, match=r"a\.png: .*not known"):
        read_existing(path)


def test_xmp_in_several_parts_is_told(tmp_path, save_picture):
    path = save_picture(tmp_path / "a.jpg", xmp=UNPLACED)
    assert not read_existing(path).extended
    more = b"http://ns.adobe.com/xmp/extension/\0" + b"A" * 40 + b"exif:GPSLatitude"
    _insert_segment(path, more)
    existing = read_existing(path)
    assert existing.extended
    assert existing.position == "its XMP has GPS"


def test_two_pictures_in_one_jpeg_are_a_format_of_its_own(tmp_path, save_picture):
    second = Image.new("RGB", (8, 8))
    path = save_picture(tmp_path / "a.mpo", latitude=LEEDS, save_all=True, append_images=[second])
    assert (read_existing(path).format, read_existing(path).position) == ("MPO", "its EXIF has GPS")


def test_a_gif_is_searched_whole(tmp_path, save_picture):
    path = save_picture(tmp_path / "a.gif", comment=b"")
    assert read_existing(path).position is None
    path.write_bytes(path.read_bytes() + PLACED)
    assert read_existing(path).position == "its XMP has GPS"


@pytest.mark.parametrize(
    "content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n" + bytes(20), b"\xff\xd8\xff\xe1"]
)
def test_what_is_no_picture_is_refused_by_name(tmp_path, content):
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(PictureError, match=r"a\.jpg: "):
        read_existing(tmp_path / "a.jpg")
    with pytest.raises(PictureError, match=r"none\.jpg: "):
        read_existing(tmp_path / "none.jpg")


def _insert_chunk(path, kind, body):
    """Before the end of a PNG."""
    data = path.read_bytes()
    chunk = struct.pack(">I", len(body)) + kind + body + struct.pack(">I", binascii.crc32(kind + body))
    path.write_bytes(data[:-12] + chunk + data[-12:])


def _insert_segment(path, body):
    """Before the picture data of a JPEG."""
    data = path.read_bytes()
    at = data.index(b"\xff\xda")
    path.write_bytes(data[:at] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[at:])
