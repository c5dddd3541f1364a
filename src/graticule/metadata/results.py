"""Results as they come back: the JSON lines of `graticule locate`, maybe reviewed by a person."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from graticule.errors import InputError
from graticule.metadata.answer import Answer, Review
from graticule.metadata.decisions import decisions_path, read_decisions

__all__ = ["Problem", "Results", "read_results"]


@dataclass(frozen=True, slots=True)
class Problem:
    """A line that can't be used."""

    line: int
    """Counted from 1."""
    what: str


@dataclass(frozen=True, slots=True)
class Results:
    """A results file."""

    path: Path
    answers: tuple[tuple[int, Answer], ...]
    """With the numbers of their lines."""
    problems: tuple[Problem, ...]
    modified: float
    """When the file was written, in seconds since 1970."""


def read_results(path: Path) -> Results:
    """Read a results file, and what was decided about it in `graticule review`.

    A malformed line is a problem of its own; blank ones are passed over.

    Raises:
        InputError: it can't be read, or no line of it is a result; or the decisions can't, or are about other results.
    """
    try:
        lines = path.read_bytes().split(b"\n")
        modified = path.stat().st_mtime
    except OSError as error:
        raise InputError(f"{path}: can't be read ({error.strerror}). Check the path.") from error
    answers: list[tuple[int, Answer]] = []
    problems: list[Problem] = []
    decisions = read_decisions(path)
    told = ((number, line) for number, line in enumerate(lines, start=1) if line.strip())
    for index, (number, line) in enumerate(told):
        decision = decisions.pop(index, None)
        try:
            answer = _answer(line)
        except ValueError as error:
            problems.append(Problem(number, str(error)))
            continue
        answers.append((number, answer if decision is None else _reviewed(answer, *decision, path)))
    if problems and not answers:
        raise InputError(
            f"{path}: no line of it is a result (line {problems[0].line}: {problems[0].what}). Give what "
            "`graticule locate --format jsonl` wrote."
        )
    if decisions:
        raise _of_other_results(path)
    return Results(path, tuple(answers), tuple(problems), modified)


def _reviewed(answer: Answer, about: str, review: Review | None, results: Path) -> Answer:
    """An answer with what was decided about it.

    Raises:
        InputError: the decision is about another picture.
    """
    if about != answer.path:
        raise _of_other_results(results)
    return answer.model_copy(update={"review": review})


def _of_other_results(results: Path) -> InputError:
    return InputError(
        f"{decisions_path(results)}: decides about other results than those in {results.name}. They belong together: "
        "move the decisions away, or bring back the results they are about."
    )


def _answer(line: bytes) -> Answer:
    try:
        content = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError("is no JSON") from error
    if not isinstance(content, dict):
        raise ValueError("is no JSON object")
    try:
        return Answer.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        what = first["msg"].removeprefix("Value error, ")
        raise ValueError(f"{where}: {what}" if where else what) from error
