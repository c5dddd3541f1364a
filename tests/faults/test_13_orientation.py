"""Fault 13: the same picture, stored turned and mirrored in each of the eight ways that EXIF knows."""

import pytest
from PIL import Image

from faults.fault import Fault
from graticule.images import open as door
from graticule.locator import Geolocator
from images.test_open import encoded, scene

FAULT = Fault(
    number=13,
    fault="EXIF orientation 1 to 8",
    defence="the picture is turned upright when it is opened, before anything looks at it (images/open.py)",
)

STORED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""How an upright picture is stored under each orientation (EXIF 2.32, section 4.6.4)."""
LOSSLESS = {"PNG": {}, "TIFF": {}, "WEBP": {"lossless": True}}


def files(folder):
    """One picture in three formats and eight orientations: the paths, and the upright ones among them."""
    upright = scene(60, 44)
    for kind, options in LOSSLESS.items():
        for orientation in range(1, 9):
            exif = Image.Exif()
            exif[0x0112] = orientation
            turn = STORED.get(orientation)
            stored = upright if turn is None else upright.transpose(turn)
            path = folder / f"{orientation}.{kind.lower()}"
            path.write_bytes(encoded(stored, kind, exif=exif, **options))
            yield path


def check(model, folder):
    """All are the same to the model, to the bit. Gives how many were tried."""
    geolocator, paths = Geolocator.load(model), list(files(folder))
    first = geolocator.pixels(paths[0])
    turned = " ".join(path.name for path in paths if (geolocator.pixels(path) != first).any())
    assert not turned
    results = list(geolocator.locate(paths))
    for result in results:
        assert (result.latitude, result.longitude) == pytest.approx(
            (results[0].latitude, results[0].longitude), abs=1e-5
        )
        assert result.circles_km == pytest.approx(results[0].circles_km, abs=1e-3)
    return len(paths)


def test_every_orientation_has_one_answer(small_folder, tmp_path, record_property):
    record_property("inputs", check(small_folder, tmp_path))


def test_without_the_defence_seven_of_eight_are_other_pictures(small_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(door, "_upright", lambda image: image)
    with pytest.raises(AssertionError) as failed:
        check(small_folder, tmp_path)
    assert all(f"{turned}.png" in str(failed.value) for turned in range(2, 9))
