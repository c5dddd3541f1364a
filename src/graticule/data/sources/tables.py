"""The CSV table of a source: found by its columns, read column by column, rows never shifted.

Everything is read as text first: what is a number is decided row by row, so that one bad cell costs its own row.
"""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import csv as arrow_csv

from graticule.data.sources.contract import Problem, Problems
from graticule.errors import TableError

__all__ = ["Columns", "Rows", "describe_tables", "find_table", "headers", "read_rows"]

_BLOCK_BYTES: Final = 1 << 24
"""No row is longer: one that is has a quote that is never closed."""
_SHOWN: Final = 80
_FOREIGN: Final = "is not all UTF-8: what is not, is read as \N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True)
class Columns:
    """Which columns of a table hold what. Names in the header may differ in case and blanks.

    Attributes:
        id: names of the column with the pictures' ids, the first that is there is taken.
        latitude: the same for degrees north.
        longitude: the same for degrees east.
        labels: columns of `LABELS` -> names.
        unless: a table that has all of these columns is another kind, and is not meant.
    """

    id: Sequence[str]
    latitude: Sequence[str] = ("latitude", "lat")
    longitude: Sequence[str] = ("longitude", "lon")
    labels: Mapping[str, Sequence[str]] = field(default_factory=dict)
    unless: Sequence[str] = ()

    @property
    def needed(self) -> dict[str, Sequence[str]]:
        """Columns no table can do without."""
        return {"id": self.id, "latitude": self.latitude, "longitude": self.longitude}

    def of_another_kind(self, header: Sequence[str]) -> bool:
        """Whether a header is that of a table that is not meant, whatever else it holds."""
        return bool(self.unless) and set(self.unless) <= {name.strip().lower() for name in header}

    def __str__(self) -> str:
        """The needed columns, for messages."""
        return ", ".join(" or ".join(names) for names in self.needed.values())


@dataclass(frozen=True)
class Rows:
    """The rows of a table that have as many fields as its header.

    Attributes:
        file: the table's name, for messages.
        numbers: (N,) int64, the header being row 1.
        columns: `id`, `latitude`, `longitude` and labels -> a pyarrow array (N,) of strings.
        problems: rows that are not among them.
    """

    file: str
    numbers: NDArray[np.int64]
    columns: Mapping[str, Any]
    problems: Problems


def find_table(root: Path, columns: Columns, *, published: Sequence[str] = ()) -> Path | None:
    """The table of a source: a CSV file in its folder, or in `metadata` there, that has the needed columns.

    Args:
        root: the source's folder.
        columns: what is needed.
        published: names of files; where several could be meant, the first of these is.

    Returns:
        None if no CSV file has the columns.

    Raises:
        TableError: several have them, and none is named as published.
    """
    found: dict[str, Path] = {}
    for path, header in headers(root).items():
        if not _missing(header, columns) and not columns.of_another_kind(header):
            found.setdefault(path.name, path)
    named = [found[name] for name in published if name in found]
    if len(found) > 1 and not named:
        raise TableError(f"{root}: {' and '.join(found)} have the columns {columns}; keep one of them there.")
    return next(iter([*named, *found.values()]), None)


def headers(root: Path) -> dict[Path, list[str]]:
    """The CSV files in a folder, or in `metadata` there, and the names in their first rows.

    Raises:
        TableError: one can't be read.
    """
    return {path: _header(path) for path in _tables(root)}


def describe_tables(root: Path) -> str:
    """The CSV files of a folder and their headers, for messages."""
    tables = [f"{path.name} has {_named(header)}" for path, header in headers(root).items()]
    return "; ".join(tables) or "there is no CSV file"


def read_rows(path: Path, columns: Columns) -> Rows:
    """Read what is needed of a table.

    UTF-8 with or without a byte order mark, fields quoted or not, lines ended by LF or CRLF. Rows with more or fewer
    fields than the header are problems.

    Raises:
        TableError: it can't be read, or lacks a needed column; the message names the columns found and needed.
    """
    header = _header(path)
    missing = _missing(header, columns)
    if missing:
        raise TableError(
            f"{path}: no column {' and no column '.join(missing)} in its header; found are {_named(header)}. "
            f"Needed are {columns}."
        )
    chosen = {
        meaning: name
        for meaning, names in (columns.needed | dict(columns.labels)).items()
        if (name := _chosen(header, names)) is not None
    }
    table, refused, foreign = _parsed(path, sorted(set(chosen.values())))
    texts = {name: _texts(table[name]) for name in table.column_names}
    foreign = foreign or any(replaced for _, replaced in texts.values())
    numbers = np.arange(2, 2 + len(table) + len(refused))
    return Rows(
        path.name,
        np.setdiff1d(numbers, np.fromiter(refused, np.int64, len(refused))),
        {meaning: texts[name][0] for meaning, name in chosen.items()},
        Problems.of(*([Problem(path.name, _FOREIGN)] if foreign else []), *refused.values()),
    )


