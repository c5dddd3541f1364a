"""Fault 4: killed at any moment, what is seen is whole, and a second run ends where an unharmed one does."""

import json
from pathlib import Path

import pytest

from faults.fault import Fault
from killed.trial import PROMISES
from killing import kills, lines_of

FAULT = Fault(
    number=4,
    fault="SIGKILL at any moment of training, extraction, index building, `locate --output`, `fit` or `write`",
    defence="files are written beside their place, synced and renamed; what is finished is gone on from; what a killed "
    "run left is swept (store.py, output/files.py, batch/journal.py, metadata/journal.py)",
)
SCRIPT = Path(__file__).parents[1] / "killed/run.py"
FEW = {"training": 8, "extraction": 10, "index": 9, "locate": 10, "fit": 2, "write": 10}
"""Kills a job, shared by the ways of doing it; benchmarks/crashes.py tries a hundred."""


def check(job, *options, count):
    """A job that is killed so many times loses nothing. Gives how many kills there were."""
    lines = map(json.loads, lines_of(SCRIPT, job, "--kills", count, *options, timeout=3600))
    trials = [found for found in lines if "moment" in found]
    for found in trials:
        assert not found["failed"], f"{job}, {found}: the second run does not end"
        for promise, told in PROMISES.items():
            assert not found[promise], f"{job}, {found}: {told}"
    return sum(bool(found["phases"]) for found in trials)


@pytest.mark.parametrize("job", FEW)
def test_a_killed_job_ends_where_an_unharmed_one_does(job, record_property):
    wanted = kills(FEW[job])
    assert check(job, count=wanted) == wanted
    record_property("inputs", wanted)


@pytest.mark.parametrize("without", ["in-place", "unswept"])
def test_without_the_defence_half_a_file_stays(without):
    with pytest.raises(AssertionError, match="neither as before" if without == "in-place" else "temporaries"):
        check("training", "--variant", "loop", "--without", without, count=6)
