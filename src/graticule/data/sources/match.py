"""Rows of a table and pictures on disk, brought together by name.

A row becomes a record only if its id, its place and its picture are all beyond doubt; what is left of either side is a
problem. Everything is done on whole columns.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from graticule.data.sources.contract import LABELS, SCHEMA, Problems, Scan
from graticule.data.sources.tables import Rows

__all__ = ["base_names", "match"]

_NUMBER: Final = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?$"
_SHOWN: Final = 80

_BLANK: Final = "the row is blank"
_NO_ID: Final = "names no picture"
_OUTSIDE: Final = "the name leads out of the folder; pictures are looked for below it only"
_NO_LATITUDE: Final = "its latitude is missing, or no number from -90 to 90"
_NO_LONGITUDE: Final = "its longitude is missing, or no number from -180 to 180"
_ZERO: Final = "its place is (0, 0), which stands for none"
_TWO_PLACES: Final = "other rows of the same picture give another place"
_REPEATED: Final = "the picture has a row already"
_NO_PICTURE: Final = "there is no such picture"
_REASONS: Final = (
    _BLANK, _NO_ID, _OUTSIDE, _NO_LATITUDE, _NO_LONGITUDE, _ZERO, _TWO_PLACES, _REPEATED, _NO_PICTURE
)  # fmt: skip
"""Why a row is no record: the first that holds is given."""


def match(
    name: str,
    rows: Rows,
    pictures: tuple[Any, Problems],
    *,
    wanted: Callable[[Any], Any] = lambda ids: ids,
    names: Callable[[Any], Any],
) -> Scan:
    """The records of a table whose pictures are there.

    Args:
        name: of the source.
        rows: of its table.
        pictures: as `list_pictures` gives them.
        wanted: ids -> the names their pictures go by; both pyarrow arrays (N,).
        names: the table of pictures -> the name each goes by.
    """
    listed, list_problems = pictures
    ids = pc.utf8_trim_whitespace(rows.columns["id"])
    lat, lon = degrees(rows.columns["latitude"]), degrees(rows.columns["longitude"])
    keys, called = wanted(ids), names(listed).combine_chunks()
    place = np.asarray(pc.fill_null(pc.index_in(keys, value_set=called), -1))

    reason = np.full(len(ids), -1)

    def mark(why: str, holds: NDArray[np.bool_]) -> None:
        reason[holds & (reason < 0)] = _REASONS.index(why)

    blank = [_true(pc.equal(pc.utf8_trim_whitespace(column), "")) for column in rows.columns.values()]
    mark(_BLANK, np.logical_and.reduce(blank))
    mark(_NO_ID, _true(pc.equal(ids, "")))
    mark(_OUTSIDE, _true(pc.match_substring_regex(ids, r"(^|[/\\])\.\.([/\\]|$)|^[/\\]|^[A-Za-z]:[/\\]")))
    mark(_NO_LATITUDE, ~(np.abs(lat) <= 90))
    mark(_NO_LONGITUDE, ~(np.abs(lon) <= 180))
    mark(_ZERO, (lat == 0) & (lon == 0))
    repeated, two_places = _repeats(keys, lat, lon, among=reason < 0)
    mark(_TWO_PLACES, two_places)
    mark(_REPEATED, repeated)
    mark(_NO_PICTURE, place < 0)

    good = np.flatnonzero(reason < 0)
    found = listed.take(place[good])
    columns = {"id": ids.take(good), "latitude": lat[good], "longitude": lon[good]}
    columns |= {field: found[field] for field in found.column_names}
    columns |= {label: _label(rows, label, good) for label in LABELS}
    records = pa.table([columns[field] for field in SCHEMA.names], schema=SCHEMA)
    left = _left_over(listed, called, place)
    return Scan(name, records, Problems.join(rows.problems, _of_rows(rows, ids, reason), list_problems, left))


def base_names(pictures: Any) -> Any:
    """The last part of each picture's path, or of its name inside a container."""
    paths = pc.if_else(pc.equal(pictures["member"], ""), pictures["container"], pictures["member"])
    return pc.replace_substring_regex(paths, r"^.*/", "")


def degrees(texts: Any) -> NDArray[np.float64]:
    """(N,) numbers of (N,) strings; NaN for what is none."""
    bare = pc.utf8_trim_whitespace(texts)
    try:
        numbers = pc.cast(bare, pa.float64())
    except pa.ArrowInvalid:
        looks = pc.match_substring_regex(bare, _NUMBER)
        numbers = pc.fill_null(pc.cast(pc.if_else(looks, bare, None), pa.float64()), float("nan"))
    return np.asarray(numbers)


def _repeats(
    keys: Any, lat: NDArray[np.float64], lon: NDArray[np.float64], *, among: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which rows name a picture again, and which name one that is given two places; (N,) each."""
    repeated, two_places = np.zeros((2, len(among)), dtype=bool)
    rows = np.flatnonzero(among)
    codes, first = _codes(keys.take(rows))
    original = rows[first][codes]
    repeated[rows] = original != rows
    differ = (lat[original] != lat[rows]) | (lon[original] != lon[rows])
    torn = np.zeros(len(first), dtype=bool)
    torn[codes[differ]] = True
    two_places[rows] = torn[codes]
    return repeated, two_places


def _codes(strings: Any) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """A number for each of (N,) strings, the same for the same; and where each number comes first."""
    codes = np.asarray(pc.dictionary_encode(strings).indices, dtype=np.int64)
    # Numbers are given in the order strings are met.
    new = np.diff(np.maximum.accumulate(codes), prepend=-1) > 0
    return codes, np.flatnonzero(new)


def _left_over(listed: Any, called: Any, place: NDArray[np.int64]) -> Problems:
    """Pictures that no row names, and those that share a name with one before them."""
    used = np.zeros(len(called), dtype=bool)
    used[place[place >= 0]] = True
    first = np.zeros(len(called), dtype=bool)
    first[_codes(called)[1]] = True
    where = pc.if_else(
        pc.equal(listed["member"], ""),
        listed["container"],
        pc.binary_join_element_wise(listed["container"], listed["member"], "/"),
    )
    return Problems.join(
        _problems(pc.filter(where, pa.array(first & ~used)), "no row of the table names this picture"),
        _problems(pc.filter(where, pa.array(~first)), "another picture has this name, and is used"),
    )


def _of_rows(rows: Rows, ids: Any, reason: NDArray[np.int64]) -> Problems:
    bad = np.flatnonzero(reason >= 0)
    said = [pc.utf8_slice_codeunits(ids.take(bad), 0, _SHOWN)]
    said += [
        pc.utf8_slice_codeunits(rows.columns[field].take(bad), 0, _SHOWN)
        for field in ("latitude", "longitude")
    ]
    number = pc.cast(pa.array(rows.numbers[bad]), pa.string())
    where = pc.binary_join_element_wise(
        f"{rows.file}, row ", number, ": ", pc.binary_join_element_wise(*said, ", "), ""
    )
    return _problems(where, pa.array(_REASONS).take(pa.array(reason[bad])))


def _problems(where: Any, what: Any) -> Problems:
    whats = pa.repeat(what, len(where)) if isinstance(what, str) else what
    return Problems(pa.table([where, whats], ["where", "what"]))


def _label(rows: Rows, label: str, good: NDArray[np.int64]) -> Any:
    """A column of labels, null where nothing is said."""
    if label not in rows.columns:
        return pa.nulls(len(good), pa.string())
    said = rows.columns[label].take(good)
    return pc.if_else(pc.equal(said, ""), None, said)


def _true(values: Any) -> NDArray[np.bool_]:
    return np.asarray(values, dtype=bool)
