"""What a folder of features is of: fixed before the first feature, so that every run means the same rows.

extract.json      the source, the encoder and the size of a shard
records.parquet   the records in order, a row group a shard
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from graticule.errors import ConfigError, InputError, MissingExtraError
from graticule.store import write_whole

try:
    import pyarrow as pa
    import pyarrow.parquet as pq
except ImportError as error:
    raise MissingExtraError.of("scale", "pyarrow") from error

__all__ = ["Plan", "parquet", "read_plan", "read_rows", "settle", "shard_path", "writing"]

PLAN: Final = "extract.json"
RECORDS: Final = "records.parquet"


class Plan(BaseModel):
    """The content of extract.json."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    source: str
    """A name of `graticule.registry.SOURCES`."""
    path: str
    """The source's folder, absolute."""
    split: str | None
    encoder: str
    """What `find_encoder` finds it by."""
    encoder_digest: str
    width: int
    """F, the length of a feature vector."""
    records: int = Field(ge=1)
    """N, how many pictures there are, those included that turn out not to be readable."""
    shard_rows: int = Field(ge=1)
    """Records a shard; the last may have fewer."""

    @property
    def shards(self) -> int:
        """How many shards there will be."""
        return -(-self.records // self.shard_rows)


def shard_path(folder: Path, number: int) -> Path:
    """The file of a shard's features; its records and names stand beside it under other endings."""
    return folder / f"shard-{number:08d}.safetensors"


def settle(folder: Path, plan: Plan, records: Any) -> None:
    """Write a folder's plan, or see that the one it has is the same.

    Args:
        folder: of features.
        plan: what is wanted.
        records: its records, a pyarrow table.

    Raises:
        ConfigError: the folder was made from something else or with other settings.
        InputError: its files are damaged, or it holds features of something else.
    """
    numbered = records.append_column("row", pa.array(np.arange(len(records))))
    if not (folder / PLAN).exists():
        if any(folder.glob("shard-*.safetensors")):
            raise InputError(
                f"{folder}: holds shards but no {PLAN}: they are of something else. Name another."
            )
        with writing(folder):
            write_whole(folder / RECORDS, parquet(numbered, group_rows=plan.shard_rows))
            _write_plan(folder, plan)
        return
    before = read_plan(folder)
    for field in ("source", "path", "split", "encoder_digest", "records", "shard_rows"):
        then, now = getattr(before, field), getattr(plan, field)
        if then != now:
            raise ConfigError(
                f"{folder / PLAN}: {field} was {then!r} and is {now!r} now. {_ADVICE.get(field, _OTHERWISE)}"
            )
    _check_records(folder / RECORDS, numbered)
    if before != plan:  # the same encoder under another name
        with writing(folder):
            _write_plan(folder, plan)


_OTHERWISE = "Extract as before, or into another folder."
_ADVICE = {
    "path": "Name the folder that was read before; if it has moved, write its new path there. " + _OTHERWISE,
    "encoder_digest": "Features of two encoders can't be compared: name another folder, or the first encoder.",
    "records": "The source or --limit has changed; extract into another folder.",
}


def read_plan(folder: Path) -> Plan:
    """The plan of a folder of features.

    Raises:
        InputError: there is none, or it is damaged or of another version.
    """
    path = folder / PLAN
    try:
        return Plan.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise InputError(f"{path}: can't be read as the plan of an extraction ({error}).") from error


def read_rows(folder: Path, number: int) -> Any:
    """The records of one shard, a pyarrow table; no others are read.

    Raises:
        InputError: records.parquet is damaged.
    """
    try:
        return pq.ParquetFile(folder / RECORDS).read_row_group(number)
    except (OSError, pa.ArrowException) as error:
        raise _damaged(folder / RECORDS, error) from error


def parquet(table: Any, *, group_rows: int | None = None) -> bytes:
    """The bytes of a table as a Parquet file, in row groups of so many rows."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, row_group_size=group_rows)
    written: bytes = sink.getvalue().to_pybytes()
    return written


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Say of a full or read-only disk what to do about it.

    Raises:
        InputError: instead of OSError.
    """
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{folder}: can't be written to ({error.strerror or error}). What is finished is kept: make room or "
            "mend the disk, and run the same again."
        ) from error


def _write_plan(folder: Path, plan: Plan) -> None:
    write_whole(folder / PLAN, (plan.model_dump_json(indent=2) + "\n").encode())


def _check_records(path: Path, records: Any) -> None:
    try:
        before = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise _damaged(path, error) from error
    if before.equals(records):
        return
    differs = "its columns"
    if before.schema.equals(records.schema):
        row = next(k for k in count() if not before.slice(k, 1).equals(records.slice(k, 1)))
        differs = f"record {row}, {records['id'][row].as_py()},"
    raise ConfigError(
        f"{path}: the source has changed: {differs} is not as it was. Extract into another folder."
    )


def _damaged(path: Path, error: Exception) -> InputError:
    return InputError(
        f"{path}: can't be read ({error}). It says which row is which picture, so its folder is of no use "
        "without: extract anew."
    )
