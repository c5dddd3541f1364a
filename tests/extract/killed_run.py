"""Run by test_kill.py: extract the small source, killed by SIGKILL at each moment named, then run again.

    python killed_run.py SOURCE ENCODER FOLDER MOMENT...

A moment is `write:N` (when the N-th file lies half written beside its place) or `picture:N` (while the N-th picture is
read). For each, prints the moment, the signal that ended the run, the temporaries it left and the shards that were
still to be made. Every run is a process of its own, forked before torch has computed anything.
"""

import os
import sys
from pathlib import Path

import pyarrow.parquet as pq
import torch

from graticule.data.sources.contract import Problems, Scan
from graticule.extract import run, shard
from killing import dies_at, in_a_process


def extract(source, encoder, folder, kind=None, number=0):
    torch.set_num_threads(1)
    run.open_source = lambda name, path, split: Scan(
        name, pq.read_table(path / "places.parquet", use_threads=False), Problems.of()
    )
    if kind == "write":
        os.fsync = dies_at(number, os.fsync)
    if kind == "picture":
        shard.read_picture = dies_at(number, shard.read_picture)
    outcome = run.extract("toy", source, encoder=encoder, out=folder, shard_rows=8, workers=1)
    (folder.parent / f"{folder.name}.made").write_text(str(outcome.made))


def main(source, encoder, root, *moments):
    for moment in moments:
        kind, number = moment.split(":")
        folder = root / moment.replace(":", "-")
        ended = in_a_process(extract, source, encoder, folder, kind, int(number))
        left = len(list(folder.glob(".*.tmp")))
        in_a_process(extract, source, encoder, folder)
        print(moment, ended, left, (root / f"{folder.name}.made").read_text())


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), *sys.argv[4:])
