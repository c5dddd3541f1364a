"""Batches across clients: who is answered together, and that nothing is lost."""

from concurrent.futures import wait

import numpy as np
import pytest

from graticule.errors import PictureError
from graticule.serving.batching import Batcher, Job
from graticule.serving.metrics import Metrics
from serving.conftest import StandIn

PIXELS = np.zeros((3, 8, 8), np.uint8)


@pytest.fixture
def batcher():
    started = Batcher(batch_size=4, gather_s=0.001, metrics=Metrics())
    yield started
    started.stop()


@pytest.fixture
def ask(batcher, stand_in):
    """Submits jobs while the model is held back, so that they wait together."""
    batcher.start([stand_in])
    assert batcher.warm.wait(60)
    stand_in.batches.clear()

    def ask(*jobs):
        stand_in.gate.clear()
        blocker = batcher.submit(Job(stand_in, PIXELS, "blocker", 1, None))
        while not blocker.running():
            pass
        futures = [batcher.submit(job) for job in jobs]
        stand_in.gate.set()
        return futures

    return ask


def job(geolocator, name, top_k=5, mask=None):
    return Job(geolocator, PIXELS, name, top_k, mask)


def test_what_waits_is_answered_together_up_to_the_batch_size(ask, stand_in):
    futures = ask(*(job(stand_in, str(number)) for number in range(6)))
    assert [future.result(60).path for future in futures] == list("012345")
    assert stand_in.batches == [["blocker"], ["0", "1", "2", "3"], ["4", "5"]]


@pytest.mark.parametrize("ended", [False, True])
def test_large_batches_come_in_few_sizes_and_what_is_left_goes_first(stand_in, ended):
    batcher = Batcher(batch_size=64, gather_s=0.001, metrics=Metrics())
    stand_in.gate.clear()
    regions = [None] * 13 + [object()] * 20
    futures = [
        batcher.submit(job(stand_in, f"{number}", mask=region)) for number, region in enumerate(regions)
    ]
    batcher.start([stand_in])
    stand_in.gate.set()
    if ended:
        batcher.stop(60)
    assert [future.result(60).path for future in futures] == [f"{number}" for number in range(33)]
    batcher.stop(60)
    assert [len(names) for names in stand_in.batches[1:]] == [8, 16, 5, 4]
    assert stand_in.batches[3] == [f"{number}" for number in range(8, 13)]


def test_other_models_and_regions_are_answered_apart(ask, stand_in):
    other, region = StandIn(), object()
    futures = ask(
        job(stand_in, "a"), job(stand_in, "b", mask=region), job(other, "c"), job(stand_in, "d", mask=region)
    )
    wait(futures, 60)
    assert stand_in.batches[1:] == [["a"], ["b", "d"]]
    assert other.batches == [["c"]]


def test_each_gets_as_many_candidates_as_it_wants(ask, stand_in):
    futures = ask(job(stand_in, "a", top_k=1), job(stand_in, "b", top_k=7))
    assert [len(future.result(60).candidates) for future in futures] == [1, 7]
    assert len(stand_in.batches) == 2


def test_a_fault_is_told_to_those_it_struck_and_ends_nothing(ask, stand_in):
    [failed] = ask(job(stand_in, "fault.png"))
    with pytest.raises(PictureError, match="made to fail"):
        failed.result(60)
    [answered] = ask(job(stand_in, "a"))
    assert answered.result(60).path == "a"


def test_who_has_left_is_passed_over(ask, batcher, stand_in):
    stand_in.gate.clear()
    first = batcher.submit(job(stand_in, "first"))
    while not first.running():
        pass
    left, stays = batcher.submit(job(stand_in, "left")), batcher.submit(job(stand_in, "stays"))
    assert left.cancel()
    stand_in.gate.set()
    assert stays.result(60).path == "stays"
    assert stand_in.batches == [["first"], ["stays"]]


def test_what_waits_is_answered_before_the_end(stand_in):
    batcher = Batcher(batch_size=4, gather_s=10, metrics=Metrics())
    batcher.start([stand_in])
    futures = [batcher.submit(job(stand_in, str(number))) for number in range(6)]
    batcher.stop()
    assert [future.result(0).path for future in futures] == list("012345")
