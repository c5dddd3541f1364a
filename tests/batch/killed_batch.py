"""Run by test_kill.py: a batch of pictures, killed by SIGKILL at each moment named, then run again.

    python killed_batch.py PICTURES ROOT MOMENT...

A moment is `picture:N` (while the N-th picture is opened), `add:N` (after half of the N-th group was written to the
journal), `sync:N` (when the N-th file lies half written beside its place), or `remove:0` (when the output is there and
the journal is not gone yet). Every other one is of a Parquet file, the rest are of JSON lines. For each, prints the
moment, the signal that ended the run, what of the output was there then, and how many pictures the second run opened.
"""

import os
import sys
from itertools import cycle
from pathlib import Path

import torch

from graticule.batch import run
from graticule.batch.journal import Journal
from graticule.batch.pictures import listed
from graticule.earth.places import Places
from graticule.images import batches
from graticule.images.batches import walk
from graticule.locator import Geolocator
from killing import die, dies_at, in_a_process

GROUP = run.GROUP = 5
FORMATS = ("jsonl", "parquet")


def locate(pictures, output, kind=None, number=0):
    torch.set_num_threads(1)
    opened = []

    def count(*given, **more):
        opened.append(1)
        return open_picture(*given, **more)

    open_picture = dies_at(number, batches.open_picture) if kind == "picture" else batches.open_picture
    batches.open_picture = count
    if kind == "sync":
        os.fsync = dies_at(number, os.fsync)
    if kind == "add":
        Journal.add = torn_at(number, Journal.add)
    if kind == "remove":
        Journal.remove = die
    batch = run.Batch(
        Geolocator.load("orbit"),
        listed(walk(pictures)),
        places=Places.load(),
        model_digest=run.model_digest("orbit"),
    )
    run.run_batch(batch, output, output.suffix[1:])
    output.with_suffix(".opened").write_text(str(len(opened)))


def torn_at(number, add):
    """Adding a group, but half of the bytes of the group of that number are written, and that is the end."""

    def torn(journal, records):
        if journal.count != number * GROUP:
            return add(journal, records)
        before = journal.path.stat().st_size
        add(journal, records)
        os.truncate(journal.path, (before + journal.path.stat().st_size) // 2)
        return die()

    return torn


def main(pictures, root, *moments):
    for form in FORMATS:
        in_a_process(locate, pictures, root / f"whole.{form}")
    for moment, form in zip(moments, cycle(FORMATS)):
        kind, number = moment.split(":")
        folder = root / moment.replace(":", "-")
        folder.mkdir()
        output = folder / f"whole.{form}"
        ended = in_a_process(locate, pictures, output, kind, int(number))
        seen = "whole" if output.exists() else "nothing"
        in_a_process(locate, pictures, output)
        opened = output.with_suffix(".opened")
        print(moment, ended, seen, opened.read_text(), flush=True)
        opened.unlink()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
