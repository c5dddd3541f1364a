"""A file that was cut into parts to be published, such as mp-16-images00, mp-16-images01, ..., read as one in place.

`split` names parts by digits (00, 01, ..., 10) or letters (aa, ab, ..., ba) at the end of one name.
"""

from __future__ import annotations

import io
import re
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate, count
from pathlib import Path
from string import ascii_lowercase, digits
from typing import BinaryIO, Final

__all__ = ["is_first_part", "joined_bytes", "open_joined"]

_FIRST: Final = re.compile(r"(.*[^0a])(0{2,4}|a{2,4})", re.DOTALL)


def is_first_part(name: str) -> bool:
    """Whether a file's name is that of the first of some parts."""
    return _FIRST.fullmatch(name) is not None


def open_joined(path: Path) -> BinaryIO:
    """Open a file for reading; where it is the first of some parts, those that follow it are read on with it.

    Raises:
        OSError: it can't be opened.
    """
    found = _FIRST.fullmatch(path.name)
    if found is None:
        return path.open("rb")
    return io.BufferedReader(_Joined(list(_parts(path, *found.groups()))))


def joined_bytes(path: Path) -> int:
    """How long what `open_joined` opens is; 0 if there is nothing."""
    try:
        with open_joined(path) as file:
            return file.seek(0, io.SEEK_END)
    except OSError:
        return 0


def _parts(path: Path, stem: str, first: str) -> Iterator[Path]:
    """The first part, and those after it without a gap."""
    letters = digits if first[0] == "0" else ascii_lowercase
    yield path
    for number in count(1):
        part = path.with_name(stem + _numeral(number, letters, len(first)))
        if len(part.name) != len(path.name) or not part.exists():
            return
        yield part


def _numeral(number: int, letters: str, width: int) -> str:
    written = ""
    while number:
        number, place = divmod(number, len(letters))
        written = letters[place] + written
    return written.rjust(width, letters[0])


class _Joined(io.RawIOBase):
    """Files end to end. One is open at a time."""

    def __init__(self, paths: list[Path]) -> None:
        self._paths = paths
        self._ends = list(accumulate(path.stat().st_size for path in paths))
        self._at, self._part = 0, 0
        self._file = paths[0].open("rb")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        self._at = max(
            0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._ends[-1]}[whence]
        )
        return self._at

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        """What is asked for, or what the part has left of it."""
        part = bisect_right(self._ends, self._at)
        if part == len(self._ends):
            return 0
        if part != self._part:
            file = self._paths[part].open("rb")
            self._file.close()
            self._file, self._part = file, part
        begins = self._ends[part - 1] if part else 0
        self._file.seek(self._at - begins)
        read = self._file.readinto(memoryview(buffer)[: self._ends[part] - self._at])
        self._at += read
        return read

    def close(self) -> None:
        self._file.close()
        super().close()
