"""One training run a folder at a time: two would write each other's checkpoints."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from graticule.lock import locked
from graticule.store import make_folder
from graticule.training.distributed import is_main

__all__ = ["one_run"]


@contextmanager
def one_run(folder: Path) -> Iterator[None]:
    """Hold the folder of a run while the block runs; of several processes that train together, the first holds it.

    Raises:
        InputError: another run holds it, or nothing can be written to it.
    """
    if not is_main():
        yield
        return
    make_folder(folder)
    with locked(folder):
        yield
