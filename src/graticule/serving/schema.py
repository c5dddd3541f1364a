"""The JSON that the service speaks, for its OpenAPI document.

Answers are made as plain values and not through these types, which would take longer than the answers do; the tests
hold what is sent against them.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "Countries",
    "Decision",
    "Error",
    "Located",
    "Models",
    "Review",
    "ReviewBatch",
    "State",
]

Latitude = Annotated[float, Field(ge=-90, le=90)]
Longitude = Annotated[float, Field(ge=-180, le=180)]
Probability = Annotated[float, Field(ge=0, le=1.00001)]
Kilometres = Annotated[float, Field(ge=0)]


class _Said(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ErrorDetail(_Said):
    """What went wrong."""

    type: str
    message: str


class Error(_Said):
    """A request, or a picture, that got no answer."""

    error: ErrorDetail


class Place(_Said):
    """Where a point lies, in names."""

    text: str
    country: str | None
    country_name: str | None
    region: str | None
    town: str | None
    town_km: Kilometres | None
    claimed_by: list[str]


class Candidate(_Said):
    """One place the picture may show: an S2 cell, stood for by its centre."""

    latitude: Latitude
    longitude: Longitude
    probability: Probability
    cell: str
    place: Place | None = None


class Circle(_Said):
    """A circle that holds 90 % of the probability."""

    latitude: Latitude
    longitude: Longitude
    radius_km: Kilometres


class NotSure(_Said):
    """Why the estimate is no answer: it was asked to be sure, and is not."""

    probability: Probability
    asked: Probability
    within_km: Kilometres
    circle: Circle


class Cells(_Said):
    """The probability over the Earth: disjoint S2 cells, densest first."""

    tokens: list[str]
    probabilities: list[Probability]


class Part(_Said):
    """A connected part of a region."""

    words: str
    probability: Probability
    latitude: Latitude
    longitude: Longitude


class CredibleRegion(_Said):
    """The smallest region that holds a share of the probability."""

    mass: Probability
    area_km2: float
    parts: list[Part]
    geometry: dict[str, Any]


class Step(_Said):
    """One cell on the way to the estimate, coarse to fine."""

    level: int
    cell: str
    probability: Probability
    latitude: Latitude
    longitude: Longitude
    place: str


class Neighbour(_Said):
    """A picture of the gallery that looks like the one asked about."""

    latitude: Latitude
    longitude: Longitude
    similarity: float
    km: Kilometres
    place: str
    thumbnail: str | None


class Result(_Said):
    """What is said of one picture: an answer, a circle that is not sure, or an error.

    From `circles_km` on, what `detail=map` adds.
    """

    path: str
    error: ErrorDetail | None = None
    latitude: Latitude | None = None
    longitude: Longitude | None = None
    radius_km: Kilometres | None = None
    not_sure: NotSure | None = None
    notice: str | None = None
    candidates: list[Candidate] = []
    model: str | None = None
    region_probability: Probability | None = None
    selection: dict[str, Any] | None = None
    place: Place | None = None
    words: str | None = None
    circles_km: dict[str, Kilometres] | None = None
    cells: Cells | None = None
    cells_left: Probability | None = None
    regions: list[CredibleRegion] | None = None
    coarse_to_fine: list[Step] | None = None
    neighbours: list[Neighbour] | None = None


class Located(_Said):
    """What `/v1/locate` answers: one result a picture, in order."""

    model: str
    purpose: str
    results: list[Result]


class Model(_Said):
    """A model, here or to be had."""

    name: str
    domain: str
    purpose: str | None
    licence: str
    disk_bytes: int
    installed: bool
    served: bool


class Models(_Said):
    """The models there are; those served answer."""

    models: list[Model]


class Country(_Said):
    """A country that `within` takes by its name."""

    code: str | None
    name: str


class Countries(_Said):
    """The countries that `within` takes."""

    countries: list[Country]


class State(_Said):
    """Of the server."""

    status: str


class _Decided(_Said):
    note: str = Field(default="", max_length=10_000)


class Judged(_Decided):
    """An estimate that was looked at, and left where it is or thrown out."""

    status: Literal["confirmed", "rejected"]


class Moved(_Decided):
    """An estimate that was moved to where the picture was taken."""

    status: Literal["moved"]
    latitude: Latitude
    longitude: Longitude


Review = Annotated[Judged | Moved, Field(discriminator="status")]
"""What a person decided about an estimate."""


class ReviewedResult(Result):
    """A result of a batch, and what was decided about it."""

    model_config = ConfigDict(extra="allow")

    index: int
    review: Review | None


class ReviewBatch(_Said):
    """A batch that is being reviewed."""

    name: str
    results: list[ReviewedResult]


class Decision(_Said):
    """What stands about one result now."""

    index: int
    review: Review | None
