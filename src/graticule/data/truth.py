"""Tables of where pictures were really taken: truth.csv."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from graticule.errors import TableError

__all__ = ["Truth", "read_truth"]

_NAMES: Final = {"path": ("path",), "latitude": ("latitude", "lat"), "longitude": ("longitude", "lon")}
_LIMITS: Final = {"latitude": 90.0, "longitude": 180.0}


@dataclass(frozen=True, slots=True)
class Truth:
    """Where one picture was taken."""

    path: Path
    latitude: float
    """Degrees, -90 to 90."""
    longitude: float
    """Degrees, -180 to 180."""


def read_truth(table: Path, images: Path | None = None) -> list[Truth]:
    """Read a CSV file with columns path, latitude (or lat) and longitude (or lon); others are passed over.

    Args:
        table: The file, UTF-8, with a header.
        images: Folder that relative paths start from; the table's own folder if not given.

    Returns:
        One entry a row, in order. Whether the pictures exist is not looked at.

    Raises:
        TableError: If it can't be read, lacks a column, names a picture twice, or a row holds no place on
            Earth. The message has the row, counting the header as row 1, and the column.
    """
    folder = table.parent if images is None else images
    try:
        with table.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, strict=True)
            columns = _columns(table, reader.fieldnames or ())
            truths = [_truth(f"{table}, row {reader.line_num}", row, columns, folder) for row in reader]
    except OSError as error:
        raise TableError(f"{table}: can't be read ({error.strerror}). Check the path.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise TableError(f"{table}: is no CSV table in UTF-8 ({error}).") from error
    _refuse_repeats(table, truths)
    return truths


def _columns(table: Path, header: Sequence[str]) -> dict[str, str]:
    """Which column of the table holds what; names may differ in case and blanks."""
    found = {name.strip().lower(): name for name in header}
    columns: dict[str, str] = {}
    for meaning, names in _NAMES.items():
        known = [found[name] for name in names if name in found]
        if len(known) != 1:
            what = "no column" if not known else "more than one column"
            raise TableError(
                f"{table}: {what} {' or '.join(names)} in its header ({', '.join(header) or 'empty'}). "
                "Needed are path, latitude and longitude."
            )
        columns[meaning] = known[0]
    return columns


def _truth(where: str, row: Mapping[str, str | None], columns: Mapping[str, str], folder: Path) -> Truth:
    path = (row[columns["path"]] or "").strip()
    if not path:
        raise TableError(f"{where}, column {columns['path']}: is empty. Every row names a picture.")
    latitude, longitude = (_degrees(where, row, columns[name], _LIMITS[name]) for name in _LIMITS)
    return Truth(folder / path, latitude, longitude)


def _degrees(where: str, row: Mapping[str, str | None], column: str, limit: float) -> float:
    text = (row[column] or "").strip()
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    # Written so that NaN is refused too.
    if not -limit <= value <= limit:
        raise TableError(
            f"{where}, column {column}: {text!r} is no number from -{limit:g} to {limit:g} degrees."
        )
    return value


def _refuse_repeats(table: Path, truths: Sequence[Truth]) -> None:
    seen: set[Path] = set()
    for truth in truths:
        if truth.path in seen:
            raise TableError(f"{table}: names {truth.path} twice. One row a picture.")
        seen.add(truth.path)
