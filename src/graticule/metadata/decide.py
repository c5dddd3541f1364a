"""What of a result is worth writing: a place with its uncertainty, or the reason why none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from graticule.earth.notation import format_km
from graticule.errors import ConfigError
from graticule.metadata.answer import Answer, Review
from graticule.prediction import MASS

__all__ = ["Placement", "Rules", "decide"]


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a picture is to be placed, and who says so."""

    latitude: float
    longitude: float
    radius_km: float | None
    """Of the circle that holds `MASS` of the probability; None of a person's place."""
    model: str
    model_digest: str | None = None
    review: Literal["confirmed", "moved"] | None = None
    """None if no person has looked at it."""
    note: str = ""
    """The reviewer's."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How sure an answer that nobody reviewed must be."""

    min_confidence: float | None = None
    """The probability that the truth is within `within_km` must be this much."""
    within_km: float | None = None
    max_radius_km: float | None = None
    """The circle that holds `MASS` must be no wider."""
    reviewed_only: bool = False

    def __post_init__(self) -> None:
        if (self.min_confidence is None) != (self.within_km is None):
            raise ConfigError("a confidence is about a distance: give both, or neither")


def decide(answer: Answer, rules: Rules) -> Placement | str:
    """What is to be written of an answer.

    A person's word goes before the model's: what was moved is written where the person put it, and what was confirmed
    however wide its circle is.

    Returns:
        The placement, or why there is none to write.
    """
    decision = _decide(answer, rules)
    if isinstance(decision, Placement) and decision.latitude == decision.longitude == 0:
        return "at (0, 0), which programs take for no position"
    return decision


def _decide(answer: Answer, rules: Rules) -> Placement | str:
    review = answer.review
    if review is not None and review.status == "rejected":
        return "rejected in the review"
    if review is not None and review.status == "moved":
        return _moved(answer, review)
    if answer.error is not None:
        return "refused by `graticule locate`"
    if answer.not_sure is not None:
        return "not sure where"
    if answer.notice is not None and review is None:
        return "nothing is known: the picture is unlike those the model knows"
    if answer.latitude is None or answer.longitude is None or answer.radius_km is None:
        return "no estimate in the results"
    if review is None and (doubt := _doubt(answer, answer.radius_km, rules)):
        return doubt
    return Placement(
        answer.latitude,
        answer.longitude,
        answer.radius_km,
        answer.model,
        answer.model_digest,
        review="confirmed" if review else None,
        note=review.note if review else "",
    )


def _moved(answer: Answer, review: Review) -> Placement:
    assert review.latitude is not None  # Review sees to both
    assert review.longitude is not None
    return Placement(
        review.latitude,
        review.longitude,
        None,
        answer.model,
        answer.model_digest,
        review="moved",
        note=review.note,
    )


def _doubt(answer: Answer, radius_km: float, rules: Rules) -> str | None:
    """Why an answer that nobody reviewed falls short of the rules."""
    if rules.reviewed_only:
        return "not reviewed"
    if rules.max_radius_km is not None and radius_km > rules.max_radius_km:
        return f"its circle of {100 * MASS:.0f} % is wider than {format_km(rules.max_radius_km)}"
    if rules.min_confidence is not None and rules.within_km is not None:
        known = _probability_within(answer, radius_km, rules.within_km)
        if known < rules.min_confidence:
            return f"less than {100 * rules.min_confidence:.0f} % within {format_km(rules.within_km)}"
    return None


def _probability_within(answer: Answer, radius_km: float, km: float) -> float:
    """What the results let one say for certain: the largest share whose circle is no wider than that."""
    circles = {MASS: radius_km} | {
        int(per_cent) / 100: radius for per_cent, radius in answer.circles_km.items() if per_cent.isdecimal()
    }
    return max((share for share, radius in circles.items() if radius <= km), default=0.0)
