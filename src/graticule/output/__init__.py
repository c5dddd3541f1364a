"""Results on their way out: one format a file, tables for people; files appear whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final, TextIO

from graticule.earth.notation import format_km, format_place
from graticule.output.csv import write_csv
from graticule.output.files import atomic_bytes, atomic_text
from graticule.output.geojson import write_geojson
from graticule.output.json_lines import to_jsonl, write_jsonl
from graticule.output.kml import write_kml
from graticule.output.parquet import write_parquet
from graticule.output.record import Record
from graticule.output.terminal import (
    candidates_table,
    fallback_warnings,
    notices,
    region_warnings,
    results_table,
)
from graticule.prediction.plain import to_dict

__all__ = [
    "ENDINGS",
    "WRITERS",
    "Record",
    "atomic_bytes",
    "atomic_text",
    "candidates_table",
    "fallback_warnings",
    "format_km",
    "format_place",
    "notices",
    "region_warnings",
    "results_table",
    "to_dict",
    "to_jsonl",
    "write_csv",
    "write_file",
    "write_geojson",
    "write_jsonl",
    "write_kml",
    "write_parquet",
]

WRITERS: Final[Mapping[str, Callable[[Iterable[Record], TextIO], None]]] = {
    "jsonl": write_jsonl,
    "csv": write_csv,
    "geojson": write_geojson,
    "kml": write_kml,
}
"""The formats for machines that are text, by the name the command line gives them."""

ENDINGS: Final = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".geojson": "geojson",
    ".kml": "kml",
    ".parquet": "parquet",
    ".txt": "table",
}
"""The format that the ending of a file's name asks for."""


def write_file(records: Iterable[Record], path: Path, format: str) -> None:
    """Write records to a file, which appears whole or not at all; one record is in memory at a time, or a few.

    Args:
        records: What to write, in order.
        path: The file.
        format: One of `WRITERS`, or `parquet`.

    Raises:
        InputError: The file can't be written.
        MissingExtraError: Parquet wants pyarrow.
    """
    if format == "parquet":
        with atomic_bytes(path) as stream:
            write_parquet(records, stream)
    else:
        with atomic_text(path) as text:
            WRITERS[format](records, text)
