"""GeoJSON (RFC 7946): one collection, a feature a picture."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TextIO

from graticule.output.record import Record
from graticule.prediction.plain import feature_of

__all__ = ["write_geojson"]


def write_geojson(records: Iterable[Record], stream: TextIO) -> None:
    """One FeatureCollection: a point a picture; one refused or not sure is a feature without a place."""
    stream.write('{"type": "FeatureCollection", "features": [')
    between = "\n"
    for record in records:
        stream.write(between + json.dumps(feature_of(record), ensure_ascii=False, allow_nan=False))
        between = ",\n"
    stream.write("\n]}\n")
