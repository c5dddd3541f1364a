"""Figures are told once a step, whatever becomes of the run."""

import json
import sys

import pytest

from graticule.training.curves import Curves

accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")


def told(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def board(folder, name):
    events = accumulator.EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars(name)]


def test_a_resumed_run_goes_on_with_the_same_curve_and_tells_no_step_twice(tmp_path):
    with Curves(tmp_path, step=0) as curves:
        for step in range(1, 6):
            curves.train(step, {"loss": float(step)})
        curves.validation(5, {"score": 7.0})
    # Killed after step 5, the last checkpoint being that of step 3.
    with Curves(tmp_path, step=3) as curves:
        for step in range(4, 7):
            curves.train(step, {"loss": 10.0 * step})
        curves.validation(6, {"score": 8.0})
    losses = [(1, 1), (2, 2), (3, 3), (4, 40), (5, 50), (6, 60)]
    assert [(line["step"], line["loss"]) for line in told(tmp_path) if "loss" in line] == losses
    assert [line for line in told(tmp_path) if "validation" in line] == [
        {"step": 6, "validation": {"score": 8.0}}
    ]
    assert board(tmp_path, "train/loss") == losses
    assert board(tmp_path, "validation/score") == [(6, 8)]


def test_a_line_that_was_cut_off_is_dropped(tmp_path):
    (tmp_path / "log.jsonl").write_text('{"step": 1, "loss": 1.0}\n{"step": 2, "lo')
    with Curves(tmp_path, step=2) as curves:
        curves.train(3, {"loss": 3.0})
    assert [line["step"] for line in told(tmp_path)] == [1, 3]


def test_without_tensorboard_there_are_lines_alone(tmp_path, monkeypatch):
    monkeypatch.setattr("graticule.training.curves.find_spec", lambda name: None)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with Curves(tmp_path, step=0) as curves:
        curves.train(1, {"loss": 1.0})
    assert told(tmp_path) == [{"step": 1, "loss": 1.0}]
    assert not (tmp_path / "tensorboard").exists()
