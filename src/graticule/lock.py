"""One run at a time: a lock that the system itself lets go when its holder dies."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from graticule.errors import InputError

try:
    import fcntl
except ImportError:  # Windows has none: two runs in one folder are not noticed there
    fcntl = None  # type: ignore[assignment]

__all__ = ["locked"]


@contextmanager
def locked(folder: Path, name: str = ".lock", *, of: Path | None = None) -> Iterator[None]:
    """Hold a folder, or what of it a lock's name stands for, while the block runs.

    Args:
        folder: where the lock's file lies while it is held.
        name: of that file: runs that may go on beside each other have locks of their own.
        of: what of the folder it stands for, in the message; else all of it.

    Raises:
        InputError: another process holds it, or nothing can be written to the folder.
    """
    path = folder / name
    try:
        file = _held(path)
    except BlockingIOError as error:
        raise InputError(
            f"{of or folder}: another run is writing to it; let that end, or name another."
        ) from error
    except OSError as error:
        raise InputError(
            f"{folder}: can't be written to ({error.strerror or error}). What is finished is kept: make room or "
            "mend the disk, and run the same again."
        ) from error
    with file:
        try:
            yield
        finally:
            with suppress(OSError):
                path.unlink()


def _held(path: Path) -> BinaryIO:
    """The file, made if need be, and locked until it is closed.

    Raises:
        BlockingIOError: another process has locked it.
        OSError: it can't be made.
    """
    while True:
        file = path.open("wb")
        try:
            if fcntl is None:
                return file
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # A holder that has just ended took the name away: then this is the lock of nothing.
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        except FileNotFoundError:
            pass
        except BaseException:
            file.close()
            raise
        file.close()
