"""Fault 6: N steps, a stop and M steps more are N + M steps, to the bit."""

import random
from contextlib import suppress

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from faults.fault import Fault
from faults.small import Toy, toy_run
from graticule.alignment.location import LocationEncoderConfig
from graticule.training import checkpoint, loop
from graticule.training.spaces import SpacesRecipe, align_folder

FAULT = Fault(
    number=6,
    fault="a run that is stopped and resumed",
    defence="a step is a function of the weights and its number; batches and dropout are drawn from (seed, step); a "
    "checkpoint holds weights and optimizer state as they lie in memory (training/loop.py, training/checkpoint.py)",
)
STEPS = 8


class Stopped(Toy):
    """The toy, with Ctrl+C pressed in a step."""

    def __init__(self, at):
        super().__init__()
        self.at = at

    def loss(self, step):
        if step == self.at:
            raise KeyboardInterrupt
        return super().loss(step)


def check(root, *, runs):
    """Runs that are stopped before one to four of their steps equal one that is not. Gives how many there were."""
    whole, _ = toy_run(root / "whole", steps=STEPS)
    for number in range(runs):
        draw, folder, seen = random.Random(number), root / str(number), []
        for at in [*sorted(draw.sample(range(1, STEPS), draw.randint(1, 4))), None]:
            task = Stopped(at)
            with suppress(KeyboardInterrupt):
                toy_run(folder, steps=STEPS, task=task)
            seen += task.seen
        assert len(seen) == STEPS
        assert all(map(torch.equal, seen, whole.seen)), "the data came in another order"
        for name in ("checkpoint.safetensors", "best.safetensors"):
            found, expected = load_file(folder / name), load_file(root / "whole" / name)
            assert found.keys() == expected.keys()
            assert not [key for key, tensor in expected.items() if not torch.equal(found[key], tensor)], (
                number
            )
    return runs


def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path, record_property):
    record_property("inputs", check(tmp_path, runs=8))


def test_so_does_an_alignment_that_is_stopped_after_every_step(tmp_path):
    (tmp_path / "features").mkdir()
    features = {
        "features": torch.randn(120, 16, generator=torch.Generator().manual_seed(0)).half(),
        "lat_lon": torch.from_numpy(np.random.default_rng(0).uniform(-60, 60, (120, 2))),
    }
    save_file(features, tmp_path / "features" / "shard-00000000.safetensors")
    location = LocationEncoderConfig(sigmas=(1.0,), frequencies=8, hidden=16, layers=1, width=8)
    recipe = SpacesRecipe(steps=5, batch=32, location=location, validation_share=0.2)
    said = []
    for out, seconds in (("once", float("inf")), ("often", 0.0)):
        for _ in range(20):
            if align_folder(
                tmp_path / "features", tmp_path / out, recipe, report=said.append, stop_after_s=seconds
            ):
                break
    assert sum(line.startswith("resumed at step") for line in said) >= 4
    once, often = (load_file(tmp_path / out / "alignment.safetensors") for out in ("once", "often"))
    assert once.keys() == often.keys()
    assert all(torch.equal(often[name], tensor) for name, tensor in once.items())


def test_without_the_defence_dropout_is_drawn_otherwise(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "_seed", lambda seed, step, part: None)
    with pytest.raises(AssertionError):
        check(tmp_path, runs=3)


def test_without_the_defence_state_is_paired_with_other_weights(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "_laid_out", lambda value, parameter: value)
    with pytest.raises(AssertionError):
        check(tmp_path, runs=3)


def test_without_the_defence_a_run_begins_anew(tmp_path, monkeypatch):
    begun = {"step": 0, "best_score": float("-inf"), "best_step": 0, "seconds": 0.0}
    monkeypatch.setattr(loop, "_begun", lambda *given: dict(begun))
    with pytest.raises(AssertionError):
        check(tmp_path, runs=1)
