"""Whether work that is killed outright loses anything: SIGKILL at seeded moments, then the same again.

    python benchmarks/crashes.py --kills 100 --output benchmarks/results/crashes.json
    python benchmarks/crashes.py --job training --variant loop --moment line:1234     # one of them again

Six jobs (tests/killed/jobs), each small and done in all its ways: training, extraction, index building, `locate
--output`, `fit`, and `write` with its undoing. An unharmed run is counted first: how many lines of Graticule's own
source it executes, and how many things happen to its files (made, written to, synced, renamed, linked, deleted). Half
of the kills fall on a line drawn among all, half just before one of the latter, or half-way through a write. Every
fourth is followed by a second in the run that goes on after it. Then

    half_written    what is seen after a kill must be whole: as it was before, or as the unharmed run once had it, and
                    what a manifest names must fit it
    differing       after a last run to the end, every file must be that of the unharmed run, byte for byte
    left            and there must be no other: no temporary, no lock, no folder of work
    not_undone      what `write --undo` takes back must be as before, after the kill and at the end

Ends with status 1 if any of these is broken, and says how to see it again.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from killed.contents import DATED, OWN  # noqa: E402
from killed.run import JOBS  # noqa: E402
from killed.trial import PROMISES  # noqa: E402
from killing import call_of  # noqa: E402


def told(job: str, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """What tests/killed/run.py finds, line by line."""
    asked = ["--kills", options.kills, "--seed", options.seed]
    for name in ("variant", "moment"):
        for value in getattr(options, name) or ():
            asked += [f"--{name}", value]
    call = call_of(ROOT / "tests/killed/run.py", job, *asked)
    with (
        tempfile.TemporaryFile("w+") as said,
        subprocess.Popen(**call, stdout=subprocess.PIPE, stderr=said) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            yield json.loads(line)
        if process.wait():
            said.seek(0)
            raise SystemExit(f"{job}: {said.read()}")


class Tally:
    """The figures of one job."""

    def __init__(self, job: str) -> None:
        """Begin with none."""
        self.job, self.began = job, time.monotonic()
        self.ways: dict[str, dict[str, int]] = {}
        self.counts: Counter[str] = Counter()
        self.phases: Counter[str] = Counter()
        self.broken: list[dict[str, Any]] = []

    def hear(self, found: dict[str, Any]) -> None:
        """Of a way of doing the job, or of a kill."""
        variant = found["variant"]
        if "count" in found:
            self.ways[variant] = {f"{kind}_moments": n for kind, n in found["count"].items()} | {"kills": 0}
            return
        if not found["phases"]:
            self.counts["never_came"] += 1
        else:
            self.counts["moments"] += 1
            self.counts[found["moment"].partition(":")[0]] += 1
            self.counts["killed_twice"] += len(found["phases"]) > 1
            self.ways[variant]["kills"] += 1
            self.phases.update(phase.partition(":")[0] for phase in found["phases"])
        for promise in PROMISES:
            self.counts[promise] += bool(found[promise])
        self.counts["failed"] += found["failed"]
        if found["failed"] or any(found[promise] for promise in PROMISES):
            self.broken.append({"job": self.job, **found})
            again = f"--job {self.job} --variant '{variant}' --moment {found['moment']}"
            print(f"\nBROKEN: {json.dumps(found)}\n  again: python benchmarks/crashes.py {again}", flush=True)

    def figures(self) -> dict[str, Any]:
        """As plain values."""
        names = ("moments", "line", "file", "killed_twice", "never_came", *PROMISES, "failed")
        return {
            **{name: self.counts[name] for name in names},
            "phases": dict(self.phases.most_common()),
            "ways": self.ways,
            "seconds": round(time.monotonic() - self.began),
        }


def try_jobs(options: argparse.Namespace) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """One job after another, saying how far it is and when it will end: its figures, and what broke."""
    began, wanted = time.monotonic(), options.kills * len(options.job)
    done = 0
    for job in options.job:
        tally = Tally(job)
        for found in told(job, options):
            tally.hear(found)
            done += "moment" in found
            left_s = (time.monotonic() - began) / max(done, 1) * max(wanted - done, 0)
            end = datetime.now() + timedelta(seconds=left_s)
            print(f"\r{job:10} {done} of {wanted} kills, ends {end:%H:%M}  ", end="", flush=True)
        row = tally.figures()
        print(
            f"\r{job:10} {row['moments']} kills ({row['line']} lines, {row['file']} file operations), "
            f"{row['killed_twice']} twice: "
            + ", ".join(f"{row[promise]} {promise.replace('_', ' ')}" for promise in PROMISES)
            + f", {row['failed']} failed; {row['seconds']} s"
        )
        yield row, tally.broken


def main() -> None:
    """Kill, print, and write the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=100, help="of each job")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--job", action="append", choices=JOBS, help="instead of all")
    parser.add_argument("--variant", action="append", help="a way of doing the job, instead of all")
    parser.add_argument("--moment", action="append", help="line:N or file:N, instead of drawn ones")
    parser.add_argument("--output", type=Path, help="not written where --moment is given")
    options = parser.parse_args()
    options.job = options.job or list(JOBS)
    rows, told_broken = zip(*try_jobs(options), strict=True)
    broken = [found for some in told_broken for found in some]
    figures = {
        "command": f"python benchmarks/crashes.py --kills {options.kills} --seed {options.seed}",
        "machine": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "promises": PROMISES,
        "compared_without": DATED,
        "not_compared": OWN,
        "jobs": dict(zip(options.job, rows, strict=True)),
        "broken": broken,
    }
    if options.output and not options.moment:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(json.dumps(figures, indent=2) + "\n")
    raise SystemExit(1 if broken else 0)


if __name__ == "__main__":
    main()
