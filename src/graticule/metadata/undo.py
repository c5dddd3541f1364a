"""Back to what was: every change of a journal undone, the last first, unless someone changed the file since.

What a file is now is told by its digest, so it does not matter how far a run, or an undo, had come when it was killed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from graticule.errors import InputError
from graticule.metadata.files import digest, put_in_place, sync_folder, temporary, write_beside
from graticule.metadata.journal import Change, Journal

__all__ = ["Undone", "undo"]


@dataclass(frozen=True, slots=True)
class Undone:
    """What became of one changed file."""

    path: str
    action: Literal["undone", "refuse"]
    why: str = ""


def undo(path: Path) -> Iterator[Undone]:
    """Undo the changes of a journal; once nothing is left to be undone, the journal is deleted.

    Args:
        path: The journal, as `journal_path` names it.

    Yields:
        What became of each file, except those that were as before already.

    Raises:
        InputError: there is no journal, or another run holds it.
    """
    with Journal.open(path, create=False) as journal:
        journal.sweep()
        refused: set[str] = set()
        for change in reversed(journal.changes):
            if change.target in refused:
                continue
            try:
                if _undo(change):
                    yield Undone(change.target, "undone")
            except (InputError, OSError) as error:
                refused.add(change.target)
                why = error.strerror if isinstance(error, OSError) else str(error)
                yield Undone(change.target, "refuse", (why or "").removeprefix(f"{change.target}: "))
        if not refused:
            journal.remove()


def _undo(change: Change) -> bool:
    """Undo one change.

    Returns:
        Whether there was anything to undo.

    Raises:
        InputError: the file is neither as it was before nor as it was left, or its backup or its folder is gone.
        OSError: it can't be written.
    """
    target = Path(change.target)
    now = digest(target)
    backup = None if change.backup is None else Path(change.backup)
    if now is None and not target.parent.is_dir():
        raise InputError(
            f"{target}: its folder is not there. Bring it back (mount the disk), and undo again."
        )
    if now == change.before:
        if backup is not None and digest(backup) == change.before:
            backup.unlink()  # made by a run that was killed before it changed the picture
        return False
    if now != change.after:
        what = "was deleted" if now is None else "was changed"
        raise InputError(f"{target}: {what} since by someone else; it is not touched.")
    if backup is not None:
        _from_backup(change, backup, target)
    elif change.inserted is not None:
        _cut_out(change, change.inserted, target)
    else:
        target.unlink()
        sync_folder(target.parent)
    return True


def _from_backup(change: Change, backup: Path, target: Path) -> None:
    if digest(backup) != change.before:
        raise InputError(f"{target}: its backup {backup.name} is missing or changed; it is not touched.")
    put_in_place(backup, target)


def _cut_out(change: Change, inserted: tuple[int, int], target: Path) -> None:
    at, length = inserted
    data = target.read_bytes()
    before = data[:at] + data[at + length :]
    if hashlib.sha256(before).hexdigest() != change.before:
        raise InputError(f"{target}: the journal does not fit it; it is not touched.")
    try:
        put_in_place(write_beside(target, before, target), target)
    finally:
        temporary(target).unlink(missing_ok=True)
