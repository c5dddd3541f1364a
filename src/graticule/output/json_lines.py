"""JSON lines: one object a picture, which is the form all others are made from."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TextIO

from graticule.output.record import Record
from graticule.prediction import Result
from graticule.prediction.plain import to_dict

__all__ = ["to_jsonl", "write_jsonl"]


def to_jsonl(result: Result | Record) -> str:
    """A result, or its record, as one line of JSON, without the line's end."""
    record = result if isinstance(result, dict) else to_dict(result)
    return json.dumps(record, ensure_ascii=False, allow_nan=False)


def write_jsonl(records: Iterable[Record], stream: TextIO) -> None:
    """One JSON object a line; each is flushed, so a reader follows along."""
    for record in records:
        stream.write(to_jsonl(record) + "\n")
        stream.flush()
