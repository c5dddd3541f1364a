"""Results as plain values, for JSON and GeoJSON."""

from __future__ import annotations

from typing import Any

from graticule.prediction.answer import Candidate, Refusal, Result

__all__ = ["feature", "feature_of", "to_dict"]


def to_dict(result: Result) -> dict[str, Any]:
    """A result as plain JSON values, keys in the documented order.

    An answer that is not sure has its circle in place of a point: nobody shall take the centre for an estimate.
    """
    if isinstance(result, Refusal):
        return {
            "path": result.path,
            "error": {"type": type(result.error).__name__, "message": str(result.error)},
        }
    circle = {
        "latitude": result.latitude,
        "longitude": result.longitude,
        "radius_km": result.radius_km,
    }
    doubt = result.not_sure
    described: dict[str, Any] = {"path": result.path}
    if doubt is None:
        described |= circle
    else:
        described["not_sure"] = {
            "probability": doubt.probability,
            "asked": doubt.asked,
            "within_km": doubt.within_km,
            "circle": circle,
        }
    described["candidates"] = [_candidate(candidate) for candidate in result.candidates]
    described["model"] = result.model
    if result.notice is not None:
        described["notice"] = result.notice
    if result.region_probability is not None:
        described["region_probability"] = result.region_probability
    if result.selection is not None:
        chosen = result.selection
        described["selection"] = {"by": chosen.by, "fallback": chosen.fallback}
        if chosen.tokens:
            described["selection"] |= {"tokens": chosen.tokens, "cost": chosen.cost}
    if result.fused is not None:
        described["fused"] = {"with": result.fused.pictures, "track": result.fused.track}
    return described


def feature(result: Result) -> dict[str, Any]:
    """A result as a GeoJSON Feature: the estimate as a point, the rest as properties.

    A refusal, and an answer that is not sure, have no point.
    """
    return feature_of(to_dict(result))


def feature_of(described: dict[str, Any]) -> dict[str, Any]:
    """`feature`, of what `to_dict` made of a result, with whatever was added to it."""
    properties = dict(described)
    if "latitude" not in properties:
        return {"type": "Feature", "geometry": None, "properties": properties}
    place = {
        "type": "Point",
        "coordinates": _position(properties.pop("latitude"), properties.pop("longitude")),
    }
    return {"type": "Feature", "geometry": place, "properties": properties}


def _candidate(candidate: Candidate) -> dict[str, Any]:
    return {
        "latitude": candidate.latitude,
        "longitude": candidate.longitude,
        "probability": candidate.probability,
        "cell": candidate.cell,
    }


def _position(latitude: float, longitude: float) -> list[float]:
    """GeoJSON's order, longitude first; nowhere else is it made of an answer."""
    return [longitude, latitude]
