"""Training on several processes: who computes what, and how gradients and vectors come together again.

`torchrun` and `accelerate launch` start the processes and number them in environment variables. Each holds the whole
model and takes every step; the batch of a step is a function of the seed and the step, and each process computes a
part of it. A loss that is a mean over rows is cut by rows (`Part`); one that compares the rows of a batch has its
encoders cut and their vectors gathered (`spread`). Then gradients are averaged, all of them end to end in one message.

torch's DistributedDataParallel would send them in pieces while the backward pass still runs. With networks of this
size that saves some milliseconds a step. In return a loss must go through the `forward` of one wrapped module, where
ours call several parts of a model, and the wrapper must be told of accumulation and of parameters without a gradient.
One visible line after `backward` is worth more.

Alone, every function here does nothing, and costs nothing.
"""

from __future__ import annotations

import atexit
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module
from itertools import pairwise
from typing import Any, Final, Literal, TypeAlias, TypeVar, cast

import torch
from torch import Tensor, distributed, nn

from graticule.errors import ConfigError, GraticuleError

__all__ = [
    "WHOLE",
    "Device",
    "Part",
    "agreed",
    "alone",
    "average_gradients",
    "averages",
    "chosen_device",
    "device_of",
    "from_main",
    "is_main",
    "join_processes",
    "main_first",
    "only_main",
    "rank",
    "spread",
    "world_size",
]

Device: TypeAlias = Literal["auto", "cpu", "cuda"]
Found = TypeVar("Found")

_TIMEOUT_S: Final = 1800.0
"""For how long a process waits for the others: what one does alone, such as validating, must be done by then."""


@dataclass(frozen=True)
class Part:
    """One of several equal parts of a step's batch."""

    number: int = 0
    parts: int = 1

    def of(self, rows: Tensor) -> Tensor:
        """This part of the (B, ...) rows of a batch: (B / parts, ...).

        Raises:
            ConfigError: the batch can't be cut into parts of one size, so that the mean of their means is another.
        """
        if len(rows) % self.parts:
            raise ConfigError(
                f"batch: {len(rows)} rows can't be shared equally by {self.parts} parts (processes times "
                f"accumulate); choose a multiple of {self.parts}."
            )
        return rows.chunk(self.parts)[self.number]


WHOLE: Final = Part()


def rank() -> int:
    """The number of this process, from 0."""
    return distributed.get_rank() if _together() else 0


def world_size() -> int:
    """How many processes train together."""
    return distributed.get_world_size() if _together() else 1


def is_main() -> bool:
    """Whether this process is the one that writes and speaks."""
    return rank() == 0


def join_processes(device: Device = "cpu", *, timeout_s: float = _TIMEOUT_S) -> None:
    """Join the processes that `torchrun` or `accelerate launch` started, until this one ends.

    Joined already, or started alone, nothing happens. gloo carries what lies on the CPU, nccl what lies on GPUs. A
    process that dies ends the others: those wait for it at the next step, see its connections closed, or at the latest
    give up after `timeout_s`.

    Raises:
        ConfigError: there is no such device.
    """
    if _together() or _started() == 1:
        return
    where = chosen_device(device)
    if where.type == "cuda":
        torch.cuda.set_device(where)
    backend = "gloo" if where.type == "cpu" else "cpu:gloo,cuda:nccl"
    # Its functions keep the group of the moment they are imported, as optimizers do at their first step, as defaults.
    # The group would then outlive its end below, and a thread of gloo that lets go of its last message after Python
    # has gone aborts the process.
    import_module("torch.distributed.nn.functional")
    with _reaching_others():
        distributed.init_process_group(backend, timeout=timedelta(seconds=timeout_s))
    atexit.register(distributed.destroy_process_group)


def alone(what: str) -> None:
    """Refuse to run as one of several processes.

    Args:
        what: can't be, for the message.

    Raises:
        ConfigError: it is one of several.
    """
    if _started() > 1:
        raise ConfigError(
            f"WORLD_SIZE is {_started()}: {what} trains in one process, and several would write each other's files; "
            "start it without torchrun."
        )


