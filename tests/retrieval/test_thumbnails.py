"""Thumbnails: one a row, found again, and never those of another gallery."""

import io

import pytest
import torch
from PIL import Image

from graticule.errors import ModelFormatError
from graticule.retrieval.thumbnails import SIDE_PX, Thumbnails

COLOURS = ["red", "lime", "blue"]


@pytest.fixture
def thumbnails():
    return Thumbnails.of_pictures(Image.new("RGB", (90, 60), colour) for colour in COLOURS)


def test_each_row_has_its_own(thumbnails):
    assert len(thumbnails) == 3
    for row, colour in enumerate(COLOURS):
        shown = Image.open(io.BytesIO(thumbnails.get(row)))
        assert (shown.format, shown.size) == ("WEBP", (SIDE_PX, SIDE_PX))
        middle = shown.convert("RGB").getpixel((SIDE_PX // 2, SIDE_PX // 2))
        wanted = Image.new("RGB", (1, 1), colour).getpixel((0, 0))
        assert max(abs(a - b) for a, b in zip(middle, wanted, strict=True)) < 30


@pytest.mark.parametrize("row", [-1, 3, 10**9])
def test_rows_that_do_not_exist_have_none(thumbnails, row):
    assert thumbnails.get(row) is None


def test_they_are_stored_and_found_again(thumbnails):
    again = Thumbnails.of_tensors(thumbnails.tensors(), rows=3, name="thumbnails.safetensors")
    assert [again.get(row) for row in range(3)] == [thumbnails.get(row) for row in range(3)]


@pytest.mark.parametrize(
    "ends",
    [[-1, 4, 9], [5, 4, 9], [[3, 3], [6, 6], [9, 9]], [3.0, 6.0, 9.0]],
    ids=["before the first byte", "backwards", "a table", "no integers"],
)
def test_ends_that_can_be_none_are_refused(ends):
    tensors = {"ends": torch.tensor(ends), "data": torch.zeros(9, dtype=torch.uint8)}
    with pytest.raises(ModelFormatError, match="holds no thumbnails"):
        Thumbnails.of_tensors(tensors, rows=3, name="thumbnails.safetensors")


@pytest.mark.parametrize("damage", ["rows", "ends", "data"])
def test_those_of_another_gallery_are_refused(thumbnails, damage):
    tensors = thumbnails.tensors()
    if damage != "rows":
        tensors[damage] = tensors[damage][:-1] if damage == "data" else torch.tensor([1, 2, 3])
    with pytest.raises(
        ModelFormatError, match=r"thumbnails\.safetensors: holds no thumbnails of \d gallery rows"
    ):
        Thumbnails.of_tensors(tensors, rows=4 if damage == "rows" else 3, name="thumbnails.safetensors")
