"""Many pictures: find them in folders, and decode them in parallel without losing order or the good ones."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from graticule.errors import PictureError
from graticule.images.open import MAX_PIXELS, open_picture, square_pixels

__all__ = ["SUFFIXES", "Decoded", "read_batches", "walk"]

SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".gif", ".bmp"})
"""What counts as a picture when a folder is walked. A file named outright is always tried."""

Decoded: TypeAlias = tuple[Path, NDArray[np.uint8] | PictureError]
"""A picture's path with its pixels (3, size, size), or with why there are none."""


def walk(paths: Path | str | Iterable[Path | str]) -> list[Path]:
    """The picture files that `paths` stand for, in the order given, folders sorted within.

    Folders are walked to the bottom; names that begin with a dot are passed over, links to folders are not
    followed. What does not exist, and a folder without a picture, stay in the list: opening them says what
    is wrong, and nothing the user named vanishes without a word.
    """
    if isinstance(paths, str | Path):
        paths = [paths]
    found: list[Path] = []
    for path in map(Path, paths):
        # os.path.isdir says False where Path.is_dir raises: names too long, folders not to be entered.
        inside = _pictures_below(path) if os.path.isdir(path) else []  # noqa: PTH112
        found.extend(inside or [path])
    return found


def read_batches(
    paths: Sequence[Path | str],
    size: int,
    *,
    batch_size: int = 64,
    workers: int | None = None,
    max_pixels: int = MAX_PIXELS,
    prepare: Callable[[Image.Image], NDArray[np.uint8]] | None = None,
) -> Iterator[list[Decoded]]:
    """Decode pictures in threads, and yield them in the order of `paths`.

    While one batch is being used the next is decoded; more than two are never held.

    Args:
        paths: Files, as `walk` gives them.
        size: Side of the square, in pixels.
        batch_size: Pictures a batch; the last may be shorter.
        workers: Threads; as many as there are cores, at most 8, if not given.
        max_pixels: The cap of `open_picture`.
        prepare: Makes the (3, size, size) pixels of a picture decoded at full size, where an encoder is particular;
            `square_pixels` of one decoded as small as will do, if not given.

    Yields:
        Lists of (path, pixels (3, size, size) uint8), or (path, `PictureError`) for a refused one.
    """
    todo = deque(Path(path) for path in paths)
    pending: deque[Future[Decoded]] = deque()
    with ThreadPoolExecutor(workers or min(8, os.cpu_count() or 1), "graticule-decode") as pool:
        try:
            while todo or pending:
                while todo and len(pending) < 2 * batch_size:
                    pending.append(pool.submit(_read, todo.popleft(), size, max_pixels, prepare))
                yield [pending.popleft().result() for _ in range(min(batch_size, len(pending)))]
        finally:
            # The caller may stop early: don't make it wait for pictures nobody will look at.
            for future in pending:
                future.cancel()


def _read(
    path: Path,
    size: int,
    max_pixels: int,
    prepare: Callable[[Image.Image], NDArray[np.uint8]] | None,
) -> Decoded:
    try:
        # Twice the size keeps the resize, not the JPEG decoder, in charge of how the pixels look.
        shortest = 2 * size if prepare is None else None
        image = open_picture(path, max_pixels=max_pixels, shortest=shortest)
    except PictureError as error:
        return path, error
    return path, square_pixels(image, size) if prepare is None else prepare(image)


def _pictures_below(folder: Path) -> list[Path]:
    found: list[Path] = []

    def unreadable(error: OSError) -> None:
        found.append(Path(error.filename))

    for parent, folders, files in os.walk(folder, onerror=unreadable):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found.extend(
            Path(parent, name)
            for name in sorted(files)
            if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES
        )
    return found
