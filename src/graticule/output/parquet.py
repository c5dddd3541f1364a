"""Parquet, for tables of millions: a row a picture, its columns the keys of a JSON line."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any, BinaryIO, Final

from graticule.errors import MissingExtraError
from graticule.output.record import Record

__all__ = ["write_parquet"]

_GROUP_ROWS: Final = 4096


def write_parquet(records: Iterable[Record], stream: BinaryIO) -> None:
    """One file, in groups of rows, of which one is in memory at a time.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtraError.of("scale", "pyarrow") from error
    schema, waiting = _schema(pa), iter(records)
    with pq.ParquetWriter(stream, schema) as table:
        while group := list(islice(waiting, _GROUP_ROWS)):
            # Names that are no valid text become escapes, as everywhere.
            table.write_table(pa.Table.from_pylist([_escaped(row) for row in group], schema=schema))


def _schema(pa: Any) -> Any:
    """What a JSON line holds; what a line lacks is null."""
    number, text = pa.float64(), pa.string()
    circle = {"latitude": number, "longitude": number, "radius_km": number}
    columns: dict[str, Any] = {
        "path": text,
        **circle,
        "circles_km": pa.struct({"50": number, "90": number}),
        "place": pa.struct(
            {
                "text": text,
                "country": text,
                "country_name": text,
                "region": text,
                "town": text,
                "town_km": number,
                "claimed_by": pa.list_(text),
            }
        ),
        "candidates": pa.list_(
            pa.struct({"latitude": number, "longitude": number, "probability": number, "cell": text})
        ),
        "model": text,
        "model_digest": text,
        "region_probability": number,
        "selection": pa.struct({"by": text, "fallback": text, "tokens": pa.int64(), "cost": number}),
        "not_sure": pa.struct(
            {"probability": number, "asked": number, "within_km": number, "circle": pa.struct(circle)}
        ),
        "notice": text,
        "fused": pa.struct({"with": pa.int64(), "track": pa.bool_()}),
        "file": pa.struct({"bytes": pa.int64(), "modified": number}),
        "error": pa.struct({"type": text, "message": text}),
    }
    return pa.schema(columns)


def _escaped(row: Record) -> Record:
    escaped = row | {"path": _text(row["path"])}
    if "error" in row:  # its message begins with the name
        escaped["error"] = row["error"] | {"message": _text(row["error"]["message"])}
    return escaped


def _text(words: str) -> str:
    return words.encode("utf-8", "backslashreplace").decode()
