"""Run by test_distributed.py: the same trainings by one process and by several, as `torchrun` would start them.

    python several_run.py FOLDER

Each run leaves its logs and checkpoints in FOLDER/NAME, and in FOLDER/NAME/process-R.json how process R ended.
torch is imported once; every process is forked before torch has computed anything.
"""

import json
import math
import os
import signal
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
import torch._dynamo  # which the optimizer imports at its first step: here once, not once in every process
from torch import nn
from torch.nn import functional

from graticule.alignment.location import LocationEncoderConfig
from graticule.alignment.policies import PolicyConfig
from graticule.alignment.spaces import SpacesAlignmentConfig
from graticule.earth.distance import unit_vectors
from graticule.errors import GraticuleError
from graticule.training.distributed import WHOLE, average_gradients, from_main, join_processes, rank, spread
from graticule.training.frozen import FrozenAlignConfig
from graticule.training.loop import TrainingConfig, step_generator, train
from graticule.training.schedule import Schedule
from graticule.training.shards import Records
from graticule.training.spaces import SpacesTask

STEPS, DIES_AT, PATIENCE_S = 20, 3, 60.0


class Rows:
    """A mean over 12 rows, of which a part of the model sees only the first; dropout if asked for."""

    def __init__(self, *, dropout=0.0, fault=None):
        torch.manual_seed(0)
        self.model = nn.ModuleDict(
            {"all": nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Dropout(dropout), nn.Linear(8, 1))}
        )
        self.model["first"] = nn.Linear(4, 1)
        self.fault = fault or (lambda step: 1.0)

    def loss(self, step):
        return self.part_loss(step, WHOLE)

    def part_loss(self, step, part):
        rows = torch.cat(
            [torch.arange(12.0)[:, None], torch.randn(12, 4, generator=step_generator(0, step))], 1
        )
        number, x = part.of(rows).split([1, 4], dim=1)
        found = self.model["all"](x)
        if (number == 0).any():
            found = found + torch.where(number == 0, self.model["first"](x), 0.0)
        return functional.mse_loss(found, x.sum(1, keepdim=True)) * self.fault(step), {
            "mean": x.mean().item()
        }

    def validate(self):
        # What only one process computes may differ between them; what all go on with may not.
        return {"score": float(rank())}


def contrast(*, policy, refit_every=None, batch=32):
    """Pictures, places and names, a queue that fills within the run, and wrong answers nearby."""
    random = np.random.default_rng(0)
    lat, lon = np.degrees(np.arcsin(random.uniform(-1, 1, 300))), random.uniform(-180, 180, 300)
    points = unit_vectors(lat, lon)
    phase = points @ random.normal(size=(3, 8))
    names = random.normal(size=(8, 6))[(points > 0) @ [1, 2, 4]]
    names[::3] = 0
    data = Records(
        torch.from_numpy(np.concatenate([np.cos(phase), np.sin(phase)], 1)).half(),
        torch.from_numpy(np.stack([lat, lon], 1)),
        torch.from_numpy(names).half(),
    )
    location = LocationEncoderConfig(sigmas=(1.0,), frequencies=8, hidden=16, layers=1, width=12)
    config = FrozenAlignConfig(
        alignment=SpacesAlignmentConfig(feature_width=16, hidden=16, location=location, text_width=6),
        policy=PolicyConfig(name=policy),
        refit_every=refit_every,
        refit_rows=200,
        batch=batch,
        queue=75,
        local=1,
        variogram_pairs=4000,
    )
    return SpacesTask(config, data, data[torch.arange(20)])


def loop(**changed):
    settings = {"validate_every": 8, "checkpoint_every_s": -1, "log_every": 1, "bf16": False}
    return TrainingConfig(steps=STEPS, schedule=Schedule(warmup=2), **{**settings, **changed})


