"""Fault 7: workers whose shares differ end together, and one that dies is told of, or its work is done again."""

import shutil
from pathlib import Path

import pytest

from faults.fault import Fault
from graticule.extract import cluster
from graticule.extract.run import extract
from killing import told_by
from ray_cluster import dying_once

FAULT = Fault(
    number=7,
    fault="workers of unequal shards, a worker dying",
    defence="shares are padded to one size; who waits for another sees its connection close, or gives up; a shard that "
    "no worker made is made anew (training/distributed.py, extract/cluster.py)",
)
SCRIPT = Path(__file__).with_name("workers.py")
PATIENCE_S, FOREVER_S = 2.0, 1000.0


def check_training(folder, case, *, patience_s=FOREVER_S, given_up_s=300.0, mutation=()):
    """Nobody hangs, and who is left says why it ends."""
    [(first, second)] = told_by(SCRIPT, folder, case, patience_s, given_up_s, *mutation)
    assert first == ("well" if case == "unequal" else "told")
    assert second == {"unequal": "well", "dying": "killed", "stalled": "hung"}[case]


@pytest.mark.parametrize("case", ["unequal", "dying", "stalled"])
def test_nobody_waits_for_ever(case, tmp_path):
    check_training(tmp_path, case, patience_s=PATIENCE_S if case == "stalled" else FOREVER_S)


def test_without_the_defence_a_stalled_one_is_waited_for(tmp_path):
    with pytest.raises(AssertionError):
        check_training(tmp_path, "stalled", patience_s=FOREVER_S, given_up_s=8.0)


def test_without_the_defence_a_dead_one_is_told_of_in_words_of_gloo(tmp_path):
    with pytest.raises(AssertionError):
        check_training(tmp_path, "dying", mutation=["deaf"])


def check_shards(small_folder, pictures, tmp_path, monkeypatch):
    """Three shards of 5, 5 and 2 pictures; the worker of the second is killed, and another makes it."""
    source = tmp_path / "source"
    shutil.copytree(pictures[0].parent, source)
    shutil.copy(pictures[0].parents[1] / "truth.csv", source)
    settings = {"encoder": str(small_folder), "shard_rows": 5}
    with monkeypatch.context() as patch:
        patch.setattr(cluster, "extract_shard", dying_once(tmp_path / "fallen", at=1))
        try:
            outcome = extract("folder", source, out=tmp_path / "ray", engine="ray", **settings)
        except Exception as error:
            raise AssertionError("a dead worker ended the extraction") from error
    assert (tmp_path / "fallen").exists(), "no worker was killed"
    assert outcome.finished
    extract("folder", source, out=tmp_path / "here", **settings)
    for path in (tmp_path / "here").glob("shard-*"):
        assert (tmp_path / "ray" / path.name).read_bytes() == path.read_bytes()


@pytest.mark.slow
@pytest.mark.usefixtures("ray")
def test_the_shard_of_a_dead_worker_is_made_by_another(small_folder, pictures, tmp_path, monkeypatch):
    check_shards(small_folder, pictures, tmp_path, monkeypatch)


@pytest.mark.slow
@pytest.mark.usefixtures("ray")
def test_without_the_defence_a_dead_worker_ends_the_extraction(small_folder, pictures, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "RETRIES", 0)
    with pytest.raises(AssertionError, match="a dead worker ended"):
        check_shards(small_folder, pictures, tmp_path, monkeypatch)
