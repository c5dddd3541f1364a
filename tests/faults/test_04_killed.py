"""Fault 4: killed at any moment, what is written is whole, and a second run ends where an unharmed one does."""

import signal
from pathlib import Path

import pytest

from faults.fault import Fault
from killing import told_by

FAULT = Fault(
    number=4,
    fault="SIGKILL at any moment of training, extraction or index building",
    defence="files are written beside their place, synced and renamed; what is finished is gone on from; what a killed "
    "run left is swept (store.py)",
)
SCRIPT = Path(__file__).with_name("killed_jobs.py")


def check(root, job, *, kills, writing):
    """A job that is killed at so many moments of each kind loses nothing. Gives how many there were."""
    lines = told_by(SCRIPT, root, kills, writing, job)
    for name, moment, ended, broken, left, differing in lines:
        where = f"{name}, {moment}"
        assert int(ended) == signal.SIGKILL, where
        assert broken == "-", f"{where}: half a file could be taken for a whole one"
        assert left == "-", f"{where}: temporaries stay"
        assert differing == "-", f"{where}: the second run ends otherwise"
    return len(lines)


@pytest.mark.parametrize("job", ["training", "extraction", "index"])
def test_a_killed_job_ends_where_an_unharmed_one_does(job, tmp_path, record_property):
    tried = check(tmp_path, job, kills=3, writing="whole")
    assert tried >= 6
    record_property("inputs", tried)


@pytest.mark.parametrize("writing", ["in-place", "unswept"])
def test_without_the_defence_half_a_file_stays(writing, tmp_path):
    with pytest.raises(AssertionError):
        check(tmp_path, "training", kills=2, writing=writing)
