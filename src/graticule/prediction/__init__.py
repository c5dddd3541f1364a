"""What an answer is: types that every other part speaks in, and the forms they take for programs and people."""

from graticule.prediction.answer import (
    MASS,
    Candidate,
    Fused,
    Neighbour,
    NotSure,
    Prediction,
    Refusal,
    Result,
    Selection,
    credible_radius_km,
)

__all__ = [
    "MASS",
    "Candidate",
    "Fused",
    "Neighbour",
    "NotSure",
    "Prediction",
    "Refusal",
    "Result",
    "Selection",
    "credible_radius_km",
]
