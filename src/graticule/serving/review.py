"""A batch under review: the results of `graticule locate`, and what a person decided about them.

Decisions are lines appended to `NAME.review.jsonl` beside the results, each on disk before it is acknowledged. The
last line about a result counts, so a killed server loses nothing, and the results themselves are never written to.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from graticule.errors import InputError, TableError
from graticule.lock import locked
from graticule.metadata.decisions import decisions_path
from graticule.output import atomic_text

__all__ = ["Batch", "estimate"]


class Batch:
    """The results of one file, by their place in it, and the decisions about them."""

    def __init__(self, results: Path, *, folder: Path | None = None) -> None:
        """Read a batch, and what was decided before.

        Args:
            results: JSON lines, as `graticule locate --format jsonl` writes them.
            folder: where pictures lie whose paths are relative; the working directory if not given.

        Raises:
            InputError: a file can't be read.
            TableError: a line is not a result, or decisions are about other results.
        """
        self.name = results.name
        self.results = [_result(line, place) for line, place in _lines(_read(results), results)]
        self._folder = folder or Path()
        self._journal = decisions_path(results)
        self._decided: dict[int, dict[str, Any] | None] = {
            index: result.pop("review", None) for index, result in enumerate(self.results)
        }
        self._paths: dict[int, str] = {index: result["path"] for index, result in enumerate(self.results)}
        self._read_decisions()

    @classmethod
    @contextmanager
    def open(cls, results: Path, *, folder: Path | None = None) -> Iterator[Batch]:
        """A batch that decisions can be made about while the block runs, by this process alone.

        Raises:
            InputError: a file can't be read or written, or another process has the batch open.
            TableError: as for `Batch`.
        """
        with locked(results.parent, f".{results.stem}.review.lock", of=results):
            yield cls(results, folder=folder)

    def __len__(self) -> int:
        return len(self.results)

    @property
    def decided(self) -> int:
        """How many results were decided about."""
        return sum(review is not None for review in self._decided.values())

    def review(self, index: int) -> dict[str, Any] | None:
        """What was decided about a result; None if nothing was."""
        return self._decided[index]

    def decide(self, index: int, review: dict[str, Any] | None) -> None:
        """Keep a decision; None takes back what was decided before.

        Raises:
            InputError: It can't be written; what was decided before stands.
        """
        line = json.dumps({"index": index, "path": self._paths[index], "review": review}) + "\n"
        try:
            with self._journal.open("ab") as file:
                size = file.tell()
                try:
                    file.write(line.encode())
                    file.flush()
                    os.fsync(file.fileno())
                except OSError:
                    os.ftruncate(file.fileno(), size)
                    raise
        except OSError as error:
            raise InputError(f"{self._journal}: not written ({error.strerror}).") from error
        self._decided[index] = review

    def picture(self, index: int) -> Path:
        """Where the picture of a result lies."""
        return self._folder / self._paths[index]

    def merged(self) -> Iterator[dict[str, Any]]:
        """The results with what was decided about them: what `graticule write` obeys."""
        for index, result in enumerate(self.results):
            review = self._decided[index]
            yield result if review is None else {**result, "review": review}

    def export(self, path: Path) -> None:
        """Write `merged` as JSON lines, whole or not at all.

        Raises:
            InputError: it can't be written.
        """
        with atomic_text(path) as stream:
            for result in self.merged():
                stream.write(json.dumps(result, ensure_ascii=False) + "\n")

    def _read_decisions(self) -> None:
        """Take up the decisions of before; a line that was cut off, when a server was killed, is cut away."""
        if not self._journal.exists():
            return
        data = _read(self._journal)
        whole = data[: data.rfind(b"\n") + 1]
        for line, place in _lines(whole, self._journal):
            index, path = line.get("index"), line.get("path")
            if not isinstance(index, int) or self._paths.get(index) != path:
                raise TableError(
                    f"{place}: decides about {path!r}, which is not what {self.name} holds there. Decisions and "
                    "results belong together: move the decisions away, or bring back the results they are about."
                )
            self._decided[index] = line.get("review")
        if len(whole) < len(data):
            os.truncate(self._journal, len(whole))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: can't be read ({error.strerror}). Check the path.") from error


def _lines(data: bytes, path: Path) -> Iterator[tuple[dict[str, Any], str]]:
    """The objects of JSON lines, and where each stands."""
    for number, line in enumerate(data.splitlines(), start=1):
        if not line.strip():
            continue
        place = f"{path}, line {number}"
        try:
            value = json.loads(line)
            json.dumps(value, allow_nan=False)  # what the page is told must be JSON: NaN and 1e999 are none
        except (ValueError, RecursionError) as error:
            raise TableError(f"{place}: is not JSON ({error}).") from error
        if not isinstance(value, dict):
            raise TableError(f"{place}: is no JSON object.")
        yield value, place


def _result(value: dict[str, Any], place: str) -> dict[str, Any]:
    """A line that is a result: of a picture, with an error, a circle, or an estimate."""
    if not isinstance(value.get("path"), str):
        raise TableError(
            f"{place}: has no path; `graticule locate --format jsonl` writes what can be reviewed."
        )
    if "error" in value:
        return value
    candidates = value.setdefault("candidates", [])
    if not isinstance(candidates, list):
        raise TableError(f"{place}: candidates must be a list.")
    for point in (estimate(value), *candidates):
        _check_point(point, place)
    return value


def estimate(result: dict[str, Any]) -> Any:
    """Where a result says that its picture was taken: itself, or the circle that it is not sure of."""
    doubt = result.get("not_sure")
    if doubt is None:
        return result
    return doubt.get("circle") if isinstance(doubt, dict) else None


def _check_point(point: Any, place: str) -> None:
    if not isinstance(point, dict):
        raise TableError(f"{place}: {point!r:.40} must be an object with a latitude and a longitude.")
    for name, most in (("latitude", 90), ("longitude", 180)):
        number = point.get(name)
        if not isinstance(number, int | float) or isinstance(number, bool) or not abs(number) <= most:
            raise TableError(f"{place}: {name} {number!r:.40} must be a number from {-most} to {most}.")
