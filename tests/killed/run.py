"""A job killed by SIGKILL at seeded moments, and run again: run by the tests, and by benchmarks/crashes.py.

    python run.py JOB [--kills N] [--seed S] [--variant V]... [--moment M]... [--without DEFENCE]

Prints a line of JSON for each way of doing the job, and one for each kill. What is heavy is imported once: every run is
a fork of this process, which itself computes nothing.
"""

import argparse
import json
import os
import sys
import tempfile
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from graticule import store
from killed.trial import Bench
from killing import in_a_process

JOBS = {
    "training": "killed.jobs.training.Training",
    "extraction": "killed.jobs.extraction.Extraction",
    "index": "killed.jobs.index.Index",
    "locate": "killed.jobs.locate.Locate",
    "fit": "killed.jobs.fit.Fit",
    "write": "killed.jobs.write.Write",
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("job", choices=JOBS)
    parser.add_argument("--kills", type=int, default=100, help="shared among the ways of doing the job")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--variant", action="append", help="a way of doing it")
    parser.add_argument("--moment", action="append", help="such as line:12, or file:3+line:7 for two kills")
    parser.add_argument("--without", choices=WITHOUT, help="a defence of the product to take away")
    options = parser.parse_args()
    if options.without:
        WITHOUT[options.without]()
    module, _, kind = JOBS[options.job].rpartition(".")
    job = getattr(import_module(module), kind)()
    variants = options.variant or job.variants
    with tempfile.TemporaryDirectory(prefix="crashes-") as scratch:
        root = Path(scratch)
        in_a_process(job.prepare, root)
        warm(job, variants, root)
        for number, variant in enumerate(variants):
            share = (options.kills + number) // len(variants)
            tell_of(Bench(job, variant, root), share, options)


def warm(job, variants, root):
    """Import here what the work imports as it goes, so that not every run has to."""
    told = root / "imported.json"

    def work():
        before = set(sys.modules)
        for number, variant in enumerate(variants):
            job.begin(variant, root, root / f"warm-{number}")
            job.run(variant, root, root / f"warm-{number}")
        told.write_text(json.dumps([name for name in sys.modules if name not in before]))

    in_a_process(work)
    for name in json.loads(told.read_text()):
        with suppress(ImportError):  # some are made at run time
            import_module(name)


def tell_of(bench, kills, options):
    """Print what each kill does; those that come too late do not count."""
    print(json.dumps({"variant": bench.variant, "count": bench.count}), flush=True)
    killed = 0
    for moment in options.moment or bench.draws(kills, options.seed):
        found = bench.kill(moment)
        print(json.dumps(found), flush=True)
        killed += bool(found["phases"])
        if killed == kills and not options.moment:
            break


def in_place():
    """Files are written where they stand."""

    def write(path, data):
        with path.open("wb") as file:
            file.write(data)
            os.fsync(file.fileno())

    store.write_whole = write


def unswept():
    """What a killed run left stays."""
    store.sweep = lambda folder: None


WITHOUT = {"in-place": in_place, "unswept": unswept}


if __name__ == "__main__":
    main()