class _Replaced(io.RawIOBase):
    """A file in UTF-8; what is not, is replaced."""

    def __init__(self, path: Path) -> None:
        self._text = path.open(encoding="utf-8", errors="replace", newline="")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._text.read(len(buffer) // 4).encode()  # a character takes four bytes at most
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._text.close()
        super().close()


@contextmanager
def _unheard() -> Iterator[None]:
    """Keep pyarrow from printing what `_parsed` mends: a row it can't decode for `_parse`'s handler."""
    before = sys.unraisablehook

    def hook(found: Any) -> None:
        if found.exc_type is not UnicodeDecodeError:
            before(found)

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = before


def _parsed(path: Path, names: Sequence[str]) -> tuple[Any, dict[int, Problem], bool]:
    """As `_parse` gives them, and whether a row of another length was not UTF-8."""
    try:
        with _unheard():
            return *_parse(path, names), False
    except TableError as error:
        # pyarrow can't tell of a row of another length that is no text, and gives up the whole table.
        if "columns, got" not in str(error.__cause__):
            raise
    with _Replaced(path) as stream:
        return *_parse(path, names, stream), True


def _parse(
    path: Path, names: Sequence[str], stream: _Replaced | None = None
) -> tuple[Any, dict[int, Problem]]:
    """Columns as bytes, and the numbers of rows that are of another length, with what is wrong."""
    refused: dict[int, Problem] = {}

    def refuse(row: Any) -> str:
        refused[row.number] = _wrong_length(path.name, row)
        return "skip"

    try:
        table = arrow_csv.read_csv(
            path if stream is None else pa.PythonFile(stream, mode="r"),
            # One thread: only then do rows that are left out have numbers.
            read_options=arrow_csv.ReadOptions(use_threads=False, block_size=_BLOCK_BYTES),
            parse_options=arrow_csv.ParseOptions(
                newlines_in_values=True, ignore_empty_lines=False, invalid_row_handler=refuse
            ),
            convert_options=arrow_csv.ConvertOptions(
                include_columns=names, column_types=dict.fromkeys(names, pa.binary())
            ),
        )
    except pa.ArrowInvalid as error:
        if "Empty CSV file" in str(error):  # a header without a line's end, and nothing after it
            return pa.table({name: pa.array([], pa.binary()) for name in names}), {}
        hint = "is a quote left open?" if "straddl" in str(error) else "save it as CSV anew."
        raise TableError(f"{path}: is no table in CSV ({error}): {hint}") from error
    except OSError as error:
        raise TableError(f"{path}: can't be read ({error}). Check the path.") from error
    return table, refused


def _texts(column: Any) -> tuple[Any, bool]:
    """A column of bytes as strings, and whether some were not UTF-8."""
    chunks, replaced = [], False
    for chunk in column.chunks:
        try:
            chunks.append(chunk.cast(pa.string()))
        except pa.ArrowInvalid:
            texts = [data.decode("utf-8", "replace") for data in chunk.to_pylist()]
            chunks.append(pa.array(texts, pa.string()))
            replaced = True
    return pa.chunked_array(chunks, pa.string()).combine_chunks(), replaced


def _wrong_length(file: str, row: Any) -> Problem:
    what = "the row has more or fewer fields than the header"
    if "\n" in row.text:
        what += "; a quote in it may be left open, and rows after it be lost"
    shown = " ".join(row.text[:_SHOWN].split())
    return Problem(
        f"{file}, row {row.number}: {row.actual_columns}, not {row.expected_columns}: {shown}", what
    )


def _tables(root: Path) -> list[Path]:
    return [
        path
        for folder in (root, root / "metadata")
        if folder.is_dir()
        for path in sorted(folder.iterdir())
        if path.suffix.lower() == ".csv" and not path.name.startswith(".") and path.is_file()
    ]


def _header(path: Path) -> list[str]:
    """The names in the first row.

    Raises:
        TableError: there is none.
    """
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
            return next(csv.reader(stream), [])
    except OSError as error:
        raise TableError(f"{path}: can't be read ({error.strerror}). Check the path.") from error
    except csv.Error as error:
        raise TableError(f"{path}: is no table in CSV ({error}): save it anew.") from error


def _missing(header: Sequence[str], columns: Columns) -> list[str]:
    """What the header lacks; a needed name that stands there twice can't be read either."""
    return [" or ".join(names) for names in columns.needed.values() if _chosen(header, names) is None]


def _chosen(header: Sequence[str], names: Sequence[str]) -> str | None:
    """The header's own spelling of the first name it holds, once."""
    for wanted in names:
        found = [name for name in header if name.strip().lower() == wanted.lower()]
        if len(found) == 1:
            return found[0]
    return None


def _named(header: Sequence[str]) -> str:
    return ", ".join(name[:_SHOWN] for name in header) or "none"
