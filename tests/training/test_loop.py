"""The one training loop: stopped anywhere and resumed, it ends where it would have ended, to the bit."""

import errno
import json
import math
import os
import pickle
import re

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save
from torch import nn
from torch.nn import functional

from graticule.errors import ConfigError, InputError, ModelFormatError
from graticule.training.align import AlignTask
from graticule.training.classifier import ClassifierTask
from graticule.training.examples import Examples
from graticule.training.geotoken import GeoTokenTask
from graticule.training.loop import TrainingConfig, step_generator, train
from graticule.training.schedule import Schedule

STEPS = 6
FILES = ("checkpoint.safetensors", "best.safetensors")


class Toy:
    """A line with dropout, whose validation scores are told in advance."""

    def __init__(self, scores=(), broken_at=None, width=3):
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(width, 1), nn.Dropout(0.3))
        self.scores, self.broken_at, self.steps = iter(scores), broken_at, []

    def loss(self, step):
        self.steps.append(step)
        x = torch.randn(8, self.model[0].in_features, generator=step_generator(0, step))
        loss = functional.mse_loss(self.model(x), x.sum(1, keepdim=True))
        return loss * (math.nan if step == self.broken_at else 1), {"figure": 2.0 * step}

    def validate(self):
        assert not self.model.training
        return {"score": next(self.scores, 0.0), "other": 1.0}


def config(**changed):
    """A checkpoint after every step."""
    settings = {"steps": STEPS, "schedule": Schedule(warmup=2), "validate_every": 2, "checkpoint_every_s": -1}
    return TrainingConfig(**{**settings, **changed})


def run(task, folder, *, report=lambda line: None, stop_after_s=math.inf, **changed):
    return train(task, config(**changed), folder, report=report, stop_after_s=stop_after_s)


def interrupted(task, at):
    """The same task, with the lights going out in step `at`."""
    compute = task.loss

    def loss(step):
        if step == at:
            raise KeyboardInterrupt
        return compute(step)

    task.loss = loss
    return task


def assert_same(folder, other):
    for name in FILES:
        expected, found = load_file(folder / name), load_file(other / name)
        assert expected.keys() == found.keys()
        for key, tensor in expected.items():
            assert torch.equal(found[key], tensor), (name, key)


def places(count, seed):
    random = np.random.default_rng(seed)
    return torch.from_numpy(random.uniform((-60, -180), (75, 180), (count, 2)))


def features(count, seed):
    return torch.randn(count, 16, generator=torch.Generator().manual_seed(seed)).half()


@pytest.fixture
def tasks(recipe, mosaic, tiny_model):
    data = (features(100, 0), places(100, 0)), (features(30, 1), places(30, 1))
    return {
        "toy": lambda: Toy(scores=[1, 2, 3]),
        "align": lambda: AlignTask(recipe.align, mosaic),
        "classifier": lambda: ClassifierTask(*data, most=20, batch=32),
        # Two batches an epoch: the run crosses epochs.
        "geotoken": lambda: GeoTokenTask(
            recipe.geotoken.model_copy(update={"batch": 40, "validation_rows": 20}),
            *(
                Examples.looked_up(
                    *part, alignment=tiny_model.alignment, gallery=tiny_model.gallery, neighbours=4
                )
                for part in data
            ),
        ),
    }


@pytest.mark.parametrize("name", ["toy", "align", "classifier", "geotoken"])
def test_resumed_equals_uninterrupted_to_the_bit(tasks, name, tmp_path):
    whole = run(tasks[name](), tmp_path / "whole")
    assert (whole.step, whole.finished) == (STEPS, True)
    folder = tmp_path / "resumed"
    for at in (1, 4):
        task = interrupted(tasks[name](), at)
        with pytest.raises(KeyboardInterrupt):
            run(task, folder)
    result = run(tasks[name](), folder)
    if name != "toy":
        assert (result.best_score, result.best_step) == (whole.best_score, whole.best_step)
    # Each task learns: its weights move, so that equal weights mean equal steps.
    start = tasks[name]().model.state_dict()
    end = load_file(tmp_path / "whole" / "checkpoint.safetensors")
    moved = [key for key, tensor in start.items() if not torch.equal(end[f"model/{key}"], tensor)]
    assert moved
    assert any(key.startswith("optimizer/") and key.endswith("/exp_avg") for key in end)
    if name != "toy":
        assert_same(tmp_path / "whole", folder)
    else:
        for key, tensor in end.items():
            assert torch.equal(load_file(folder / FILES[0])[key], tensor)


