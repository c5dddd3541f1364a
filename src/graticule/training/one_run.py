"""One training run a folder at a time: two would write each other's checkpoints."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from graticule.lock import locked
from graticule.store import make_folder, sweep
from graticule.training.distributed import is_main

__all__ = ["one_run"]


@contextmanager
def one_run(run: Path, out: Path) -> Iterator[None]:
    """Hold the folder of a run while the block runs; of several processes that train together, the first holds it.

    What an earlier run left half written, if it was killed, is swept away first.

    Args:
        run: keeps what a stopped run needs to go on.
        out: where its result is written.

    Raises:
        InputError: another run holds it, or nothing can be written to it.
    """
    if not is_main():
        yield
        return
    make_folder(run)
    with locked(run):
        for folder in (out, run, *(path for path in run.iterdir() if path.is_dir())):
            sweep(folder)
        yield
