"""KML 2.2, for Google Earth and the like: a placemark a picture, with its circle."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final, TextIO
from xml.sax.saxutils import escape

from graticule.earth.circle import circle
from graticule.output.record import Record, estimate_words, place_words, reason

__all__ = ["write_kml"]

_HEAD: Final = """<?xml version="1.0" encoding="UTF-8"?>
<kml xmlns="http://www.opengis.net/kml/2.2">
<Document>
<name>Estimates of where pictures were taken</name>
<Style id="estimate">
<LineStyle><color>ff00b0ff</color><width>2</width></LineStyle>
<PolyStyle><color>2600b0ff</color></PolyStyle>
</Style>
"""
_TAIL: Final = "</Document>\n</kml>\n"
_NO_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 can't hold, escaped or not (section 2.2)."""


def write_kml(records: Iterable[Record], stream: TextIO) -> None:
    """One document: an answer is a point in the circle that holds 90 % of its probability.

    One that is not sure is its circle alone, and one refused a placemark without a place.
    """
    stream.write(_HEAD)
    for record in records:
        stream.write(_placemark(record))
    stream.write(_TAIL)


def _placemark(record: Record) -> str:
    if "error" in record:
        told, shape = f"Refused: {reason(record)}", ""
    elif "not_sure" in record:
        told, shape = f"Not sure: {estimate_words(record)}", _polygons(record["not_sure"]["circle"])
    else:
        near = f" {place_words(record)}." if place_words(record) else ""
        told = f"Estimate: {estimate_words(record)}.{near}"
        shape = f"<Point><coordinates>{_position(_centre(record))}</coordinates></Point>" + _polygons(record)
    if "notice" in record:
        told = f"Nothing is known: {record['notice']}. {told}"
    if "model" in record:
        told += f" By the model {record['model']}."
    name = str(record["path"]).replace("\\", "/").rpartition("/")[2]
    return (
        f"<Placemark><name>{_text(name)}</name><description>{_text(told)} {_text(str(record['path']))}</description>"
        "<styleUrl>#estimate</styleUrl>"
        + (f"<MultiGeometry>{shape}</MultiGeometry>" if shape else "")
        + "</Placemark>\n"
    )


def _polygons(place: dict[str, Any]) -> str:
    drawn = circle(place["latitude"], place["longitude"], radius_km=place["radius_km"])
    return "".join(
        "<Polygon><tessellate>1</tessellate>"
        + _ring("outerBoundaryIs", outer)
        + "".join(_ring("innerBoundaryIs", hole) for hole in holes)
        + "</Polygon>"
        for outer, *holes in drawn["coordinates"]
    )


def _ring(kind: str, ring: Iterable[Sequence[float]]) -> str:
    positions = " ".join(_position(position) for position in ring)
    return f"<{kind}><LinearRing><coordinates>{positions}</coordinates></LinearRing></{kind}>"


def _centre(record: Record) -> tuple[float, float]:
    return record["longitude"], record["latitude"]


def _position(position: Sequence[float]) -> str:
    """Longitude first; to the metre, which is finer than any answer."""
    return f"{position[0]:.5f},{position[1]:.5f}"


def _text(words: str) -> str:
    return escape(_NO_XML.sub("\N{REPLACEMENT CHARACTER}", words))
