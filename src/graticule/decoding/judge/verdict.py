"""What a judge is given to choose from, and what comes back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from graticule.errors import CoordinateError

__all__ = ["JudgeCandidate", "Tally", "Verdict", "tally"]


@dataclass(frozen=True, slots=True)
class JudgeCandidate:
    """A place a picture may show.

    Raises:
        CoordinateError: If there is no such place or probability; NaN is neither.
    """

    latitude: float
    """Degrees, -90 to 90."""
    longitude: float
    """Degrees, -180 to 180."""
    probability: float | None = None
    """As the model sees it, 0 to 1; None if it is not known, and then the judge is not told."""

    def __post_init__(self) -> None:
        if not -90 <= self.latitude <= 90:
            raise CoordinateError(f"candidate's latitude {self.latitude}: must be between -90 and 90 degrees")
        if not -180 <= self.longitude <= 180:
            raise CoordinateError(
                f"candidate's longitude {self.longitude}: must be between -180 and 180 degrees"
            )
        # A hair above 1 is what summing float32 probabilities gives.
        if self.probability is not None and not 0 <= self.probability <= 1 + 1e-5:
            raise CoordinateError(f"candidate's probability {self.probability}: must be between 0 and 1")


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer for one picture: the judge's, or the model's own where the judge gave none."""

    latitude: float
    """Degrees, -90 to 90."""
    longitude: float
    """Degrees, -180 to 180."""
    chosen: int | None
    """Index among the candidates; None where the judge named a place of its own."""
    how: Literal["judge", "fallback"]
    """Whether the judge answered, or candidate 0 stands in for it."""
    why: str
    """Why there was a fallback, in words; empty where the judge answered."""
    attempts: int
    """Requests sent for this picture."""
    prompt_tokens: int
    """Over all attempts, as the server counted; 0 if it did not say."""
    completion_tokens: int
    cost: float | None
    """In the currency of the prices; None without prices."""


@dataclass(frozen=True)
class Tally:
    """A batch of verdicts, summed."""

    judged: int
    fallen_back: int
    attempts: int
    prompt_tokens: int
    completion_tokens: int
    cost: float | None
    """None if no verdict has one."""
    reasons: Counter[str]
    """How often each reason for a fallback was given."""


def tally(verdicts: Iterable[Verdict]) -> Tally:
    """Add up what a batch of verdicts took."""
    verdicts = list(verdicts)
    costs = [verdict.cost for verdict in verdicts if verdict.cost is not None]
    reasons = Counter(verdict.why for verdict in verdicts if verdict.how == "fallback")
    return Tally(
        judged=len(verdicts) - reasons.total(),
        fallen_back=reasons.total(),
        attempts=sum(verdict.attempts for verdict in verdicts),
        prompt_tokens=sum(verdict.prompt_tokens for verdict in verdicts),
        completion_tokens=sum(verdict.completion_tokens for verdict in verdicts),
        cost=sum(costs) if costs else None,
        reasons=reasons,
    )
