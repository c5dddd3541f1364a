"""Run by test_build.py: build an index with neighbours, killed by SIGKILL at each moment named, then resumed.

    python killed_build.py FOLDER N...

At moment N the N-th file lies half written beside its place. torch and faiss are imported once; every run is a process
of its own, forked before either has computed anything. Prints the moment and the signal that ended the run.
"""

import os
import sys
from pathlib import Path

import faiss  # noqa: F401  # here once, not once in every process
import torch

from graticule.retrieval import build, neighbours
from graticule.retrieval.folder import IndexPlan
from graticule.retrieval.ivfpq import IvfPqIndexConfig
from killing import dies_at, in_a_process

ROWS, WIDTH = 300, 16
build._BLOCK_ROWS, build._CHECKPOINT_ROWS, neighbours._ROWS_AT_ONCE = 64, 128, 100


def whole(out):
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    vectors = torch.nn.functional.normalize(torch.randn(ROWS, WIDTH, generator=generator), dim=-1)
    lat_lon = torch.rand(ROWS, 2, generator=generator, dtype=torch.float64)
    plan = IndexPlan(
        kind="ivfpq",
        rows=ROWS,
        width=WIDTH,
        encoder_digest=None,
        vectors="made up",
        features="0",
        settings=IvfPqIndexConfig(lists=4),
    )
    source = build.Unindexed(lat_lon, lambda rows: vectors[rows])
    assert build.build_index(source, out, plan, report=lambda line: None)
    assert neighbours.build_neighbours(out, neighbours.NeighbourConfig(count=3), report=lambda line: None)


def killed(out, number):
    os.fsync = dies_at(number - 1, os.fsync)
    whole(out)


def main(root, *moments):
    in_a_process(whole, root / "whole")
    for moment in map(int, moments):
        out = root / str(moment)
        ended = in_a_process(killed, out, moment)
        in_a_process(whole, out)
        print(moment, ended, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
