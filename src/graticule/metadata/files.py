"""Files that change whole or not at all, and are safe on disk before anyone relies on them."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import stat
import tempfile
from pathlib import Path
from typing import BinaryIO, Final

from graticule.errors import InputError

__all__ = [
    "TEMPORARY",
    "digest",
    "open_new",
    "put_in_place",
    "read_plain",
    "sync_folder",
    "take_after",
    "temporary",
    "unnamed_temporary",
    "write_beside",
]

TEMPORARY: Final = re.compile(r"\..+\.graticule\.tmp", re.DOTALL)
"""What temporaries are called."""


def temporary(target: Path) -> Path:
    """Where a file is written before it takes its place; a killed run's leftover is found under the same name."""
    return target.with_name(f".{target.name}.graticule.tmp")


def unnamed_temporary() -> Path:
    """A place for what belongs beside no file, under a name that nobody chose."""
    return temporary(Path(tempfile.gettempdir(), secrets.token_hex()))


def read_plain(path: Path, longest: int) -> bytes | None:
    """The bytes of a plain file, or None if there is none of that name.

    Raises:
        InputError: it is a link, a folder or the like, or longer than that.
        OSError: it can't be read.
    """
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"{path}: a link or a folder rather than a plain file; it is not touched.")
    if status.st_size > longest:
        raise InputError(f"{path}: {status.st_size / 2**20:.0f} MiB, the limit is {longest >> 20} MiB.")
    return path.read_bytes()


def digest(path: Path) -> str | None:
    """The SHA-256 of a plain file; None if there is none of that name.

    Raises:
        InputError: it is a link, a folder or the like.
        OSError: it can't be read.
    """
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"{path}: a link or a folder rather than a plain file; it is not touched.")
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_beside(target: Path, data: bytes, like: Path, *, private: bool = False) -> Path:
    """Write what a file shall hold into its temporary, down to the disk.

    Args:
        target: The file that is to be.
        data: What it shall hold.
        like: Whose permissions, owner and attributes it gets, as far as the system lets them be given.
        private: The permissions only.

    Returns:
        The temporary, for `put_in_place`.
    """
    beside = temporary(target)
    with open_new(beside) as file:
        file.write(data)
        if private:
            # Who may not read the picture may not read where it was taken; and nobody runs a sidecar.
            beside.chmod(like.stat().st_mode & 0o666)
        else:
            take_after(beside, like)
        file.flush()
        os.fsync(file.fileno())
    return beside


def open_new(path: Path) -> BinaryIO:
    """A new file, for writing, that nobody else may read yet; a leftover of that name goes first."""
    path.unlink(missing_ok=True)
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def take_after(path: Path, like: Path) -> None:
    """Give a file the permissions, owner and attributes of another; its time stays its own."""
    status, now = like.stat(), path.stat()
    shutil.copystat(like, path)
    os.utime(path, ns=(now.st_atime_ns, now.st_mtime_ns))
    if (status.st_uid, status.st_gid) != (now.st_uid, now.st_gid) and hasattr(os, "chown"):
        try:
            os.chown(path, status.st_uid, status.st_gid)
        except PermissionError:
            return  # only the system's administrator may give files away
        path.chmod(stat.S_IMODE(status.st_mode))  # a change of owner drops bits


def put_in_place(beside: Path, target: Path) -> None:
    """Let a temporary take a file's name, down to the disk. A link of that name is replaced, not followed."""
    beside.replace(target)
    sync_folder(target.parent)


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder down to the disk, where the system can."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
