"""Fault 22: pictures that show no place."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from faults.answers import located
from faults.fault import Fault
from graticule import locator
from graticule.earth.density import Density
from graticule.locator import Geolocator

FAULT = Fault(
    number=22,
    fault="a photo without signal: black, noise, a document",
    defence="the answer is all of the probability, calibrated, and an estimate that was asked to be surer than it is "
    "gives way to its circle (decoding/calibration.py, prediction/answer.py)",
)

EACH = 100
WIDER, WIDER_EACH = 10, 3
"""How many times larger than that of a view its 90 % region is: at the median of a kind, and of every one. Flat and
noisy pictures spread over continents; a page of text, which `orbit` was never taught to doubt, comes closest."""
TEXT = "the of and to in is you that it for on are as with his they be at one have this from or had by word"


def black(draw):
    """A lens cap: one colour, or nearly none."""
    return Image.new("RGB", (160, 120), tuple(int(value) for value in draw.integers(0, 12, 3)))


def noise(draw):
    return Image.fromarray(draw.integers(0, 256, (120, 160, 3), dtype=np.uint8))


def document(draw):
    """A page of text."""
    page = Image.new("RGB", (420, 594), (250, 250, 247))
    pen = ImageDraw.Draw(page)
    words = TEXT.split()
    for top in range(40, 550, 14):
        end = 40 + 340 * (1.0 if draw.random() > 0.1 else draw.random())
        left = 40.0
        while left < end:
            word = words[draw.integers(len(words))] + " "
            pen.text((left, top), word, fill=(20, 20, 20))
            left += pen.textlength(word)
    return page


KINDS = {"black": black, "noise": noise, "document": document}


def files(folder, count):
    """Of each kind some pictures, always the same."""
    found = {}
    for seed, (kind, make) in enumerate(KINDS.items()):
        draw = np.random.default_rng(seed)
        found[kind] = [folder / f"{kind}-{number:03}.png" for number in range(count)]
        for path in found[kind]:
            make(draw).save(path)
    return found


def areas_km2(results):
    return np.array([result.credible_region(0.9).area_km2 for result in results])


def check_wide(orbit, views, folder, count):
    """The region that holds 90 % is many times that of views. Gives how many pictures were tried."""
    usual = np.median(areas_km2(orbit.locate(views)))
    for kind, paths in files(folder, count).items():
        wide = areas_km2(orbit.locate(paths)) / usual
        assert np.median(wide) > WIDER, kind
        assert wide.min() > WIDER_EACH, kind
    return len(KINDS) * count


def check_unsure(orbit, views, folder, count):
    """Asked to be sure, the model is so of most views, and of no such picture. Gives how many were tried."""
    asked = {"min_confidence": 0.9, "confidence_km": 100}
    assert sum(result.not_sure is None for result in orbit.locate(views, **asked)) > len(views) / 2
    for kind, paths in files(folder, count).items():
        sure = [result.path for result in orbit.locate(paths, **asked) if result.not_sure is None]
        assert sure == [], kind
    return len(KINDS) * count


@pytest.fixture(scope="module")
def orbit():
    return Geolocator.load("orbit")


def test_the_region_is_wide(orbit, pictures, tmp_path, record_property):
    record_property("inputs", check_wide(orbit, pictures, tmp_path, EACH))


def test_it_says_that_it_is_not_sure(orbit, pictures, tmp_path, record_property):
    record_property("inputs", check_unsure(orbit, pictures, tmp_path, EACH))


def test_the_command_says_so_and_names_no_point(tmp_path, capsys):
    paths = [paths[0] for paths in files(tmp_path, 1).values()]
    status, records, _ = located(capsys, "orbit", *paths, "--min-confidence", "0.9", "--radius", "100")
    assert status == 0
    for record in records:
        assert "latitude" not in record
        assert record["not_sure"]["probability"] < 0.9


def test_without_the_whole_probability_the_likeliest_cell_is_the_region(
    orbit, pictures, tmp_path, monkeypatch
):
    def likeliest(density, mass):
        return density.mass == density.mass.max(axis=1, keepdims=True)

    monkeypatch.setattr(Density, "credible", likeliest)
    with pytest.raises(AssertionError, match="black"):
        check_wide(orbit, pictures, tmp_path, 10)


def test_without_the_doubt_every_answer_is_a_point(orbit, pictures, tmp_path, monkeypatch):
    monkeypatch.setattr(locator, "_doubt", lambda confidence, km: lambda prediction: prediction)
    with pytest.raises(AssertionError, match="black"):
        check_unsure(orbit, pictures, tmp_path, 10)
