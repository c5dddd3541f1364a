"""One answer of a results file, as `graticule locate` wrote it and a person may have reviewed it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, model_validator

__all__ = ["Answer", "FileState", "Review"]


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
    notice: str | None = None
    """Why nothing is known."""
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
