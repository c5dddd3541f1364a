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
    "notice",
    "error_type",
    "error",
)

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def write_csv(records: Iterable[Record], stream: TextIO) -> None:
    """One row a picture, with its best candidate; a refused one fills the error columns instead."""
    table = csv.DictWriter(
        _Lines(stream), CSV_COLUMNS, restval="", extrasaction="ignore", lineterminator="\r\n"
    )
    table.writeheader()
    for record in records:
        table.writerow({column: _no_formula(value) for column, value in _row(record).items()})


class _Lines:
    """Ends lines with a line feed, though the table is told of both characters: it quotes what holds one of its own."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, line: str) -> int:
        """One line."""
        return self._stream.write(line.removesuffix("\r\n") + "\n")


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


def _no_formula(value: Any) -> Any:
    """Text that a spreadsheet would take for a formula, as text; a path names the same file with `./` before it."""
    return f"./{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
