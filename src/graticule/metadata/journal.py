"""What was there before: a line on disk for every change, written before the change is made.

    {"run": {...}}             what changed files, and when
    {"temporary": PATH}        a file that a killed run may have left
    {"change": {...}}          a `Change`

A run that is killed has changed nothing that has no line. A change whose line is there may not have been made: the
digests tell.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from graticule.errors import InputError
from graticule.lock import locked
from graticule.metadata.files import TEMPORARY, sync_folder, temporary

__all__ = ["Change", "Journal", "JournalError", "journal_path"]

FORMAT: Final = 1
_BEGINNING: Final = b'{"run": '
"""Of every journal. What begins otherwise is somebody's file, and is neither mended nor deleted."""


class JournalError(InputError):
    """The journal can't be kept, so nothing may be changed."""


@dataclass(frozen=True, slots=True)
class Change:
    """One file, before and after."""

    target: str
    """The absolute path."""
    before: str | None
    """Its SHA-256; None if there was no such file."""
    after: str
    inserted: tuple[int, int] | None = None
    """Where the text begins that was put into it, and how long it is, in bytes: without it, it is as before."""
    backup: str | None = None
    """The absolute path of the file as it was before."""


def journal_path(results: Path) -> Path:
    """Where the journal of a results file lies: beside it."""
    return results.with_name(f"{results.stem}.write-journal.jsonl")


class Journal:
    """The changes that were made, or about to be."""

    def __init__(self, path: Path, stream: io.FileIO) -> None:
        """Read what stands in an open file, and cut off a line that a crash left torn.

        Raises:
            InputError: it is no journal, or of another version.
        """
        self.path, self._stream = path, stream
        self.changes: list[Change] = []
        """In the order of time."""
        self.temporaries: list[Path] = []
        content = stream.read()
        if not _BEGINNING.startswith(content[: len(_BEGINNING)]):  # a crash may have left less of it
            raise InputError(f"{path}: is no journal of `graticule write`, and is not touched.")
        whole = content.rfind(b"\n") + 1
        for number, line in enumerate(content[:whole].splitlines(), start=1):
            self._remember(number, line)
        if whole < len(content):
            stream.truncate(whole)  # nothing was changed on account of it
        stream.seek(whole)

    @classmethod
    @contextmanager
    def open(cls, path: Path, *, create: bool) -> Iterator[Journal]:
        """Hold a journal, so that no second run changes files by it at the same time.

        Raises:
            InputError: another run holds it; it can't be written; there is none, and none is to be made.
        """
        lock = f".{path.name}.lock"
        if not (create or (path.is_file() and path.stat().st_size > 0)):
            with suppress(InputError), locked(path.parent, lock):
                pass  # its file goes, if an undo was killed when all else was gone
            raise InputError(
                f"{path}: no such journal, or an empty one. `graticule write` says where it keeps it."
            )
        with locked(path.parent, lock, of=path):
            try:
                path.touch()
                stream = path.open("r+b", buffering=0)  # closing it has nothing left to write, and to fail at
            except OSError as error:
                raise InputError(
                    f"{path}: can't be written ({error.strerror}). The journal lies beside the results, and nothing "
                    "is changed without it: copy the results to where you may write."
                ) from error
            with stream:
                yield cls(path, stream)

    def start(self, **what: Any) -> None:
        """Note that a run begins, and what it is."""
        self._append({"run": {"format": FORMAT, **what}})
        sync_folder(self.path.parent)

    def temporary(self, path: Path) -> None:
        """Note a file that is about to be written beside its place."""
        self._append({"temporary": str(path)})
        self.temporaries.append(path)

    def change(self, change: Change) -> None:
        """Note a change that is about to be made."""
        self._append({"change": asdict(change)})
        self.changes.append(change)

    def made_backup(self, backup: Path, digest: str) -> bool:
        """Whether a run of this journal made that backup, of a file with that digest."""
        return any(change.backup == str(backup) and change.before == digest for change in self.changes)

    def sweep(self) -> None:
        """Delete what killed runs left half written."""
        written = {name for change in self.changes for name in (change.target, change.backup) if name}
        for path in {*self.temporaries, *(temporary(Path(name)) for name in written)}:
            if TEMPORARY.fullmatch(path.name):  # a journal is a file like any other, and may be damaged
                path.unlink(missing_ok=True)

    def remove(self) -> None:
        """Delete it: nothing is left to be undone."""
        self.path.unlink()

    def _append(self, entry: dict[str, Any]) -> None:
        # ASCII, so that names which are no valid text come back as they were.
        try:
            line = json.dumps(entry).encode("ascii") + b"\n"
            while line:  # a disk that is nearly full takes a part
                line = line[self._stream.write(line) :]
            os.fsync(self._stream.fileno())
        except OSError as error:
            raise JournalError(
                f"{self.path}: can't be written ({error.strerror}). What is done is done; nothing more was changed."
            ) from error

    def _remember(self, number: int, line: bytes) -> None:
        try:
            [(kind, content)] = json.loads(line).items()
            if kind == "change":
                self.changes.append(_change(content))
            elif kind == "temporary":
                self.temporaries.append(Path(content))
            elif kind != "run" or content["format"] != FORMAT:
                raise ValueError
        except (ValueError, TypeError, AttributeError, LookupError, OverflowError, RecursionError) as error:
            raise InputError(
                f"{self.path}, line {number}: is no line of a journal that this version of Graticule wrote."
            ) from error


def _change(content: dict[str, Any]) -> Change:
    """A change as the journal has it.

    Raises:
        TypeError: it is something else.
    """
    inserted = content.pop("inserted", None)
    if not all(isinstance(value, str | None) for value in content.values()):
        raise TypeError
    return Change(**content, inserted=None if inserted is None else (int(inserted[0]), int(inserted[1])))
