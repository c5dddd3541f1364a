"""Fault 14: pictures that are not three plain colours of a usual shape."""

import numpy as np
import pytest
from PIL import Image

from faults.answers import located
from faults.fault import Fault
from graticule.images import open as door
from graticule.locator import Geolocator
from images.test_open import encoded, scene

FAULT = Fault(
    number=14,
    fault="CMYK, 16-bit, palette, alpha, animated, 1 x 1, a panorama of 20 : 1",
    defence="a rule for each kind, in one place: answered as the plain picture it stands for, or refused "
    "(images/open.py)",
)

DEEP = (np.mgrid[:48, :64].sum(0) * 500).astype(np.uint16)
CLEAR = scene(64, 48).convert("RGBA")
CLEAR.putalpha(Image.fromarray((DEEP >> 8).astype(np.uint8)))
OVER_GREY = Image.alpha_composite(Image.new("RGBA", (64, 48), (128, 128, 128, 255)), CLEAR).convert("RGB")
FRAMES = [scene(64, 48), Image.new("RGB", (64, 48), "red"), Image.new("RGB", (64, 48), "blue")]
ANIMATED = {"save_all": True, "append_images": FRAMES[1:]}
PALETTE = scene(64, 48).quantize(16)
HOLED = PALETTE.copy()
HOLED.info["transparency"] = 3


def tiled(width, height):
    """A picture of any shape that is not of one colour."""
    return scene(min(width, 64), min(height, 64)).resize((width, height))


ANSWERED = {
    "cmyk.tif": (encoded(scene(64, 48, "CMYK"), "TIFF"), scene(64, 48, "CMYK").convert("RGB")),
    "16-bit.png": (encoded(Image.fromarray(DEEP)), Image.fromarray((DEEP >> 8).astype(np.uint8))),
    "16-bit.tif": (encoded(Image.fromarray(DEEP), "TIFF"), Image.fromarray((DEEP >> 8).astype(np.uint8))),
    "palette.png": (encoded(PALETTE), PALETTE.convert("RGB")),
    "palette.gif": (encoded(PALETTE, "GIF"), PALETTE.convert("RGB")),
    "hole.png": (
        encoded(HOLED, transparency=3),
        Image.alpha_composite(
            Image.new("RGBA", (64, 48), (128, 128, 128, 255)), HOLED.convert("RGBA")
        ).convert("RGB"),
    ),
    "alpha.png": (encoded(CLEAR), OVER_GREY),
    "alpha.webp": (encoded(CLEAR, "WEBP", lossless=True, exact=True), OVER_GREY),
    "grey-alpha.png": (
        encoded(Image.new("LA", (8, 8), (255, 0))),
        Image.new("RGB", (8, 8), (128, 128, 128)),
    ),
    "one-bit.png": (encoded(scene(64, 48, "1")), scene(64, 48, "1").convert("RGB")),
    "grey.bmp": (encoded(scene(64, 48, "L"), "BMP"), scene(64, 48, "L").convert("RGB")),
    "animated.png": (encoded(FRAMES[0], "PNG", **ANIMATED), FRAMES[0]),
    "animated.webp": (encoded(FRAMES[0], "WEBP", lossless=True, **ANIMATED), FRAMES[0]),
    "pages.tif": (encoded(FRAMES[0], "TIFF", **ANIMATED), FRAMES[0]),
    "dot.png": (encoded(tiled(1, 1)), tiled(1, 1)),
    "dot.gif": (encoded(Image.new("P", (1, 1)), "GIF"), Image.new("RGB", (1, 1))),
    "panorama.png": (encoded(tiled(2000, 100)), tiled(2000, 100)),
    "tower.png": (encoded(tiled(100, 2000)), tiled(100, 2000)),
    "thread.png": (encoded(tiled(3000, 1)), tiled(3000, 1)),
}
"""What is asked about, and the plain picture that it stands for."""
LOSSY = {
    "cmyk.jpg": encoded(scene(64, 48, "CMYK"), "JPEG"),
    "animated.gif": encoded(FRAMES[0], "GIF", **ANIMATED),
    "panorama.jpg": encoded(tiled(4000, 200), "JPEG"),
}
REFUSED = {
    "32-bit.tif": encoded(Image.fromarray(DEEP.astype(np.int32)), "TIFF"),
    "float.tif": encoded(Image.fromarray(DEEP.astype(np.float32)), "TIFF"),
    "nan.tif": encoded(Image.fromarray(np.full((8, 8), np.nan, np.float32)), "TIFF"),
}


def check(model, folder, capsys):
    """Answered as the plain picture, or refused by rule. Gives how many were tried."""
    paths = []
    for name, content in (*((n, c) for n, (c, _) in ANSWERED.items()), *LOSSY.items(), *REFUSED.items()):
        paths.append(folder / name)
        paths[-1].write_bytes(content)
    status, records, err = located(capsys, model, *paths)
    assert "Traceback" not in err
    assert status == 1
    assert [path.name for path, record in zip(paths, records, strict=True) if "error" in record] == [*REFUSED]
    assert all("32-bit pixels" in record["error"]["message"] for record in records[-len(REFUSED) :])
    geolocator = Geolocator.load(model)
    other = [
        name
        for name, (content, plain) in ANSWERED.items()
        if (geolocator.pixels(content) != geolocator.pixels(encoded(plain.convert("RGB")))).any()
    ]
    assert not other
    return len(paths)


def test_each_kind_is_answered_or_refused_by_its_rule(small_folder, tmp_path, capsys, record_property):
    record_property("inputs", check(small_folder, tmp_path, capsys))


def test_without_the_rules_they_are_other_pictures(small_folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(door, "_to_rgb", lambda image, name: image.convert("RGB"))
    with pytest.raises(AssertionError):
        check(small_folder, tmp_path, capsys)
