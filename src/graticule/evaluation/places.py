"""Administrative accuracy: whether an answer lies in the country, region, sub-region and city of the truth.

The field's other family of figures (OSV-5M), never to be mixed with distances: an answer 2 km off may be in another
country, and one 2000 km off in the same. An answer is a point, so its names have to be looked up. Its country is that
of Natural Earth's outlines; region, sub-region and city are those of the nearest record of a table of labelled
places, such as the training split of the same set. Rows whose truth has no label at a level are left out there.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from graticule.errors import MissingExtraError, TableError
from graticule.evaluation.calibration import wilson
from graticule.evaluation.countries import COAST_KM, country_of_label, nearest_countries
from graticule.evaluation.metrics import Estimate
from graticule.evaluation.nearest import nearest

__all__ = [
    "LEVELS",
    "Administrative",
    "Labels",
    "LevelAccuracy",
    "PlaceTable",
    "administrative",
    "label_column",
]

LEVELS: Final = ("country", "region", "sub_region", "city")
"""From the largest to the smallest."""
_KEPT: Final = (*LEVELS, "author")
_LIMITS: Final = {"latitude": 90.0, "longitude": 180.0}
_NAMES: Final = {"lat": "latitude", "lon": "longitude", "country_code": "country"}

Labels: TypeAlias = Mapping[str, NDArray[np.object_]]
"""What is said of each of N pictures or places, text or None (N,), by level; `author` may be among them."""


@dataclass(frozen=True)
class PlaceTable:
    """Places whose names are known.

    Attributes:
        name: what it is called in a report.
        lat_lon: (M, 2) degrees.
        labels: what is said of them.
    """

    name: str
    lat_lon: NDArray[np.float64]
    labels: Labels

    @classmethod
    def read(cls, path: Path) -> PlaceTable:
        """Read a table of places.

        Args:
            path: a CSV file with latitude, longitude and some of country, region, sub-region, city and author; or a
                folder that `graticule extract` wrote, whose records are read.

        Raises:
            TableError: It can't be read, or lacks what is needed.
            MissingExtraError: It is a folder, and pyarrow is not installed.
        """
        columns = _records(path) if path.is_dir() else _csv(path)
        if not {"latitude", "longitude"} <= columns.keys() or not set(_KEPT) & columns.keys():
            raise TableError(
                f"{path}: has columns {', '.join(columns) or 'none'}; needed are latitude, longitude, and one at least "
                f"of {', '.join(_KEPT)}."
            )
        lat_lon = np.stack([_degrees(path, columns[name], name) for name in _LIMITS], axis=1)
        if not len(lat_lon):
            raise TableError(f"{path}: holds no place.")
        return cls(path.name, lat_lon, {name: columns[name] for name in _KEPT if name in columns})


@dataclass(frozen=True)
class LevelAccuracy:
    """How often an answer lies in the truth's country, region, sub-region or city."""

    pictures: int
    """Those whose truth has a label at this level."""
    left_out: int
    """Those whose truth has none, or one that could not be understood."""
    share: Estimate
    """Share of the pictures answered within, with its 95 % Wilson interval."""


@dataclass(frozen=True)
class Administrative:
    """Administrative accuracy of one method."""

    how: str
    """Where the names of the answers come from."""
    levels: dict[str, LevelAccuracy]
    """By level; those that no picture has a label at are not there."""


def administrative(
    points: NDArray[np.float64], labels: Labels, *, table: PlaceTable | None = None
) -> Administrative | None:
    """Compare the names of answers with those of truths.

    A region counts with the country it lies in, and a city with both, as far as truth and table name them: Springfield
    in Illinois is not Springfield in Ohio.

    Args:
        points: (N, 2) degrees, the answers.
        labels: what is said of the truths.
        table: names for the answers; without it only countries are compared.

    Returns:
        None if no truth has a label that can be compared.
    """
    found: dict[str, LevelAccuracy] = {}
    how = f"country: outlines of Natural Earth, to {COAST_KM:g} km off the coast"
    said = {level: _normalised(level, labels[level]) for level in LEVELS if level in labels}
    if "country" in said:
        found |= _accuracy("country", nearest_countries(points) == said["country"], said["country"])
    if table is not None:
        how += f"; region, sub-region, city: the nearest labelled place of {table.name} ({len(table.lat_lon):,} places)"
        for level in LEVELS[1:]:
            if level in said and level in table.labels:
                found |= _accuracy(level, _shared(level, points, said, table), said[level])
    return Administrative(how, found) if found else None


