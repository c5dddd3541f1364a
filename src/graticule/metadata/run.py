"""All pictures of a results file, one after another: what would be written, or is; what is left alone, and why."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

from graticule.errors import GraticuleError, InputError, PictureError
from graticule.metadata.answer import Answer
from graticule.metadata.decide import Placement, Rules, decide
from graticule.metadata.embed import Embedding, plan_embedding
from graticule.metadata.exiftool import find_exiftool
from graticule.metadata.existing import read_existing
from graticule.metadata.journal import Journal, JournalError, journal_path
from graticule.metadata.note import properties
from graticule.metadata.results import Results
from graticule.metadata.sidecar import Naming, Sidecar, plan_sidecar, position_beside

__all__ = ["Manner", "Outcome", "write"]

_SAME_TIME_S: Final = 2.0
"""File systems keep times to 2 s and better."""


@dataclass(frozen=True, slots=True)
class Manner:
    """Where positions are written."""

    folder: Path | None = None
    """Where relative paths of the results start, and what no path may lead out of. None for the current folder, and
    any path."""
    in_place: bool = False
    """Into the pictures, rather than into sidecars."""
    sidecars: Naming = "full"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What becomes of one line of the results."""

    line: int
    path: str
    """As the results have it."""
    action: Literal["write", "leave", "refuse"]
    why: str = ""
    """Why it is not written."""
    placement: Placement | None = None
    target: Path | None = None
    """The file that is written."""


class _LeaveError(Exception):
    """A picture that is to be left alone, and why; no fault of anyone's."""


def write(
    results: Results,
    rules: Rules,
    manner: Manner,
    *,
    dry_run: bool,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Outcome]:
    """Write the positions of a results file, or say what would be written.

    Args:
        results: As `read_results` gives them.
        rules: How sure an answer must be.
        manner: Where it is written.
        dry_run: Change nothing.
        progress: Called with how many are done, and how many there are.

    Yields:
        An outcome a line, in order.

    Raises:
        ConfigError: exiftool is needed, and is not there.
        InputError: the journal can't be written; nothing is changed without it.
    """
    exiftool = find_exiftool() if manner.in_place else None
    decided = [(line, answer, decide(answer, rules)) for line, answer in results.answers]
    repeats = _repeats(decided, manner)
    with ExitStack() as stack:
        journal = None
        if not dry_run:
            journal = stack.enter_context(Journal.open(journal_path(results.path), create=True))
            journal.sweep()
            journal.start(results=str(results.path.absolute()), started=_now().isoformat(timespec="seconds"))
        for done, (line, answer, decision) in enumerate(decided, start=1):
            outcome = _one(line, answer, repeats.get(line, decision), results, manner, exiftool, journal)
            if progress is not None:
                progress(done, len(decided))
            yield outcome
        if journal is not None and not journal.changes:
            journal.remove()


def _one(
    line: int,
    answer: Answer,
    decision: Placement | str | InputError,
    results: Results,
    manner: Manner,
    exiftool: str | None,
    journal: Journal | None,
) -> Outcome:
    """What becomes of one line; whatever is wrong with its picture is the outcome."""
    picture = _picture(answer, manner)
    try:
        if isinstance(decision, InputError):
            raise decision
        if isinstance(decision, str):
            raise _LeaveError(decision)
        planned = _plan(picture, answer, decision, results, manner, exiftool)
        if journal is not None:
            planned.write(journal)
    except _LeaveError as error:
        return Outcome(line, answer.path, "leave", str(error))
    except JournalError:
        raise
    except (GraticuleError, OSError, ValueError) as error:
        return Outcome(line, answer.path, "refuse", _words(error, picture))
    return Outcome(line, answer.path, "write", "", decision, planned.target)


def _plan(
    picture: Path,
    answer: Answer,
    placement: Placement,
    results: Results,
    manner: Manner,
    exiftool: str | None,
) -> Sidecar | Embedding:
    """The change to be made.

    Raises:
        _LeaveError: the picture has a position.
        GraticuleError, OSError, ValueError: it can't be made.
    """
    if manner.folder is not None and not picture.parent.resolve().is_relative_to(manner.folder.resolve()):
        raise InputError(f"{picture}: lies outside {manner.folder}; it is not touched.")
    if not picture.exists():
        raise PictureError(f"{picture}: no such file. --folder says where the paths of the results start.")
    existing = read_existing(picture)
    if position := existing.position or position_beside(picture):
        raise _LeaveError(position)
    _refuse_changed(picture, answer, results)
    values = properties(placement, _now())
    if exiftool is not None:
        return plan_embedding(picture, existing, placement, values, exiftool)
    return plan_sidecar(picture, values, manner.sidecars)


def _picture(answer: Answer, manner: Manner) -> Path:
    return Path(manner.folder or "", answer.path).absolute()


def _refuse_changed(picture: Path, answer: Answer, results: Results) -> None:
    """Refuse a picture that is not the one that was located."""
    status, then = picture.stat(), answer.file
    if then is None:
        changed = status.st_mtime > results.modified + _SAME_TIME_S
    else:
        changed = status.st_size != then.bytes or abs(status.st_mtime - then.modified) > _SAME_TIME_S
    if changed:
        raise PictureError(f"{picture}: changed since it was located. Locate it again.")


def _repeats(
    decided: list[tuple[int, Answer, Placement | str]], manner: Manner
) -> dict[int, str | InputError]:
    """What to do instead with the lines of pictures that are listed more than once."""
    lines: dict[str, list[tuple[int, Placement | str]]] = {}
    for line, answer, decision in decided:
        lines.setdefault(_identity(_picture(answer, manner)), []).append((line, decision))
    found: dict[int, str | InputError] = {}
    for mentions in lines.values():
        first, decision = mentions[0]
        if any(other != decision for _, other in mentions):
            listed = ", ".join(str(line) for line, _ in mentions)
            error = InputError(f"the results say different things of it, in lines {listed}")
            found |= {line: error for line, _ in mentions}
        else:
            found |= {line: f"listed before, in line {first}" for line, _ in mentions[1:]}
    return found


def _identity(picture: Path) -> str:
    try:
        return os.path.realpath(picture)
    except ValueError:  # a null byte in it
        return str(picture)


def _words(error: Exception, picture: Path) -> str:
    """What is wrong, without the name, which stands beside it."""
    if isinstance(error, OSError) and not isinstance(error, GraticuleError):
        return f"can't be read or written ({error.strerror or error}); nothing was changed"
    return str(error).removeprefix(f"{picture}: ")


def _now() -> datetime:
    return datetime.now(UTC)