def run(make, config, folder, *, stop_after_s=math.inf):
    """How one process ends."""
    told = {"said": [], "error": None}
    before = time.monotonic()
    try:
        told["result"] = train(
            make(), config, folder, report=told["said"].append, stop_after_s=stop_after_s
        ).model_dump(exclude={"seconds"})
    except Exception as error:
        told["error"] = f"{type(error).__name__}: {error}"
    return {**told, "took_s": time.monotonic() - before}


def sums(numbers):
    """Vectors of all rows, and the gradient of what made them."""
    join_processes()
    factor, rows = nn.Parameter(torch.tensor(3.0)), torch.tensor(numbers).view(-1, 1)
    vectors = spread(lambda mine: factor * mine, rows)
    (vectors.square() * torch.arange(1, len(rows) + 1)[:, None]).sum().backward()
    average_gradients([factor])
    told = from_main(lambda: {"of": rank(), "large": math.inf})
    return {"vectors": vectors.flatten().tolist(), "gradient": factor.grad.item(), "told": told}


def stalled(number, folder):
    """One waits for another that does nothing until the first has given up."""
    join_processes(timeout_s=1.0)
    first = folder / "process-0.json"
    try:
        if number == 0:
            from_main(lambda: None)
        end = time.monotonic() + PATIENCE_S / 2
        while not first.exists() and time.monotonic() < end:
            time.sleep(0.05)
    except GraticuleError as error:
        return {"error": str(error)}
    return {"error": None, "given_up": first.exists()}


def together(count, folder, work):
    """Processes of one group; those that outlive their time are killed."""
    folder.mkdir(parents=True, exist_ok=True)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    children = []
    for number in range(count):
        child = os.fork()
        if child == 0:
            told = {"error": "ended otherwise"}
            try:
                torch.set_num_threads(1)
                if count > 1:
                    group = {"RANK": number, "LOCAL_RANK": number, "WORLD_SIZE": count}
                    address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
                    os.environ.update({name: str(value) for name, value in {**group, **address}.items()})
                told = work(number)
            finally:
                (folder / f"process-{number}.json").write_text(json.dumps(told))
                os._exit(0)
        children.append(child)
    end = time.monotonic() + PATIENCE_S
    while children and time.monotonic() < end:
        children = [child for child in children if os.waitpid(child, os.WNOHANG) == (0, 0)]
        time.sleep(0.02)
    for child in children:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def main(root):
    def both(name, make, **changed):
        for count in (1, 2):
            folder = root / f"{name}-{count}"
            together(count, folder, lambda number, f=folder: run(make, loop(**changed), f))

    both("rows", Rows)
    both("accumulated", Rows, accumulate=3)
    both("plain", lambda: contrast(policy="none", batch=31))
    both("semivariogram", lambda: contrast(policy="semivariogram", refit_every=7))

    def halting(number, folder=root / "halting"):
        for stop_after_s in (-1, -1, math.inf):
            told = run(lambda: Rows(dropout=0.5), loop(accumulate=2), folder, stop_after_s=stop_after_s)
        return told

    together(2, root / "whole", lambda _: run(lambda: Rows(dropout=0.5), loop(accumulate=2), root / "whole"))
    together(2, root / "halting", halting)

    def dying(step):
        if step == DIES_AT and rank() == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return 1.0

    def broken(step):
        return math.nan if step == DIES_AT and rank() == 1 else 1.0

    together(2, root / "dying", lambda _: run(lambda: Rows(fault=dying), loop(), root / "dying"))
    together(2, root / "broken", lambda _: run(lambda: Rows(fault=broken), loop(), root / "broken"))
    together(2, root / "stalled", lambda number: stalled(number, root / "stalled"))
    for name, numbers in (("sums", [1.0, 2.0, 3.0, 4.0, 5.0]), ("few", [1.0])):
        together(1, root / f"{name}-1", lambda _, numbers=numbers: sums(numbers))
        together(2, root / f"{name}-2", lambda _, numbers=numbers: sums(numbers))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
