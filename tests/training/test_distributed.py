"""Several processes learn what one does, and none of them waits for ever."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from graticule.errors import ConfigError
from graticule.training.distributed import (
    Part,
    agreed,
    average_gradients,
    averages,
    chosen_device,
    from_main,
    is_main,
    main_first,
    rank,
    spread,
    world_size,
)

SOURCE = Path(__file__).parents[2] / "src"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    root = tmp_path_factory.mktemp("several")
    script = Path(__file__).with_name("several_run.py")
    done = subprocess.run(
        [sys.executable, script, root],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return root


def ended(folder, number):
    return json.loads((folder / f"process-{number}.json").read_text())


def losses(folder):
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    found = {line["step"]: line["loss"] for line in lines if "loss" in line}
    assert len(found) == len([line for line in lines if "loss" in line]) == 20
    return torch.tensor([found[step] for step in range(1, 21)], dtype=torch.float64)


@pytest.mark.parametrize("name", ["rows", "plain", "semivariogram"])
def test_two_processes_have_the_loss_curve_of_one(runs, name):
    one, two = losses(runs / f"{name}-1"), losses(runs / f"{name}-2")
    assert (one[-1] - one[0]).abs() > 0.1
    assert (one - two).abs().max() < 1e-4
    before, after = (load_file(runs / f"{name}-{count}" / "checkpoint.safetensors") for count in (1, 2))
    assert before.keys() == after.keys()
    for key, tensor in before.items():
        torch.testing.assert_close(after[key], tensor, rtol=0, atol=1e-3)


def test_the_queue_and_the_semivariogram_are_those_of_the_whole_batch(runs):
    one, two = (load_file(runs / f"semivariogram-{count}" / "checkpoint.safetensors") for count in (1, 2))
    assert one["model/queue.count"] == two["model/queue.count"] == 20 * 32
    assert torch.equal(one["model/queue.lat_lon"], two["model/queue.lat_lon"])
    assert torch.equal(one["model/queue.looks"], two["model/queue.looks"])
    assert one["model/curve"][:, 1].max() > 0


def test_accumulated_gradients_are_those_of_the_batch(runs):
    whole = losses(runs / "rows-1")
    for count in (1, 2):
        assert (losses(runs / f"accumulated-{count}") - whole).abs().max() < 1e-6
    first, second = (
        load_file(runs / f"{name}-1" / "checkpoint.safetensors") for name in ("rows", "accumulated")
    )
    for key, tensor in first.items():
        if key.startswith("model/"):
            torch.testing.assert_close(second[key], tensor, rtol=0, atol=1e-6)


def test_one_process_writes_speaks_and_judges(runs):
    for name in ("rows", "semivariogram"):
        first, second = ended(runs / f"{name}-2", 0), ended(runs / f"{name}-2", 1)
        assert any("validation at 20" in line for line in first["said"])
        assert second["said"] == []
        # The score of `Rows` is the number of the process.
        assert first["result"] == second["result"]
    assert ended(runs / "rows-2", 1)["result"]["best_score"] == 0


def test_resumed_equals_uninterrupted_to_the_bit_on_two_processes_that_accumulate(runs):
    assert ended(runs / "halting", 0)["said"][0] == "resumed at step 2 of 20"
    for name in ("checkpoint.safetensors", "best.safetensors"):
        expected, found = load_file(runs / "whole" / name), load_file(runs / "halting" / name)
        assert expected.keys() == found.keys()
        assert all(torch.equal(found[key], tensor) for key, tensor in expected.items())
    assert torch.equal(losses(runs / "whole"), losses(runs / "halting"))


def test_a_process_that_dies_ends_the_others(runs):
    assert not (runs / "dying" / "process-1.json").exists()
    left = ended(runs / "dying", 0)
    assert "another process has ended" in left["error"]
    assert left["took_s"] < 30


def test_a_process_that_does_not_answer_is_given_up(runs):
    assert "does not answer" in ended(runs / "stalled", 0)["error"]
    assert ended(runs / "stalled", 1) == {"error": None, "given_up": True}


def test_a_loss_that_is_no_number_on_one_stops_all(runs):
    for number in (0, 1):
        assert "step 3: the loss is nan" in ended(runs / "broken", number)["error"]


@pytest.mark.parametrize("name", ["sums", "few"])
def test_gathered_vectors_carry_the_gradient_of_one_process(runs, name):
    alone = ended(runs / f"{name}-1", 0)
    assert alone["told"] == {"of": 0, "large": math.inf}
    for number in (0, 1):
        assert ended(runs / f"{name}-2", number) == alone


@given(st.integers(1, 6), st.integers(1, 5))
def test_parts_are_equal_and_make_up_the_batch(size, parts):
    rows = torch.arange(size * parts)
    found = [Part(number, parts).of(rows) for number in range(parts)]
    assert {len(part) for part in found} == {size}
    assert torch.equal(torch.cat(found), rows)


def test_a_batch_that_can_not_be_cut_equally_is_refused():
    with pytest.raises(
        ConfigError, match=r"batch: 10 rows can't be shared equally by 4 parts.*multiple of 4"
    ):
        Part(0, 4).of(torch.arange(10))


def test_alone_nothing_happens():
    weight = torch.nn.Parameter(torch.ones(2))
    average_gradients([weight])
    assert weight.grad is None
    assert (rank(), world_size(), is_main(), agreed(wanted=False), agreed(wanted=True)) == (
        0,
        1,
        True,
        False,
        True,
    )
    assert averages({"loss": 0.1}) == {"loss": 0.1}
    assert from_main(lambda: {1: 2}) == {1: 2}
    with main_first():
        pass
    assert torch.equal(spread(lambda rows: 2 * rows, torch.arange(3)), torch.tensor([0, 2, 4]))


def test_a_device_is_one_that_is_there(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert chosen_device("cpu") == chosen_device("auto") == torch.device("cpu")
    with pytest.raises(ConfigError, match="finds no CUDA; choose cpu, or auto"):
        chosen_device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    for number in ("0", "1"):
        monkeypatch.setenv("LOCAL_RANK", number)
        assert chosen_device("cuda") == chosen_device("auto") == torch.device("cuda", int(number))
    monkeypatch.setenv("LOCAL_RANK", "2")
    assert chosen_device("cpu") == torch.device("cpu")
    with pytest.raises(ConfigError, match="2 GPUs, and process 2 would share one; start 2 processes"):
        chosen_device("auto")
