"""Run by test_kill.py: train a small network, killed by SIGKILL at each moment named, then resumed.

    python killed_run.py FOLDER MOMENT...

A moment is `step:N` (while step N is computed) or `write:N` (when the N-th file lies half written beside its
place). For each, prints the moment, the signal that ended the run and the temporaries it left.
torch is imported once; every run is a process of its own, forked before torch has computed anything.
"""

import os
import sys
from pathlib import Path

import torch
import torch._dynamo  # which the optimizer imports at its first step: here once, not once in every process
from torch import nn
from torch.nn import functional

from graticule.training.loop import TrainingConfig, step_generator, train
from graticule.training.schedule import Schedule
from killing import die, dies_at, in_a_process

CONFIG = TrainingConfig(
    steps=8,
    schedule=Schedule(warmup=2),
    learning_rate=0.01,
    validate_every=3,
    checkpoint_every_s=-1,
    bf16=False,
)


class Toy:
    def __init__(self, dies_at=None):
        torch.set_num_threads(1)
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 1))
        self.dies_at = dies_at

    def loss(self, step):
        if step == self.dies_at:
            die()
        x = torch.randn(16, 4, generator=step_generator(0, step))
        return functional.mse_loss(self.model(x), x.sum(1, keepdim=True)), {}

    def validate(self):
        x = torch.eye(4)
        return {"score": -functional.mse_loss(self.model(x), x.sum(1, keepdim=True)).item()}


def quiet(line):
    del line


def killed(folder, kind, number):
    if kind == "write":
        os.fsync = dies_at(number, os.fsync)
    train(Toy(number if kind == "step" else None), CONFIG, folder, report=quiet)


def whole(folder):
    train(Toy(), CONFIG, folder, report=quiet)


def main(root, *moments):
    in_a_process(whole, root / "whole")
    for moment in moments:
        kind, number = moment.split(":")
        folder = root / moment.replace(":", "-")
        ended = in_a_process(killed, folder, kind, int(number))
        left = len(list(folder.glob(".*.tmp")))
        in_a_process(whole, folder)
        print(moment, ended, left)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
