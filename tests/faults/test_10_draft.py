"""Fault 10: a JPEG can be decoded at an eighth of its size, which must not let it through."""

import struct

import pytest
from PIL import Image

from faults.answers import refused_alone
from faults.fault import Fault
from graticule.errors import PictureError
from graticule.images import open as door
from graticule.locator import Geolocator
from images.test_open import encoded, scene

FAULT = Fault(
    number=10,
    fault="a progressive or draft-decoded JPEG beyond the cap",
    defence="the size in the file's header counts, before draft decoding makes it smaller (images/open.py)",
)

SHAPES = [(10_000, 9_000), (65_000, 1_300), (1_300, 65_000), (40_000, 4_000)]


def declaring(jpeg, width, height):
    """A JPEG whose frame header says another size."""
    place = next(at for marker in (b"\xff\xc0\0\x11", b"\xff\xc2\0\x11") if (at := jpeg.find(marker)) > 0)
    return jpeg[: place + 5] + struct.pack(">HH", height, width) + jpeg[place + 9 :]


def check_huge(model, folder, good, capsys):
    """Refused on the command line, by the size that stands in the file. Gives how many were tried."""
    paths, sizes = [], []
    for progressive in (False, True):
        for width, height in SHAPES:
            paths.append(folder / f"{progressive}-{width}.jpg")
            paths[-1].write_bytes(
                declaring(encoded(scene(64, 64), "JPEG", progressive=progressive), width, height)
            )
            sizes.append(f"{width} x {height} pixels, the limit is 80 megapixels")
    for message, size in zip(refused_alone(capsys, model, paths, good), sizes, strict=True):
        assert size in message
    return len(paths)


def check_whole(geolocator):
    """Whole JPEGs whose draft is within the cap are refused all the same. Gives how many were tried."""
    for progressive in (False, True):
        jpeg = encoded(scene(800, 640), "JPEG", progressive=progressive)
        assert geolocator.pixels(jpeg, max_pixels=800 * 640).shape[0] == 3
        try:
            geolocator.pixels(jpeg, max_pixels=800 * 640 - 1)
        except PictureError as error:
            assert "800 x 640 pixels" in str(error)  # noqa: PT017 - that it is raised is seen too
        else:
            pytest.fail("it was decoded")
    return 2


@pytest.fixture
def drafted_first(monkeypatch):
    """The mutation: what is held against the cap is the size after draft decoding."""

    def identified(stream, name, *, max_pixels):
        image = Image.open(stream)
        image.draft("RGB", (64, 64))
        door._check_size(image.size, name, max_pixels)
        return image

    monkeypatch.setattr(door, "identified", identified)


def test_the_size_in_the_header_is_refused(small_folder, picture, tmp_path, capsys, record_property):
    record_property("inputs", check_huge(small_folder, tmp_path, picture, capsys))


def test_a_draft_within_the_cap_is_no_excuse(small_folder, record_property):
    record_property("inputs", check_whole(Geolocator.load(small_folder)))


@pytest.mark.usefixtures("drafted_first")
def test_without_the_defence_the_draft_is_decoded(small_folder, picture, tmp_path, capsys):
    with pytest.raises(pytest.fail.Exception, match="it was decoded"):
        check_whole(Geolocator.load(small_folder))
    with pytest.raises(AssertionError):
        check_huge(small_folder, tmp_path, picture, capsys)
