"""Extraction that is killed outright loses one shard's work at most, and ends as an unharmed one does."""

import signal
from pathlib import Path

import pytest

from killing import moments, told_by

# Two files are of the plan, then each of three shards has three and the ledger; the first two have refusals.
WRITES = moments(4, among=16, seed=2)
FINISHED_BEFORE = {
    **dict.fromkeys(range(7), 0),
    **dict.fromkeys(range(7, 12), 1),
    **dict.fromkeys(range(12, 16), 2),
}
PICTURES = moments(2, among=21, seed=3)
MOMENTS = [*(f"write:{n}" for n in WRITES), *(f"picture:{n}" for n in PICTURES)]


@pytest.fixture(scope="module")
def runs(tmp_path_factory, pictures, encoder):
    """The folder of runs, and moment -> (signal, temporaries left, shards that were made after it)."""
    root = tmp_path_factory.mktemp("killed")
    script = Path(__file__).with_name("killed_run.py")
    lines = told_by(script, pictures, encoder, root, *MOMENTS)
    return root, {moment: tuple(map(int, told)) for moment, *told in lines}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_run_ends_where_an_unharmed_one_does(runs, moment, whole, contents):
    root, told = runs
    kind, number = moment.split(":")
    finished = FINISHED_BEFORE[int(number)] if kind == "write" else int(number) // 8
    assert told[moment] == (signal.SIGKILL, 1 if kind == "write" else 0, 3 - finished)
    folder = root / moment.replace(":", "-")
    assert not list(folder.glob(".*.tmp"))
    assert contents(folder) == whole
