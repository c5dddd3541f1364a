"""What a batch has done so far: a line a picture, in a file beside the output that is going to be.

    {"batch": {...}}      first: what these are results of
    {...}                 then the record of each picture, in order

It grows by whole groups of pictures that were computed together. Whatever a kill or a power cut leaves of the last
group is dropped, so that the groups of a run that goes on are those of one that was never stopped, and with them the
last bits of its answers.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

from graticule.errors import ConfigError, InputError
from graticule.output.files import atomic_bytes
from graticule.output.json_lines import to_jsonl
from graticule.output.record import Record

__all__ = ["Journal"]

_SYNC_S: Final = 10
"""A kill loses nothing that is written; a power cut may lose so much."""


class Journal:
    """The file of a run under way; `open` it."""

    def __init__(self, path: Path, file: BinaryIO, *, borders: Sequence[int]) -> None:
        """Take what is whole of an open journal.

        Args:
            path: of the journal.
            file: the same, open for reading and writing.
            borders: how many pictures are done at the end of each group.
        """
        self.path, self._file, self._synced = path, file, time.monotonic()
        ends, most = set(borders), max(borders, default=0)
        self.count = 0
        """Pictures that are done."""
        file.seek(0)
        end = len(file.readline())
        at = end
        for number, line in enumerate(file, start=1):
            if not _whole(line) or number > most:
                break
            at += len(line)
            if number in ends:
                self.count, end = number, at
        file.truncate(end)
        file.seek(end)

    @classmethod
    @contextmanager
    def open(cls, path: Path, batch: Mapping[str, Any], *, borders: Sequence[int]) -> Iterator[Journal]:
        """The journal at a path, made if there is none.

        Args:
            path: of the journal.
            batch: what it is to hold results of, as plain JSON values.
            borders: how many pictures are done at the end of each group.

        Raises:
            ConfigError: it holds results of something else; the message says what differs.
            InputError: it is no journal, or can't be written.
        """
        head = _head(batch)
        with _writing(path):
            if not path.exists():
                with atomic_bytes(path) as file:
                    file.write(head)
            file = path.open("r+b")
        with file:
            _compare(path, file.readline(), json.loads(head))
            journal = cls(path, file, borders=borders)
            try:
                yield journal
            finally:
                # What did not fit is tried once more, and refused once more.
                with _writing(path):
                    journal._file.close()

    def add(self, records: Iterable[Record]) -> None:
        """Write the records of one group."""
        lines = [_line(record) for record in records]
        with _writing(self.path):
            self._file.write(b"".join(lines))
            self._file.flush()
            if time.monotonic() - self._synced > _SYNC_S:
                os.fsync(self._file.fileno())
                self._synced = time.monotonic()
        self.count += len(lines)

    def records(self) -> Iterator[Record]:
        """What is done so far, read from the file one by one."""
        with self.path.open("rb") as file:
            file.readline()
            for line in file:
                yield json.loads(line)

    def revise(self, revised: Callable[[Iterator[Record]], Iterable[Record]]) -> None:
        """Write all of it anew; it is as before until that is done.

        Args:
            revised: from the records that are there to as many others.
        """
        with atomic_bytes(self.path) as anew:
            self._file.seek(0)
            anew.write(self._file.readline())
            for record in revised(self.records()):
                anew.write(_line(record))
        self._file.close()
        self._file = self.path.open("r+b")
        self._file.seek(0, os.SEEK_END)

    def remove(self) -> None:
        """Delete it: the output holds everything."""
        self.path.unlink()


def _head(batch: Mapping[str, Any]) -> bytes:
    return json.dumps({"batch": batch}).encode("ascii") + b"\n"


def _line(record: Record) -> bytes:
    return to_jsonl(record).encode("utf-8", "backslashreplace") + b"\n"


def _whole(line: bytes) -> bool:
    try:
        return line.endswith(b"\n") and isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _compare(path: Path, line: bytes, now: Any) -> None:
    """Hold a journal's first line against what is asked for now.

    Raises:
        ConfigError: they differ.
        InputError: it is no journal's first line.
    """
    try:
        before, wanted = json.loads(line)["batch"], now["batch"]
        changed = [name for name in wanted if before.get(name) != wanted[name]]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise InputError(
            f"{path}: is not what a batch that was stopped leaves. Move it away, or name another output."
        ) from error
    if changed:
        name = changed[0]
        what = f"{name} was {before.get(name)!r} and is {wanted[name]!r} now" if name != "list" else _LIST
        raise ConfigError(
            f"{path}: holds {'results' if before else 'something'} of another batch: {what}. Run as before to go on "
            "with it, name another output, or delete it to begin anew."
        )


_LIST: Final = "a picture has changed, appeared or gone, or they come in another order"


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Say of a full or read-only disk what to do about it.

    Raises:
        InputError: instead of OSError.
    """
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{path}: can't be written ({error.strerror or error}). What is finished is kept: make room or mend the "
            "disk, and run the same again."
        ) from error
