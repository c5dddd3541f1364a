"""Files that appear whole or not at all."""

from __future__ import annotations

import errno
import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, TextIO

from graticule.errors import InputError

__all__ = ["atomic_bytes", "atomic_text", "is_stream", "sweep_for"]

_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def atomic_text(path: Path) -> Iterator[TextIO]:
    """A text file that is there whole once the block ends, and as before if it fails.

    Pipes and devices (`/dev/stdout`) can't be replaced; they are written to as they are.

    Raises:
        InputError: If `path` is a folder, or can't be written.
    """
    with atomic_bytes(path) as raw:
        # Names that are no valid text become JSON escapes instead of an error at the last line.
        stream = io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", newline="")
        yield stream
        stream.flush()
        stream.detach()


@contextmanager
def atomic_bytes(path: Path) -> Iterator[BinaryIO]:
    """As `atomic_text`, for bytes."""
    target = Path(os.path.realpath(path))  # replacing a link would cut it off from its file
    if target.is_dir():
        raise InputError(f"{path}: is a folder. Give the name of a file in it.")
    plain = not is_stream(path)
    # A pipe behind /dev/stdout has no name of its own to be opened by.
    written = target.with_name(f".{target.name}.{os.getpid()}.tmp") if plain else path
    try:
        stream = written.open("wb")
    except OSError as error:
        raise InputError(f"{path}: can't be written ({error.strerror}). Check its folder.") from error
    try:
        with stream:
            yield stream
            stream.flush()
            if plain:
                os.fsync(stream.fileno())
        if plain:
            written.replace(target)
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise InputError(
            f"{path}: not written, the disk is full. What was there before is untouched."
        ) from error
    finally:
        if plain:
            written.unlink(missing_ok=True)


def is_stream(path: Path) -> bool:
    """Whether there is a pipe or device at a path: what can be written to, and not replaced."""
    return path.exists() and not path.is_file()


def sweep_for(path: Path) -> None:
    """Delete what killed runs left beside a file they were writing, and nothing else."""
    target = Path(os.path.realpath(path))
    mine = re.compile(rf"\.{re.escape(target.name)}\.\d+\.tmp")
    for beside in target.parent.glob(".*.tmp"):
        if mine.fullmatch(beside.name):
            beside.unlink(missing_ok=True)
