"""One run at a time."""

import os

import pytest

from graticule.errors import InputError
from graticule.lock import locked
from killing import die, in_a_process


def test_a_second_run_is_refused_and_a_later_one_is_not(tmp_path):
    for _ in range(2):
        with locked(tmp_path):
            with pytest.raises(InputError, match="another run"), locked(tmp_path):
                pass
            assert (tmp_path / ".lock").exists(), "who is refused leaves the lock to its holder"
        assert not list(tmp_path.iterdir())


def test_the_message_names_what_is_locked(tmp_path):
    output = tmp_path / "out.jsonl"
    with locked(tmp_path, ".a.lock"):  # noqa: SIM117
        with (
            pytest.raises(InputError, match=r"out\.jsonl: another run"),
            locked(tmp_path, ".a.lock", of=output),
        ):
            pass


def test_locks_of_other_names_do_not_touch(tmp_path):
    with locked(tmp_path, ".a.lock"), locked(tmp_path, ".b.lock"):
        assert len(list(tmp_path.iterdir())) == 2


def test_a_killed_holder_holds_nothing(tmp_path):
    def hold():
        with locked(tmp_path):
            die()

    assert in_a_process(hold)
    assert (tmp_path / ".lock").exists()
    with locked(tmp_path):
        pass


def test_where_nothing_can_be_written(tmp_path):
    with pytest.raises(InputError, match="No such file"), locked(tmp_path / "gone"):
        pass


def test_a_lock_whose_name_was_taken_away_is_not_mistaken_for_the_one_that_counts(tmp_path, monkeypatch):
    """A holder ends between another's opening the file and locking it."""
    stat, vanished = os.fstat, []

    def fstat(file):
        if not vanished:
            vanished.append((tmp_path / ".lock").unlink())
        return stat(file)

    monkeypatch.setattr("graticule.lock.os.fstat", fstat)
    with locked(tmp_path):
        assert (tmp_path / ".lock").exists()
