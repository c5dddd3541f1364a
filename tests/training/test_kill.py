"""Training that is killed outright loses nothing but time."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

# 8 steps write a checkpoint each, one at the end, and a best at each of at most 3 validations.
STEPS = sorted(random.Random(0).sample(range(8), 3))
WRITES = sorted(random.Random(1).sample(range(9), 4))
MOMENTS = [*(f"step:{n}" for n in STEPS), *(f"write:{n}" for n in WRITES)]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The folder of runs, and moment -> (signal, temporaries left)."""
    root = tmp_path_factory.mktemp("killed")
    script = Path(__file__).with_name("killed_run.py")
    source = Path(__file__).parents[2] / "src"
    done = subprocess.run(
        [sys.executable, script, root, *MOMENTS],
        env={**os.environ, "PYTHONPATH": str(source)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
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
