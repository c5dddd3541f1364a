"""What every source of pictures with known places promises.

A source is a published layout on disk. It is scanned in place, nothing is unpacked, and what is found is one table,
column by column: five million pictures are not five million objects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias, overload, runtime_checkable

from graticule.errors import InputError, MissingExtraError
from graticule.registry import SOURCES

try:
    import pyarrow as pa
except ImportError as error:
    raise MissingExtraError.of("scale", "pyarrow") from error

__all__ = ["LABELS", "SCHEMA", "Problem", "Problems", "Progress", "Scan", "Source", "open_source"]

Progress: TypeAlias = Callable[[int, int], None]
"""Told (done, total) of what takes a scan long: files whose EXIF is read, or zips and tars."""

LABELS: Final = (
    "country",
    "region",
    "sub_region",
    "city",
    "continent",
    "author",
    "sequence",
    "captured_at",
)
"""What a source may say of a picture beside its place; null where it says nothing."""

SCHEMA: Final = pa.schema(
    [
        ("id", pa.string()),
        ("latitude", pa.float64()),
        ("longitude", pa.float64()),
        ("container", pa.string()),
        ("member", pa.string()),
        ("offset", pa.int64()),
        ("size", pa.int64()),
        *((label, pa.string()) for label in LABELS),
    ]
)
"""The columns of `Scan.records`:

    id                    the source's own name of the picture; none comes twice
    latitude, longitude   degrees
    container             the picture file, or the zip or tar that holds it, relative to the source's folder, with /
    member                its name inside the container; "" for a plain file
    offset, size          where its bytes lie in a tar, or its entry (header and packed bytes) in a zip; -1 for a file
    country               ISO 3166 alpha-2, or as the source gives it
    region ... continent  names of places, from the next smaller than a country
    author                who took it
    sequence              pictures taken one after another share it
    captured_at           when, as the source writes it
"""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something of a source that can't be used.

    Attributes:
        where: the file, or the row of a table (the header is row 1) and what stands there.
        what: what is wrong. Problems of one kind say it in the same words.
    """

    where: str
    what: str


class Problems(Sequence[Problem]):
    """Problems kept as two columns, since there may be as many as there are pictures."""

    def __init__(self, table: Any) -> None:
        """Keep a pyarrow table of the string columns `where` and `what`."""
        self.table = table

    @classmethod
    def of(cls, *problems: Problem) -> Problems:
        """A few problems."""
        columns = [[p.where for p in problems], [p.what for p in problems]]
        return cls(pa.table([pa.array(column, pa.string()) for column in columns], ["where", "what"]))

    @classmethod
    def join(cls, *parts: Problems) -> Problems:
        """All problems of several, in order."""
        return cls(pa.concat_tables([cls.of().table, *(part.table for part in parts)]))

    def __len__(self) -> int:
        """How many there are."""
        return int(self.table.num_rows)

    def __iter__(self) -> Iterator[Problem]:
        """One after another, made as they are asked for."""
        for batch in self.table.to_batches(max_chunksize=10_000):
            yield from map(Problem, batch["where"].to_pylist(), batch["what"].to_pylist())

    @overload
    def __getitem__(self, index: int) -> Problem: ...
    @overload
    def __getitem__(self, index: slice) -> Problems: ...
    def __getitem__(self, index: int | slice) -> Problem | Problems:
        """One, or some."""
        if isinstance(index, slice):
            return Problems(self.table.take(pa.array(range(len(self))[index], pa.int64())))
        [row] = self.table.slice(range(len(self))[index], 1).to_pylist()
        return Problem(**row)

    def by_kind(self) -> dict[str, int]:
        """How many of each kind, the most first."""
        counts = self.table["what"].value_counts().to_pylist()
        return {count["values"]: count["counts"] for count in sorted(counts, key=lambda c: -c["counts"])}


@dataclass(frozen=True)
class Scan:
    """What a source holds.

    Attributes:
        name: of the source.
        records: a pyarrow table of `SCHEMA`, one row a usable picture, in the order of the source's own table.
        problems: what is missing or malformed.
    """

    name: str
    records: Any
    problems: Problems


@runtime_checkable
class Source(Protocol):
    """A published layout on disk."""

    name: str
    """What the registry calls it."""

    splits: tuple[str, ...]
    """Its parts that must be kept apart, such as train and test; none if it is one set."""

    def scan(
        self, path: Path, *, split: str | None = None, progress: Progress = lambda done, total: None
    ) -> Scan:
        """Look what is there.

        Args:
            path: the folder of the source.
            split: which of `splits`.
            progress: told how far it is.

        Raises:
            InputError: there is no such folder, or no such split; or the split is not named where there are some.
            TableError: the table of places is missing, or can't be read, or lacks a column.
        """
        ...


def open_source(
    name: str,
    path: Path,
    split: str | None = None,
    *,
    progress: Progress = lambda done, total: None,
) -> Scan:
    """Scan a folder as a source of the registry.

    Args:
        name: one of `graticule.registry.SOURCES`.
        path: the folder.
        split: for a source with splits, which.
        progress: told how far it is.

    Raises:
        ConfigError: there is no such source.
        InputError: there is no such folder or split, or its table can't be used.
    """
    source: Source = SOURCES.find(name)()
    if not path.is_dir():
        raise InputError(f"{path}: no such folder; name the one that holds {name} as it was published.")
    if split is None and source.splits:
        raise InputError(f"{name}: --split must say which part: {' or '.join(source.splits)}.")
    if split is not None and split not in source.splits:
        raise InputError(
            f"{name}: there is no split {split!r}; "
            + (f"choose {' or '.join(source.splits)}." if source.splits else "it is one set: leave it out.")
        )
    return source.scan(path, split=split, progress=progress)