def chosen_device(device: Device) -> torch.device:
    """The device a setting means: of several processes on a machine each has a GPU of its own.

    Raises:
        ConfigError: CUDA is asked for, and torch finds none, or fewer GPUs than there are processes.
    """
    if device == "cpu" or (device == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise ConfigError("device: torch finds no CUDA; choose cpu, or auto.")
    number, count = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    if number >= count:
        raise ConfigError(
            f"device: this machine has {count} GPUs, and process {number} would share one; start {count} processes, "
            "or choose cpu."
        )
    return torch.device("cuda", number)


def device_of(model: nn.Module) -> torch.device:
    """Where a model's weights are, and what it reads must be."""
    return next(model.parameters()).device


def spread(function: Callable[[Tensor], Tensor], rows: Tensor) -> Tensor:
    """`function` of all rows, of which each process computes its share: for losses that compare the rows of a batch.

    All processes get all results, and each computes the whole loss from them, as one alone would: it costs little
    beside the encoders. Gradients flow back to the process that computed a row; once averaged, they are those of one
    process.

    Args:
        function: (N, ...) rows to (N, D), each row by itself.
        rows: the same on every process.

    Returns:
        (N, D).
    """
    if world_size() == 1:
        return function(rows)
    sizes = _shares(len(rows))
    mine = torch.split(rows, sizes)[rank()]
    return cast(Tensor, _Gather.apply(function(mine), sizes))  # type: ignore[no-untyped-call]


class _Gather(torch.autograd.Function):
    """All processes' rows end to end; backwards, each row gets the sum of what the processes say of it."""

    @staticmethod
    def forward(ctx: Any, mine: Tensor, sizes: list[int]) -> Tensor:
        ctx.sizes = sizes
        # gloo and nccl want messages of one size.
        padded = mine.new_zeros(max(sizes), *mine.shape[1:])
        padded[: len(mine)] = mine
        everybody = [torch.empty_like(padded) for _ in sizes]
        with _reaching_others():
            distributed.all_gather(everybody, padded)
        return torch.cat([part[:size] for part, size in zip(everybody, sizes, strict=True)])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        gradient = gradient.clone(memory_format=torch.contiguous_format)
        _sum(gradient)
        return torch.split(gradient, ctx.sizes)[rank()], None


def average_gradients(parameters: Sequence[nn.Parameter]) -> None:
    """Give each process the mean of all processes' gradients, in one message.

    A parameter without a gradient counts as one of zeros, and stays without only if no process has one.
    """
    if world_size() == 1:
        return
    used = [parameter.grad is not None for parameter in parameters]
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    count = gradients[0].new_tensor(used)
    together = torch.cat([count, *(gradient.flatten() for gradient in gradients)])
    _sum(together)
    count, *means = torch.split(together / world_size(), [len(used), *(g.numel() for g in gradients)])
    for parameter, share, mean in zip(parameters, count.tolist(), means, strict=True):
        parameter.grad = mean.view_as(parameter) if share else None


def averages(figures: dict[str, float]) -> dict[str, float]:
    """The mean over all processes of figures that each has under the same names."""
    if world_size() == 1:
        return figures
    values = torch.tensor(list(figures.values()), dtype=torch.float64)
    _sum(values)
    return dict(zip(figures, (values / world_size()).tolist(), strict=True))


def agreed(wanted: bool) -> bool:
    """Whether any process wants it: for what all must do, or none, such as stopping when the time is up."""
    return averages({"wanted": float(wanted)})["wanted"] > 0


def from_main(compute: Callable[[], Found]) -> Found:
    """What the first process computes, told to all; the others wait.

    Args:
        compute: gives something that JSON can carry.
    """
    if world_size() == 1:
        return compute()
    text = json.dumps(compute()).encode() if is_main() else b""
    length = torch.tensor(len(text))
    _sum(length)
    # The others send nothing but zeros, so that the sum is the message.
    message = torch.tensor(list(text.ljust(int(length), b"\0")), dtype=torch.uint8)
    _sum(message)
    return cast(Found, json.loads(message.numpy().tobytes()))


@contextmanager
def main_first() -> Iterator[None]:
    """The first process runs the block before the others do: what it writes they find."""
    if not is_main():
        from_main(lambda: None)
    yield
    if is_main():
        from_main(lambda: None)


def only_main(report: Callable[[str], None]) -> Callable[[str], None]:
    """`report` on the first process; the others are silent."""
    return report if is_main() else _unheard


def _unheard(line: str) -> None:
    del line


@contextmanager
def _reaching_others() -> Iterator[None]:
    """What torch says when another process is gone is for those who know gloo or nccl."""
    try:
        yield
    except RuntimeError as error:
        raise GraticuleError(
            f"process {os.environ.get('RANK', '0')}: another process has ended or does not answer, and has said why "
            f"itself if it could ({error}). Run the same command again to go on."
        ) from error


def _sum(values: Tensor) -> None:
    """In place, over all processes."""
    with _reaching_others():
        distributed.all_reduce(values)


def _together() -> bool:
    return distributed.is_available() and distributed.is_initialized()


def _started() -> int:
    """How many processes `torchrun` says that it started."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def _shares(count: int) -> list[int]:
    """How many of so many rows each process computes: as many as the others, or one more."""
    bounds = [count * number // world_size() for number in range(world_size() + 1)]
    return [end - start for start, end in pairwise(bounds)]
