"""Run by test_kill_layouts.py: extract a source in its published layout, killed by SIGKILL at some moments, then again.

    python killed_layouts.py SOURCE SPLIT PATH ENCODER FOLDER COUNT

SPLIT may be "-". A moment is `write:N` (when the N-th file lies half written beside its place) or `picture:N` (while
the N-th picture is read); COUNT of each kind are drawn among those that an unharmed run has, which comes first. For
each, prints the moment, the signal that ended the run, the temporaries it left and the shards that were still to be
made. Every run is a process of its own, forked before torch has computed anything.
"""

import json
import os
import sys
from pathlib import Path

import torch

from graticule.extract import shard
from graticule.extract.run import extract
from killing import dies_at, in_a_process, moments

SHARD_ROWS = 4


def run(source, split, path, encoder, out, kind=None, number=0):
    torch.set_num_threads(1)
    if kind == "write":
        os.fsync = dies_at(number, os.fsync)
    if kind == "picture":
        shard.read_picture = dies_at(number, shard.read_picture)
    outcome = extract(
        source, path, split=split, encoder=encoder, out=out, shard_rows=SHARD_ROWS, ahead=1, workers=1
    )
    assert outcome.finished
    (out.parent / f"{out.name}.made").write_text(str(outcome.made))


def counted(*arguments):
    """An unharmed run, and how many moments of each kind it had."""
    calls = {"write": 0, "picture": 0}

    def count(kind, function):
        def counting(*given):
            calls[kind] += 1
            return function(*given)

        return counting

    os.fsync, shard.read_picture = count("write", os.fsync), count("picture", shard.read_picture)
    run(*arguments)
    out = arguments[-1]
    (out.parent / "moments.json").write_text(json.dumps(calls))


def main(source, split, path, encoder, root, count):
    given = source, None if split == "-" else split, Path(path), encoder
    in_a_process(counted, *given, root / "whole")
    for kind, among in json.loads((root / "moments.json").read_text()).items():
        for number in moments(int(count), among=among, seed=len(source) + among):
            out = root / f"{kind}-{number}"
            ended = in_a_process(run, *given, out, kind, number)
            left = len(list(out.glob(".*.tmp")))
            in_a_process(run, *given, out)
            print(f"{kind}:{number}", ended, left, (root / f"{out.name}.made").read_text(), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:5], Path(sys.argv[5]), sys.argv[6])
