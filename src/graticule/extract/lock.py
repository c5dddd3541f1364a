"""One run a folder: a lock that the system itself lets go when its holder dies."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from graticule.errors import InputError
from graticule.extract.plan import writing

try:
    import fcntl
except ImportError:  # Windows has none: two runs in one folder are not noticed there
    fcntl = None  # type: ignore[assignment]

__all__ = ["locked"]


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder while the block runs.

    Raises:
        InputError: another process holds it, or nothing can be written to it.
    """
    with writing(folder):
        file = (folder / ".lock").open("w")
        try:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.close()
            raise InputError(
                f"{folder}: another run is writing to it; let that end, or name another folder."
            ) from error
    with file:
        yield
