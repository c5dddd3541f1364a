"""One kill after another: what is seen after each, and what the job ends in when it is run again.

A moment is written `line:N` or `file:N` (`clock`); of two that are joined by a plus, the second falls into the run
that goes on after the first.
"""

import json
import random
import shutil
import tempfile
from collections import defaultdict
from pathlib import Path

import torch

from graticule.errors import GraticuleError
from graticule.store import ModelFolder
from killed.clock import Clock
from killed.contents import contents, digest
from killing import in_a_process

TWICE = 4
"""Of so many moments one is followed by a second."""
PROMISES = {
    "half_written": "files seen after a kill that are neither as before nor as an unharmed run ever had them, or "
    "gone though they are there before and after it",
    "differing": "files that are not those of an unharmed run, once the same was run again",
    "left": "files and folders that an unharmed run does not leave, temporaries among them",
    "not_undone": "files that are not as before, once it was undone, after the kill or at the end",
}
"""What must be empty."""


class Bench:
    """A way of doing a job, done once unharmed, and then as often as is asked for."""

    def __init__(self, job, variant, given):
        """Do it unharmed, twice; the second time all moments are counted.

        Args:
            job: a `Job`, which has been prepared.
            variant: the way.
            given: the folder it was prepared in.

        Raises:
            SystemExit: the two do not end in the same.
        """
        self.job, self.variant, self._given = job, variant, given
        self._root = given / f"ways-{variant.replace(' ', '-')}"
        self._root.mkdir()
        self._whole, self._witness = self._root / "whole", self._root / "witness"
        counted, told = self._root / "counted", self._root / "counted.json"
        for case in (self._whole, counted):
            self._begin(case)
        self._before = contents(self._whole)
        in_a_process(self._run, self._whole)
        in_a_process(self._count, counted, told)
        self.count, self._versions = json.loads(told.read_text())
        if differing := differences(contents(counted), contents(self._whole)):
            raise SystemExit(f"{variant}: two unharmed runs differ in {differing}")

    def draws(self, kills, seed):
        """So many moments, half of them lines; the same every time. More follow, should some never come."""
        draw = random.Random(f"{seed} {type(self.job).__name__} {self.variant}")
        files = min(kills - kills // 2, self.count["file"])
        kinds = ["file"] * files + ["line"] * (kills - files)
        left = {kind: draw.sample(range(n), n) for kind, n in self.count.items()}
        for number, kind in enumerate([*kinds, *["line"] * kills]):
            if left[kind]:
                moment = f"{kind}:{left[kind].pop()}"
                if number % TWICE == 0:
                    moment += f"+{kind}:{draw.randrange(1 + self.count[kind] // 2)}"
                yield moment

    def kill(self, moment):
        """Kill it at a moment, look, let it go on to the end, and look again: what was found, as plain values."""
        case = self._root / moment.replace(":", "-")
        self._begin(case)
        found = {"variant": self.variant, "moment": moment, "phases": [], "failed": False}
        found |= {promise: [] for promise in PROMISES}
        try:
            for part in moment.split("+"):
                if self._killed(case, part):
                    found["phases"].append(self._witness.read_text())
                    found["half_written"] += self._half_written(case)
            found["not_undone"] += self._undone_aside(case)
            in_a_process(self._run, case)
            ended, wanted = contents(case), contents(self._whole)
            found["left"] += sorted(ended.keys() - wanted.keys())
            found["differing"] += sorted(set(differences(ended, wanted)) - {*found["left"]})
            found["not_undone"] += self._undone(case)
        except SystemExit:
            found["failed"] = True
        shutil.rmtree(case)
        return found

    def _begin(self, case):
        case.mkdir()
        (case / "temporaries").mkdir()
        in_a_process(self.job.begin, self.variant, self._given, case / "out")

    def _run(self, case):
        torch.set_num_threads(1)
        tempfile.tempdir = str(case / "temporaries")
        self.job.run(self.variant, self._given, case / "out")

    def _count(self, case, told):
        versions = defaultdict(list)

        def renamed(source, target):
            versions[str(target.relative_to(case))].append(digest(source, name=target.name))

        clock = Clock(case, renamed=renamed)
        self._run(case)
        told.write_text(json.dumps([clock.seen, versions]))

    def _killed(self, case, part):
        kind, number = part.split(":")

        def dying():
            Clock(case, at=(kind, int(number)), witness=self._witness)
            self._run(case)

        return in_a_process(dying)

    def _half_written(self, case):
        """Names of visible files that are neither as they were nor as the unharmed run ever had them, or are gone.

        And of folders whose manifest does not fit what lies beside it.
        """
        seen = contents(case)
        found = [
            name
            for name, held in seen.items()
            if held is not None
            and not any(part.startswith(".") for part in Path(name).parts)
            and not name.endswith(self.job.grows)
            and held != self._before.get(name)
            and held not in self._versions.get(name, ())
        ]
        found += (self._before.keys() & contents(self._whole).keys()) - seen.keys()
        for manifest in case.rglob("manifest.json"):
            try:
                folder = ModelFolder(manifest.parent)
                for name in folder.digests:
                    folder.data(name)
            except GraticuleError as error:
                found.append(str(error))
        return found

    def _undone_aside(self, case):
        """As `_undone`, of a job that was killed; then it is as it was found."""
        if not self.job.goes_back(self.variant):
            return []
        aside = shutil.copytree(case, case.with_name(f"{case.name}-aside"))
        differing = self._undone(case)
        shutil.rmtree(case)
        aside.rename(case)
        return differing

    def _undone(self, case):
        """Names of what is not as it was, when the job is undone."""
        if not self.job.goes_back(self.variant):
            return []
        in_a_process(self.job.back, self.variant, self._given, case / "out")
        return differences(contents(case), self._before)


def differences(found, wanted):
    """Names of what one has and the other has not, or otherwise."""
    return sorted(name for name in {*found, *wanted} if found.get(name, ...) != wanted.get(name, ...))
