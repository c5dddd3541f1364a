"""Fault 8: an answer is of its picture alone, however many are asked about beside it, in whatever order."""

import random

import numpy as np
import pytest

from faults.fault import Fault
from graticule.decoding.sample import Sampling
from graticule.images import batches
from graticule.locator import Geolocator

FAULT = Fault(
    number=8,
    fault="any batch size, worker count, order",
    defence="networks answer in evaluation mode, each row of a batch by itself; results keep the order of the pictures "
    "(encoders/contract.py, images/batches.py, locator.py)",
)


@pytest.fixture(scope="module")
def geolocator():
    return Geolocator.load("orbit")


def numbers(result):
    candidates = [(c.latitude, c.longitude, c.probability) for c in result.candidates]
    return np.array([(result.latitude, result.longitude, result.radius_km), *candidates])


def check(geolocator, pictures, *, rounds):
    """Answers in rounds of random order, batch size and threads are those of one by one. Gives how many there were."""
    alone = {str(path): next(geolocator.locate([path], batch_size=1)) for path in pictures}
    draw, tried = random.Random(0), 0
    for _ in range(rounds):
        order = draw.choices(pictures, k=draw.randint(1, 16))
        size, threads = draw.randint(1, 17), draw.randint(1, 8)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(batches.os, "cpu_count", lambda count=threads: count)
            found = list(geolocator.locate(order, batch_size=size))
        assert [result.path for result in found] == [str(path) for path in order]
        for result in found:
            np.testing.assert_allclose(numbers(result), numbers(alone[result.path]), rtol=1e-5, atol=1e-5)
        tried += len(found)
    return tried


def test_answers_are_the_same(geolocator, pictures, record_property):
    record_property("inputs", check(geolocator, pictures, rounds=6))


def test_samples_are_the_same(geolocator, pictures):
    drawn = Sampling(count=8, seed=3)
    pictures = pictures[:5]
    together = list(geolocator.locate(pictures, decode=drawn))
    for size in (1, 3):
        for found, expected in zip(
            geolocator.locate(pictures, decode=drawn, batch_size=size), together, strict=True
        ):
            np.testing.assert_allclose(numbers(found), numbers(expected), rtol=1e-5, atol=1e-5)


def test_without_the_defence_pictures_see_each_other(geolocator, pictures, monkeypatch):
    encode = geolocator._encoder.encode

    def related(pixels):
        features = encode(pixels)
        return features - 0.1 * features.mean(0)

    monkeypatch.setattr(geolocator._encoder, "encode", related)
    with pytest.raises(AssertionError):
        check(geolocator, pictures, rounds=3)


def test_without_the_defence_dropout_answers(geolocator, pictures):
    geolocator.model.geotoken.train()
    try:
        with pytest.raises(AssertionError):
            check(geolocator, pictures, rounds=3)
    finally:
        geolocator.model.geotoken.eval()
