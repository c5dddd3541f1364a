"""Results as they come back: the JSON lines of `graticule locate`, maybe reviewed by a person."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationError, model_validator

from graticule.errors import InputError

__all__ = ["Answer", "FileState", "Problem", "Results", "Review", "read_results"]


def _name(value: Any) -> str:
    """Not pydantic's own check of text: the name of a file need not be valid UTF-8."""
    if not isinstance(value, str) or not value:
        raise ValueError("must be a name")
    return value


Latitude = Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]
Longitude = Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]
Name = Annotated[str, PlainValidator(_name)]
Length = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Part(BaseModel):
    """Other keys are passed over: results tell more than is needed here."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


class Review(_Part):
    """What a person said of an answer."""

    status: Literal["confirmed", "moved", "rejected"]
    latitude: Latitude | None = None
    """The person's place, in degrees; of an answer that was moved."""
    longitude: Longitude | None = None
    note: str = ""

    @model_validator(mode="after")
    def _moved_somewhere(self) -> Review:
        if self.status == "moved" and (self.latitude is None or self.longitude is None):
            raise ValueError("moved, but not where: latitude and longitude are missing")
        return self


class FileState(_Part):
    """A picture's file as it was when it was looked at."""

    bytes: int
    modified: float
    """Seconds since 1970."""


class Answer(_Part):
    """One line: what a model said of one picture."""

    path: Name
    latitude: Latitude | None = None
    """Of the estimate, in degrees; None if there is none."""
    longitude: Longitude | None = None
    radius_km: Length | None = None
    """Of the circle that holds 90 % of the probability."""
    circles_km: dict[str, Length] = {}
    """Radii of circles that hold other shares, by per cent, where the results tell them."""
    model: str = ""
    model_digest: str | None = None
    not_sure: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    """Why there is no answer."""
    file: FileState | None = None
    review: Review | None = None

    @model_validator(mode="after")
    def _whole(self) -> Answer:
        if (self.latitude is None) != (self.longitude is None):
            raise ValueError("latitude and longitude go together, and one is missing")
        if self.latitude is not None and self.radius_km is None:
            raise ValueError("radius_km is missing: an estimate comes with its circle")
        return self


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
    """Read a results file. A malformed line is a problem of its own; blank ones are passed over.

    Raises:
        InputError: it can't be read, or no line of it is a result.
    """
    try:
        lines = path.read_bytes().split(b"\n")
        modified = path.stat().st_mtime
    except OSError as error:
        raise InputError(f"{path}: can't be read ({error.strerror}). Check the path.") from error
    answers: list[tuple[int, Answer]] = []
    problems: list[Problem] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            answers.append((number, _answer(line)))
        except ValueError as error:
            problems.append(Problem(number, str(error)))
    if problems and not answers:
        raise InputError(
            f"{path}: no line of it is a result (line {problems[0].line}: {problems[0].what}). Give what "
            "`graticule locate --format jsonl` wrote."
        )
    return Results(path, tuple(answers), tuple(problems), modified)


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