def label_column(column: Any) -> NDArray[np.object_]:
    """A pyarrow column of text as an array that holds each text once: five million rows name a few thousand places."""
    encoded = column.combine_chunks().dictionary_encode()
    words = np.array([*encoded.dictionary.to_pylist(), None], dtype=object)
    return np.asarray(words[encoded.indices.fill_null(len(words) - 1).to_numpy(zero_copy_only=False)])


def _shared(level: str, points: NDArray[np.float64], said: Labels, table: PlaceTable) -> NDArray[np.bool_]:
    """Whether the nearest place with a name at this level has the truth's, and none above that differs."""
    labelled = np.flatnonzero(_known(table.labels[level]))
    same = np.zeros(len(points), dtype=np.bool_)
    if not len(labelled):
        return same
    rows = labelled[nearest(points, table.lat_lon[labelled])[0]]
    same[:] = True
    for above in LEVELS[: LEVELS.index(level) + 1]:
        if above in said and above in table.labels:
            theirs = _normalised(above, table.labels[above][rows])
            both = _known(theirs) & _known(said[above])
            same &= (theirs == said[above]) | (~both if above != level else False)
    return same


def _accuracy(level: str, right: NDArray[np.bool_], truth: NDArray[np.object_]) -> dict[str, LevelAccuracy]:
    known = _known(truth)
    if not known.any():
        return {}
    count = int(known.sum())
    return {level: LevelAccuracy(count, len(known) - count, wilson(right[known]))}


def _normalised(level: str, labels: NDArray[np.object_]) -> NDArray[np.object_]:
    """Labels that can be compared: countries by their names in the outlines, the rest without case and extra blanks."""
    meaning = (
        country_of_label if level == "country" else lambda label: " ".join(label.split()).casefold() or None
    )
    known = {label: meaning(label) for label in set(labels.tolist()) if label is not None}
    return np.array([known.get(label) for label in labels.tolist()], dtype=object)


def _known(labels: NDArray[np.object_]) -> NDArray[np.bool_]:
    return np.asarray(labels != None)  # noqa: E711  (elementwise)


def _records(folder: Path) -> dict[str, NDArray[Any]]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtraError.of("scale", "pyarrow") from error
    path = folder / "records.parquet"
    try:
        names = [name for name in pq.read_schema(path).names if name in {*_LIMITS, *_KEPT}]
        records = pq.read_table(path, columns=names)
    except (OSError, pa.ArrowException) as error:
        raise TableError(
            f"{path}: can't be read ({error}). Name a folder that graticule extract wrote."
        ) from error
    return {
        name: records[name].to_numpy() if name in _LIMITS else label_column(records[name]) for name in names
    }


def _csv(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, strict=True)
            names = [_name(heading) for heading in next(reader, [])]
            rows = [row for row in reader if row]
    except OSError as error:
        raise TableError(f"{path}: can't be read ({error.strerror}). Check the path.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise TableError(f"{path}: is no CSV table in UTF-8 ({error}).") from error
    short = next((number for number, row in enumerate(rows, start=2) if len(row) != len(names)), None)
    if short is not None:
        raise TableError(f"{path}, row {short}: has {len(rows[short - 2])} cells, the header {len(names)}.")
    wanted = {name: place for place, name in enumerate(names) if name in {*_LIMITS, *_KEPT}}
    return {
        name: np.array([row[place].strip() or None for row in rows], dtype=object)
        for name, place in wanted.items()
    }


def _name(heading: str) -> str:
    name = heading.strip().lower().replace("-", "_")
    return _NAMES.get(name, name)


def _degrees(path: Path, column: NDArray[Any], name: str) -> NDArray[np.float64]:
    try:
        degrees = column.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise TableError(f"{path}, column {name}: holds something else than degrees ({error}).") from error
    wrong = ~(np.abs(degrees) <= _LIMITS[name])
    if wrong.any():
        row = int(wrong.argmax())
        raise TableError(
            f"{path}, row {row + 2}, column {name}: {column[row]!r} is no number from -{_LIMITS[name]:g} to "
            f"{_LIMITS[name]:g} degrees."
        )
    return np.asarray(degrees)
