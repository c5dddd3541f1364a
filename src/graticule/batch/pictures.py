"""The pictures of a batch: fixed before the first is read, so that every run means the same ones."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graticule.images.address import Address, Picture
from graticule.images.exif import read_exif

__all__ = ["Listed", "digest_of", "listed", "without_gps"]


@dataclass(frozen=True, slots=True)
class Listed:
    """A picture, and its file as it was when the batch began."""

    path: Picture
    bytes: int | None
    """None, with `modified`, if there is no such file, and of an address."""
    modified: float | None
    """Seconds since 1970."""

    def state(self) -> dict[str, Any] | None:
        """What tells whether the file has changed since; None if there was none."""
        return None if self.bytes is None else {"bytes": self.bytes, "modified": self.modified}


def listed(paths: Iterable[Picture]) -> list[Listed]:
    """The pictures at some paths and addresses, in the same order."""
    return [_listed(path) for path in paths]


def digest_of(pictures: Sequence[Listed]) -> str:
    """What tells one list of pictures from another: which, in which order, and how they were."""
    told = hashlib.sha256()
    for picture in pictures:
        told.update(
            f"{picture.path}\0{picture.bytes}\0{picture.modified}\n".encode("utf-8", "surrogateescape")
        )
    return told.hexdigest()


def without_gps(
    paths: Sequence[Path], *, progress: Callable[[int, int], None] = lambda done, total: None
) -> list[Path]:
    """The pictures whose EXIF says no place, or none to be believed; the others need no estimate.

    Args:
        paths: Of all.
        progress: Told (done, total).
    """
    left = []
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1), "graticule-exif") as pool:
        for done, (path, reading) in enumerate(zip(paths, pool.map(read_exif, paths), strict=True), start=1):
            if reading.latitude is None:
                left.append(path)
            progress(done, len(paths))
    return left


def _listed(path: Picture) -> Listed:
    if isinstance(path, Address):
        return Listed(path, None, None)
    try:
        status = path.stat()
    except (OSError, ValueError):  # ValueError: a null byte in it; reading it says what is wrong
        return Listed(path, None, None)
    return Listed(path, status.st_size, status.st_mtime)
