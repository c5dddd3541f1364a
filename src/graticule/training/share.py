"""Files that several processes make together: each makes some of them, and what is there is not made again."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from safetensors.torch import save
from torch import Tensor

from graticule.store import write_whole
from graticule.training.distributed import agreed, from_main, rank, world_size

__all__ = ["share"]


def share(
    paths: Sequence[Path],
    make: Callable[[int], Mapping[str, Tensor]],
    *,
    deadline: float = float("inf"),
    told: Callable[[int], None] = lambda number: None,
) -> bool:
    """Make those of some safetensors files that are missing, each as large as may be lost when a run is stopped.

    All processes call it, and go on once everybody is done: nobody waits for longer than the making of one file takes,
    however much there is to do.

    Args:
        paths: the files, the same on every process.
        make: what the file of that number holds; it must not depend on which process makes it.
        deadline: on the monotonic clock; after it no more than what is begun is made, and a file by each process in
            any case.
        told: called with the number of each file that this process has made.

    Returns:
        Whether all files are there.
    """
    missing = from_main(lambda: [number for number, path in enumerate(paths) if not path.exists()])
    mine, late = missing[rank() :: world_size()], False
    for number in mine:
        write_whole(paths[number], save(dict(make(number))))
        told(number)
        if late := number != mine[-1] and time.monotonic() > deadline:
            break
    return not agreed(late)
