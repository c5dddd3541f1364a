"""Run by test_kill.py: write and undo, killed by SIGKILL at each moment named, then run again.

    python killed_write.py TEMPLATE ROOT KIND:NUMBER...

A kind is `sidecars` or `in-place`, for a write that is killed just before the N-th time it asks the system to flush,
rename, link or delete a file; or `undo`, for an undo that is. TEMPLATE is a folder of pictures with results.jsonl. For
each moment prints the moment, the signal that ended the run, and what is not as it should be, or `well`.
"""

import os
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path

from graticule.metadata import run
from graticule.metadata.decide import Rules
from graticule.metadata.journal import journal_path
from graticule.metadata.results import read_results
from graticule.metadata.undo import undo
from killing import die, in_a_process

CALLS = ("fsync", "replace", "link", "unlink")


def die_at(number):
    """Kill this process just before the call of that number, counted from 0, of any of CALLS."""
    calls = iter(range(number))

    def counted(function):
        def call(*given, **more):
            if next(calls, None) is None:
                die()
            return function(*given, **more)

        return call

    for name in CALLS:
        setattr(os, name, counted(getattr(os, name)))


def write(folder, in_place, number=None):
    run._now = lambda: datetime(2026, 11, 23, tzinfo=UTC)
    if number is not None:
        die_at(number)
    results = read_results(folder / "results.jsonl")
    outcomes = list(run.write(results, Rules(), run.Manner(folder, in_place), dry_run=False))
    assert not [outcome for outcome in outcomes if outcome.action == "refuse"], outcomes


def take_back(folder, number=None):
    if number is not None:
        die_at(number)
    outcomes = list(undo(journal_path(folder / "results.jsonl")))
    assert not [outcome for outcome in outcomes if outcome.action == "refuse"], outcomes


def take_back_if_begun(folder):
    """A run that was killed before its journal has changed nothing."""
    if journal_path(folder / "results.jsonl").exists():
        take_back(folder)


def contents(folder):
    """Every file but the journal."""
    return {
        path.name: path.read_bytes()
        for path in folder.iterdir()
        if path != journal_path(folder / "results.jsonl")
    }


def judge(moment, folder, template):
    kind, number = moment.split(":")
    in_place = kind != "sidecars"
    before = contents(template)
    shutil.copytree(template, folder)
    if kind == "undo":
        in_a_process(write, folder, in_place)
        ended = in_a_process(take_back, folder, int(number))
        seen = [] if in_a_process(take_back_if_begun, folder) == 0 else ["undo"]
        return ended, seen + differences(contents(folder), before, "undone")
    ended = in_a_process(write, folder, in_place, int(number))
    wrong = half_written(folder, in_place, before)
    aside = folder.with_name(f"{folder.name}.aside")
    shutil.copytree(folder, aside)
    in_a_process(take_back_if_begun, folder)
    wrong += differences(contents(folder), before, "undone")
    shutil.rmtree(folder)
    shutil.copytree(aside, folder)
    in_a_process(write, folder, in_place)
    wrong += differences(contents(folder), contents(template.with_name(f"whole-{in_place}")), "again")
    in_a_process(take_back, folder)
    wrong += differences(contents(folder), before, "again-undone")
    return ended, wrong


def half_written(folder, in_place, before):
    """What is visible after the kill and is neither as before nor as after."""
    after = contents(folder.parent / f"whole-{in_place}")
    return [
        f"half:{name}"
        for name, data in contents(folder).items()
        if not name.startswith(".") and data not in (before.get(name), after.get(name))
    ]


def differences(found, wanted, when):
    names = [name for name in {*found, *wanted} if found.get(name) != wanted.get(name)]
    return [f"{when}:{name}" for name in sorted(names)]


def main(template, root, *moments):
    shutil.copytree(template, root / "template")
    template = root / "template"
    for in_place in {moment.split(":")[0] != "sidecars" for moment in moments}:
        whole = root / f"whole-{in_place}"
        shutil.copytree(template, whole)
        in_a_process(write, whole, in_place)
    for moment in moments:
        ended, wrong = judge(moment, root / moment.replace(":", "-"), template)
        print(moment, ended, *(wrong or ["well"]))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