def test_time_up_stops_after_a_step_and_goes_on(tmp_path):
    run(Toy(), tmp_path / "whole", validate_every=100)
    said = []
    for step in range(1, STEPS + 1):
        task = Toy()
        result = run(task, tmp_path / "a", report=said.append, stop_after_s=-1, validate_every=100)
        assert (result.step, result.finished) == (step, step == STEPS)
        assert task.steps == [step - 1]
    assert f"resumed at step 5 of {STEPS}" in said
    assert_same(tmp_path / "whole", tmp_path / "a")
    task = Toy()
    assert run(task, tmp_path / "a", validate_every=100).finished
    assert task.steps == []


def test_checkpoints_wait_their_time_but_the_last_one_comes(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(interrupted(Toy(), 3), tmp_path, checkpoint_every_s=1e9)
    assert not (tmp_path / "checkpoint.safetensors").exists()
    run(Toy(), tmp_path, checkpoint_every_s=1e9)
    assert (tmp_path / "checkpoint.safetensors").exists()


def test_other_settings_do_not_resume(tmp_path):
    run(Toy(), tmp_path, stop_after_s=-1)
    with pytest.raises(ConfigError, match="other settings"):
        run(Toy(), tmp_path, learning_rate=0.5)
    assert run(Toy(), tmp_path).step == STEPS


def test_a_run_goes_on_on_another_device(tmp_path):
    run(Toy(), tmp_path, stop_after_s=-1, device="cpu")
    task = Toy()
    assert run(task, tmp_path, device="auto").finished
    assert task.steps[0] == 1


def test_settings_of_an_earlier_version_resume(tmp_path):
    run(Toy(), tmp_path, stop_after_s=-1)
    path = tmp_path / "checkpoint.safetensors"
    with safe_open(path, framework="pt") as file:
        progress = json.loads(file.metadata()["progress"])
    for newer in ("accumulate", "device", "log_every"):
        del progress["config"][newer]
    path.write_bytes(save(load_file(path), metadata={"progress": json.dumps(progress)}))
    task = Toy()
    assert run(task, tmp_path).finished
    assert task.steps[0] == 1


def test_what_compares_rows_can_not_be_accumulated(tmp_path):
    with pytest.raises(ConfigError, match="accumulate: this task compares the rows of a batch"):
        run(Toy(), tmp_path, accumulate=2)


def test_a_loss_that_is_no_number_stops_training_and_spoils_nothing(tmp_path):
    with pytest.raises(ConfigError, match="step 3: the loss is nan; lower learning_rate"):
        run(Toy(broken_at=3), tmp_path)
    kept = load_file(tmp_path / "checkpoint.safetensors")
    assert all(tensor.isfinite().all() for tensor in kept.values())
    task = Toy()
    run(task, tmp_path)
    assert task.steps == [3, 4, 5]


def test_the_best_is_kept_and_patience_ends(tmp_path):
    settings = {"steps": 100, "patience": 2, "validate_every": 2}
    result = run(Toy(scores=[1, 5, 4, 5]), tmp_path / "a", **settings)
    assert (result.step, result.best_step, result.best_score, result.finished) == (8, 4, 5, True)
    with pytest.raises(KeyboardInterrupt):
        run(interrupted(Toy(scores=[1, 5]), 4), tmp_path / "b", **settings)
    at_four = load_file(tmp_path / "b" / "checkpoint.safetensors")
    best = load_file(tmp_path / "a" / "best.safetensors")
    assert all(torch.equal(best[key], at_four[key]) for key in best)
    task = Toy()
    again = run(task, tmp_path / "a", **settings)
    assert again.model_copy(update={"seconds": result.seconds}) == result
    assert task.steps == []


def test_a_best_score_is_remembered_over_a_resume(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(interrupted(Toy(scores=[7]), 2), tmp_path)
    best = (tmp_path / "best.safetensors").read_bytes()
    result = run(Toy(scores=[6, 6.5]), tmp_path)
    assert (result.best_step, result.best_score) == (2, 7)
    assert (tmp_path / "best.safetensors").read_bytes() == best


def test_the_log_has_a_line_a_validation_and_the_last_step(tmp_path):
    said = []
    run(Toy(scores=[1, 2, 3]), tmp_path, report=said.append)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    validations = {line["step"]: line["validation"] for line in lines if "validation" in line}
    assert validations == {2 * n: {"score": n, "other": 1} for n in (1, 2, 3)}
    last = next(line for line in lines if line["step"] == STEPS and "loss" in line)
    assert last["figure"] == 2 * (STEPS - 1)
    assert "  validation at 2: score 1, other 1" in said
    last_said = next(line for line in said if line.startswith(f"step {STEPS}/{STEPS}  loss "))
    assert re.search(r" steps/s, 0 min left, ends ([01]\d|2[0-3]):[0-5]\d$", last_said)


def test_stale_temporaries_are_swept(tmp_path):
    stale = tmp_path / ".checkpoint.safetensors.123.tmp"
    stale.write_bytes(b"half")
    (tmp_path / "notes.tmp").write_text("mine")
    run(Toy(), tmp_path)
    assert not stale.exists()
    assert (tmp_path / "notes.tmp").exists()


def test_a_full_disk_is_told_and_leaves_the_last_checkpoint(tmp_path, monkeypatch):
    run(Toy(), tmp_path, stop_after_s=-1)
    before = (tmp_path / "checkpoint.safetensors").read_bytes()

    def full(file):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(InputError, match=r"can't be written \(No space left on device\); make room"):
            run(Toy(), tmp_path, checkpoint_every_s=-1)
    assert (tmp_path / "checkpoint.safetensors").read_bytes() == before
    assert not list(tmp_path.glob(".*.tmp"))
    task = Toy()
    assert run(task, tmp_path).finished
    assert task.steps[0] == 1


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-7],
        lambda data: data[:20],
        lambda data: b"",
        lambda data: pickle.dumps({"progress": 1}),
        lambda data: save({"x": torch.ones(1)}),
        lambda data: save({"x": torch.ones(1)}, metadata={"progress": "{"}),
        lambda data: save({"x": torch.ones(1)}, metadata={"progress": "{}"}),
    ],
    ids=["truncated", "cut header", "empty", "pickle", "no metadata", "no JSON", "no weights"],
)
def test_a_checkpoint_that_is_none_is_refused(tmp_path, damage):
    run(Toy(), tmp_path, stop_after_s=-1)
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ModelFormatError, match=r"checkpoint\.safetensors: this checkpoint can't be resumed"):
        run(Toy(), tmp_path)


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    run(Toy(), tmp_path, stop_after_s=-1)
    with pytest.raises(ModelFormatError, match="can't be resumed"):
        run(Toy(width=5), tmp_path)


def test_matrices_decay_and_the_rest_does_not(tmp_path):
    class Still(Toy):
        def loss(self, step):
            return 0 * sum(p.sum() for p in self.model.parameters()), {}

    task = Still()
    weight, bias = (p.detach().clone() for p in task.model[0].parameters())
    run(task, tmp_path, steps=1, schedule=Schedule(), learning_rate=0.1, weight_decay=0.5)
    torch.testing.assert_close(task.model[0].weight, weight * 0.95)
    assert torch.equal(task.model[0].bias, bias)


def test_generators_are_told_apart_by_seed_step_and_stream():
    draws = {
        torch.rand((), generator=step_generator(seed, step, stream=stream)).item()
        for seed in range(4)
        for step in range(10)
        for stream in range(4)
    }
    assert len(draws) == 160
    assert torch.equal(*(torch.rand(3, generator=step_generator(1, 2, stream=3)) for _ in range(2)))
