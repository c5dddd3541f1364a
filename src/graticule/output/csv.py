"""CSV, for spreadsheets: one row a picture."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from typing import Any, Final, TextIO

from graticule.output.record import Record, estimate_words, selection_words

__all__ = ["CSV_COLUMNS", "write_csv"]

CSV_COLUMNS: Final = (
    "path",
    "latitude",
    "longitude",
    "radius_km",
    "country",
    "region",
    "town",
    "town_km",
    "probability",
    "cell",
    "model",
    "region_probability",
    "selection",
    "not_sure",
    "error_type",
    "error",
)


def write_csv(records: Iterable[Record], stream: TextIO) -> None:
    """One row a picture, with its best candidate; a refused one fills the error columns instead."""
    table = csv.DictWriter(stream, CSV_COLUMNS, restval="", extrasaction="ignore", lineterminator="\n")
    table.writeheader()
    for record in records:
        table.writerow(_row(record))


def _row(record: Record) -> dict[str, Any]:
    if "error" in record:
        error = record["error"]
        return {"path": record["path"], "error_type": error["type"], "error": error["message"]}
    row = record | {"selection": selection_words(record)}
    if "not_sure" in record:
        # No column that could be taken for a place.
        return row | {"not_sure": estimate_words(record)}
    if place := record.get("place"):
        row |= {name: place[name] for name in ("region", "town", "town_km")} | {
            "country": place["country_name"]
        }
    if candidates := record["candidates"]:
        row |= {"probability": candidates[0]["probability"], "cell": candidates[0]["cell"]}
    return row
