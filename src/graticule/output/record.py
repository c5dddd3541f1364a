"""Results as records: the plain values that every format writes, and what of them is said in words."""

from __future__ import annotations

from typing import Any, TypeAlias

from graticule.earth.notation import format_km, format_place

__all__ = ["Record", "estimate_words", "place_words", "reason", "selection_words"]

Record: TypeAlias = dict[str, Any]
"""What `to_dict` makes of a result; a batch adds to it the `place`, the `file` and more."""


def estimate_words(record: Record) -> str:
    """The answer in words: where, or around where if it is not sure, and the circle that holds 90 %."""
    if doubt := record.get("not_sure"):
        circle = doubt["circle"]
        return (
            f"{100 * doubt['probability']:.0f} % within {format_km(doubt['within_km'])}, "
            f"90 % within {format_km(circle['radius_km'])} of {_place(circle)}"
        )
    return f"{_place(record)}, 90 % within {format_km(record['radius_km'])}"


def place_words(record: Record) -> str:
    """The estimate's place by name; empty where it has none."""
    return str((record.get("place") or {}).get("text", ""))


def selection_words(record: Record) -> str:
    """Who chose the estimate; empty if no selector was asked for."""
    chosen = record.get("selection")
    if chosen is None:
        return ""
    return str(
        chosen["by"] if chosen["fallback"] is None else f"{chosen['by']}, fell back: {chosen['fallback']}"
    )


def reason(record: Record) -> str:
    """Why a picture was refused, without its name: the same words for every picture with the same fault."""
    return str(record["error"]["message"]).removeprefix(f"{record['path']}: ")


def _place(circle: Record) -> str:
    return format_place(circle["latitude"], circle["longitude"])
