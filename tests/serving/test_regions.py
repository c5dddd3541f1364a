"""Regions in the words of clients."""

import json

import pytest

from graticule.errors import InputError
from graticule.serving.regions import Masks, region_of
from graticule.serving.settings import Limits


def square(west, south, size=1.0):
    ring = [
        [west, south],
        [west + size, south],
        [west + size, south + size],
        [west, south + size],
        [west, south],
    ]
    return {"type": "Polygon", "coordinates": [ring]}


def test_words_and_drawings_are_united():
    region = region_of(["Chile", " 50 km around 48.86,2.35 ", json.dumps(square(10, 20))], Limits())
    assert region.contains([[-33, -70.5], [48.9, 2.3], [20.5, 10.5], [0, 0]]).tolist() == [
        True,
        True,
        True,
        False,
    ]
    assert "the region drawn" in region.name


def test_a_drawing_with_too_many_corners():
    with pytest.raises(InputError, match="has 5 positions, more than 4"):
        region_of([json.dumps(square(0, 0))], Limits(geojson_positions=4))
    with pytest.raises(InputError, match="has 10 positions, more than 9"):
        region_of([json.dumps(square(0, 0)), json.dumps(square(5, 5))], Limits(geojson_positions=9))


@pytest.mark.parametrize(
    "text", ["{" * 50_000, '{"type":' * 50_000, "[[1,2]]", "{}", '{"type": "Polygon"}', ""]
)
def test_what_is_no_region(text):
    with pytest.raises(InputError):
        region_of([text], Limits())


@pytest.mark.parametrize("ending", ["geojson", "json"])
def test_no_file_is_opened(tmp_path, monkeypatch, ending):
    path = tmp_path / f"region.{ending}"
    path.write_text(json.dumps(square(0, 0)))
    monkeypatch.chdir(tmp_path)
    for text in (path.name, str(path), f"file://{path}"):
        with pytest.raises(InputError):
            region_of([text], Limits())


def test_masks_are_worked_out_once_and_the_latest_kept(stand_in):
    masks = Masks(Limits())
    assert masks.mask(stand_in, []) is None
    first = masks.mask(stand_in, ["Chile"])
    assert masks.mask(stand_in, ["Chile"]) is first
    assert masks.mask(stand_in, ["Chile", "Peru"]) is not first
    for number in range(31):
        masks.mask(stand_in, [f"10 km around {number},0"])
    assert masks.mask(stand_in, ["Chile"]) is not first
