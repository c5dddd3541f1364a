"""What is written of a placement: XMP properties, EXIF tags, and a sentence that says it is an estimate."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from graticule.earth.notation import format_km
from graticule.metadata.decide import Placement
from graticule.prediction import MASS

__all__ = ["GRATICULE", "NAMESPACES", "exif_tags", "properties", "sentence", "software"]

GRATICULE: Final = "urn:graticule:1.0/"
"""The namespace of what only Graticule knows; a name, and nothing to be fetched."""
NAMESPACES: Final[Mapping[str, str]] = {
    "exif": "http://ns.adobe.com/exif/1.0/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "graticule": GRATICULE,
}


def properties(placement: Placement, written_at: datetime) -> dict[str, str]:
    """The XMP properties of a placement, by prefixed name.

    Positions are in the form of the XMP specification, part 2: degrees, and minutes with a fraction (`43,6.000000N`).

    Args:
        placement: Where the picture is placed.
        written_at: With its time zone.
    """
    values = {
        "exif:GPSLatitude": _degrees_minutes(placement.latitude, "NS"),
        "exif:GPSLongitude": _degrees_minutes(placement.longitude, "EW"),
        "exif:GPSProcessingMethod": _method(placement),
        "photoshop:Instructions": sentence(placement),
        "graticule:software": software(),
        "graticule:model": placement.model,
        "graticule:latitude": f"{placement.latitude:.6f}",
        "graticule:longitude": f"{placement.longitude:.6f}",
        "graticule:review": placement.review or "none",
        "graticule:written": written_at.isoformat(timespec="seconds"),
    }
    if placement.radius_km is not None:
        values["exif:GPSHPositioningError"] = f"{_metres(placement.radius_km)}/1"
        values["graticule:radiusKm"] = f"{placement.radius_km:.3f}"
        values["graticule:probability"] = f"{MASS}"
    if placement.model_digest:
        values["graticule:modelDigest"] = placement.model_digest
    if placement.note:
        values["graticule:reviewNote"] = placement.note
    return values


def exif_tags(placement: Placement) -> dict[str, str]:
    """The EXIF GPS tags of a placement, by exiftool's names, in numbers and letters rather than words."""
    tags = {
        "GPSLatitude": f"{abs(placement.latitude):.8f}",
        "GPSLatitudeRef": "N" if placement.latitude >= 0 else "S",
        "GPSLongitude": f"{abs(placement.longitude):.8f}",
        "GPSLongitudeRef": "E" if placement.longitude >= 0 else "W",
        "GPSProcessingMethod": _method(placement),
    }
    if placement.radius_km is not None:
        tags["GPSHPositioningError"] = str(_metres(placement.radius_km))
    return tags


def sentence(placement: Placement) -> str:
    """For whoever opens the picture: that it is an estimate, whose, and how sure."""
    by = f"{software()} with model {placement.model}" if placement.model else software()
    if placement.review == "moved":
        return f"Placed by a person who reviewed an estimate by {by}. Not measured by the camera."
    confirmed = ", confirmed by a person" if placement.review == "confirmed" else ""
    circle = (
        "" if placement.radius_km is None else f": {100 * MASS:.0f} % within {format_km(placement.radius_km)}"
    )
    return f"Estimated by {by}{confirmed}{circle}. Not measured by the camera."


def software() -> str:
    """Graticule and its version."""
    try:
        return f"Graticule {version('graticule')}"
    except PackageNotFoundError:  # run from its source
        return "Graticule"


def _method(placement: Placement) -> str:
    # MANUAL is one of the words that EXIF 2.32 itself has for this tag; an estimate by a model has none.
    return "MANUAL" if placement.review == "moved" else "ESTIMATE BY GRATICULE"


def _metres(km: float) -> int:
    """Rounded up: an error must not look smaller than it is."""
    return math.ceil(1000 * km)


def _degrees_minutes(degrees: float, letters: str) -> str:
    # Counted in millionths of a minute, so that 59.9999999 minutes become a degree.
    whole, rest = divmod(round(abs(degrees) * 60_000_000), 60_000_000)
    return f"{whole},{rest / 1_000_000:.6f}{letters[0] if degrees >= 0 else letters[1]}"
