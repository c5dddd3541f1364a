"""Fault 11: some of a thousand pictures are damaged."""

import random

import pytest

from faults.fault import Fault
from graticule.errors import PictureError
from graticule.images import batches
from graticule.locator import Geolocator
from graticule.prediction import Prediction, Refusal
from images.test_open import encoded, scene

FAULT = Fault(
    number=11,
    fault="a truncated or corrupt image in a batch of 1,000",
    defence="a refusal is a result: it takes the place of the answer, and the others are decoded on "
    "(images/batches.py, locator.py)",
)

WHOLE = 20
KINDS = ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP")


def damaged(number, draw):
    """A file cut off, zeroed in the middle, or overwritten from its beginning."""
    data = encoded(scene(90 + number % 7, 70), KINDS[number % len(KINDS)])
    cut = draw.randrange(1, len(data) // 2)
    if number % 3 == 0:
        return data[:cut]
    if number % 3 == 1:
        return data[:8] + bytes(len(data) - 8)
    return draw.randbytes(min(len(data), 40)) + data[40:]


def check(model, folder, pictures, broken, draw):
    """The damaged are refused, all others answered as they are alone, in order. Gives how many were tried."""
    whole = []
    for number in range(WHOLE):
        whole.append(folder / f"{number}.png")
        whole[-1].write_bytes(encoded(scene(64, 48).rotate(17 * number)))
    paths = [whole[number % WHOLE] for number in range(pictures)]
    for number in broken:
        paths[number] = folder / f"broken-{number}"
        paths[number].write_bytes(damaged(number, draw))
    geolocator = Geolocator.load(model)
    alone = {result.path: result for path in whole for result in geolocator.locate(path, decode="greedy")}
    results = list(geolocator.locate(paths, decode="greedy"))
    assert [result.path for result in results] == [str(path) for path in paths]
    assert [at for at, result in enumerate(results) if isinstance(result, Refusal)] == broken
    for result in results:
        if isinstance(result, Prediction):
            own = alone[result.path]
            assert abs(result.latitude - own.latitude) < 1e-5
            assert abs(result.longitude - own.longitude) < 1e-5
        else:
            assert isinstance(result.error, PictureError)
            assert str(result.error).startswith(f"{result.path}: ")
    return len(paths)


@pytest.mark.parametrize(("pictures", "count"), [(1000, 1), (200, 60)])
def test_the_damaged_are_refused_and_the_others_answered_in_order(
    small_folder, tmp_path, pictures, count, record_property
):
    draw = random.Random(count)
    broken = sorted(draw.sample(range(pictures), count))
    record_property("inputs", check(small_folder, tmp_path, pictures, broken, draw))


def test_without_the_defence_one_ends_the_batch(small_folder, tmp_path, monkeypatch):
    class NeverError(Exception):
        """Nothing raises it."""

    monkeypatch.setattr(batches, "PictureError", NeverError)
    with pytest.raises(PictureError, match="broken-50"):
        check(small_folder, tmp_path, 100, [50], random.Random(0))
