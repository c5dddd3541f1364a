"""Training that is killed outright loses nothing but time."""

import signal
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from killing import moments, told_by

# 8 steps write a checkpoint each, one at the end, and a best at each of at most 3 validations.
STEPS = moments(3, among=8, seed=0)
WRITES = moments(4, among=9, seed=1)
MOMENTS = [*(f"step:{n}" for n in STEPS), *(f"write:{n}" for n in WRITES)]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The folder of runs, and moment -> (signal, temporaries left)."""
    root = tmp_path_factory.mktemp("killed")
    script = Path(__file__).with_name("killed_run.py")
    lines = told_by(script, root, *MOMENTS)
    return root, {moment: (int(ended), int(left)) for moment, ended, left in lines}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_run_ends_where_an_unharmed_one_does(runs, moment):
    root, told = runs
    ended, left = told[moment]
    assert ended == signal.SIGKILL
    assert left == (1 if moment.startswith("write") else 0)
    folder = root / moment.replace(":", "-")
    assert not list(folder.glob(".*.tmp"))
    for name in ("checkpoint.safetensors", "best.safetensors"):
        expected, found = load_file(root / "whole" / name), load_file(folder / name)
        assert expected.keys() == found.keys()
        for key, tensor in expected.items():
            assert torch.equal(found[key], tensor), (name, key)
