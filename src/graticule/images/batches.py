"""Many pictures: find them in folders, and decode them in parallel without losing order or the good ones."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from graticule.errors import PictureError
from graticule.images.address import Address, Picture
from graticule.images.open import MAX_PIXELS, open_picture, square_pixels

__all__ = ["SUFFIXES", "Decoded", "Pictures", "decode_batches", "prepared", "read_batches", "walk"]

Item = TypeVar("Item")

SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".gif", ".bmp"})
"""What counts as a picture when a folder is walked. A file named outright is always tried."""

Decoded: TypeAlias = tuple[Picture, NDArray[np.uint8] | PictureError]
"""A picture with its pixels (3, size, size), or with why there are none."""

Pictures: TypeAlias = Path | str | Address | Iterable[Path | str | Address]
"""A file, folder or address, or several. A plain text is always a path: nothing is fetched by surprise."""


def walk(paths: Pictures, *, recursive: bool = True) -> list[Picture]:
    """The pictures that `paths` stand for, in the order given, folders sorted within.

    Folders are walked to the bottom, or, if `recursive` is false, no further than their own pictures. Names that
    begin with a dot are passed over, links to folders are not followed. What does not exist, and a folder without a
    picture, stay in the list: opening them says what is wrong, and nothing the user named vanishes without a word.
    """
    if isinstance(paths, str | Path | Address):
        paths = [paths]
    found: list[Picture] = []
    for given in paths:
        if isinstance(given, Address):
            found.append(given)
            continue
        path = Path(given)
        # os.path.isdir says False where Path.is_dir raises: names too long, folders not to be entered.
        inside = _pictures_below(path, recursive) if os.path.isdir(path) else []  # noqa: PTH112
        found.extend(inside or [path])
    return found


def read_batches(
    paths: Sequence[Picture | str],
    size: int,
    *,
    batch_size: int = 64,
    workers: int | None = None,
    max_pixels: int = MAX_PIXELS,
    prepare: Callable[[Image.Image], NDArray[np.uint8]] | None = None,
) -> Iterator[list[Decoded]]:
    """Decode picture files in threads, and yield them in the order of `paths`. Addresses are fetched there too.

    While one batch is being used the next is decoded; more than two are never held.

    Args:
        paths: As `walk` gives them.
        size: Side of the square, in pixels.
        batch_size: Pictures a batch; the last may be shorter.
        workers: Threads; as many as there are cores, at most 8, if not given.
        max_pixels: The cap of `open_picture`.
        prepare: As for `decode_batches`.

    Yields:
        Lists of (path, pixels (3, size, size) uint8), or (path, `PictureError`) for a refused one.
    """

    def open_one(picture: Picture, shortest: int | None) -> Image.Image:
        source = _fetched(picture) if isinstance(picture, Address) else picture
        return open_picture(source, name=str(picture), max_pixels=max_pixels, shortest=shortest)

    return decode_batches(
        [Path(path) if isinstance(path, str) else path for path in paths],
        open_one,
        size,
        batch_size=batch_size,
        ahead=2 * batch_size,
        workers=workers,
        prepare=prepare,
    )


def decode_batches(
    items: Iterable[Item],
    open_item: Callable[[Item, int | None], Image.Image],
    size: int,
    *,
    batch_size: int,
    ahead: int,
    workers: int | None = None,
    prepare: Callable[[Image.Image], NDArray[np.uint8]] | None = None,
) -> Generator[list[tuple[Item, NDArray[np.uint8] | PictureError]], None, None]:
    """Decode pictures, wherever they are, in threads, and yield them in order.

    Args:
        items: What stands for the pictures.
        open_item: Opens one, given the `shortest` of `open_picture`; runs in the threads.
        size: Side of the square, in pixels.
        batch_size: Pictures a batch; the last may be shorter.
        ahead: Pictures decoded, or being decoded, and not used yet; at least a batch.
        workers: Threads; as many as there are cores, at most 8, if not given.
        prepare: Makes the (3, size, size) pixels of a picture decoded at full size, where an encoder is particular;
            `square_pixels` of one decoded as small as will do, if not given.

    Yields:
        Lists of (item, pixels (3, size, size) uint8), or (item, `PictureError`) for a refused one.
    """

    def decode(item: Item) -> tuple[Item, NDArray[np.uint8] | PictureError]:
        try:
            return item, prepared(partial(open_item, item), size, prepare)
        except PictureError as error:
            return item, error

    todo = deque(items)
    pending: deque[Future[tuple[Item, NDArray[np.uint8] | PictureError]]] = deque()
    with ThreadPoolExecutor(workers or min(8, os.cpu_count() or 1), "graticule-decode") as pool:
        try:
            while todo or pending:
                while todo and len(pending) < max(ahead, batch_size):
                    pending.append(pool.submit(decode, todo.popleft()))
                yield [pending.popleft().result() for _ in range(min(batch_size, len(pending)))]
        finally:
            # The caller may stop early: don't make it wait for pictures nobody will look at.
            for future in pending:
                future.cancel()


def prepared(
    open_image: Callable[[int | None], Image.Image],
    size: int,
    prepare: Callable[[Image.Image], NDArray[np.uint8]] | None = None,
) -> NDArray[np.uint8]:
    """Open one picture, and make of it the pixels (3, size, size) that an encoder looks at.

    Args:
        open_image: Opens it, given the `shortest` of `open_picture`.
        size: Side of the square, in pixels.
        prepare: As for `decode_batches`.

    Raises:
        PictureError: It can't be read, or must not be.
    """
    if prepare is not None:
        return prepare(open_image(None))
    # Twice the size keeps the resize, not the JPEG decoder, in charge of how the pixels look.
    return square_pixels(open_image(2 * size), size)


def _fetched(address: Address) -> bytes:
    # What opens sockets is not even imported unless there is an address.
    from graticule.images.remote import fetch

    return fetch(address)


def _pictures_below(folder: Path, recursive: bool) -> list[Path]:
    found: list[Path] = []

    def unreadable(error: OSError) -> None:
        found.append(Path(error.filename))

    for parent, folders, files in os.walk(folder, onerror=unreadable):
        folders[:] = sorted(name for name in folders if recursive and not name.startswith("."))
        found.extend(
            Path(parent, name)
            for name in sorted(files)
            if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES
        )
    return found
