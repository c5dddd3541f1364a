"""What is finished: `ledger.jsonl`, a line a shard, and `refused.jsonl`, a line a picture that could not be read.

A shard is finished when the ledger says so. Both files are written whole each time, so no line is ever torn.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from graticule.errors import InputError
from graticule.extract.plan import Plan, shard_path, writing
from graticule.extract.shard import Shard
from graticule.store import write_whole

__all__ = ["Ledger"]

LEDGER: Final = "ledger.jsonl"
REFUSED: Final = "refused.jsonl"


class Ledger:
    """The finished shards of a folder."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        """Read what is there.

        Raises:
            InputError: a line of its files says something else.
        """
        self.folder, self.plan = folder, plan
        # A shard whose file was deleted is to be made again.
        entries = _lines(folder / LEDGER, "shard")
        self._shards = {e["shard"]: e for e in entries if shard_path(folder, e["shard"]).exists()}
        # After a kill between the two files, there may be rows of a shard that is not finished.
        refused = _lines(folder / REFUSED, "row")
        self._refused = {r["row"]: r for r in refused if r["row"] // plan.shard_rows in self._shards}

    @property
    def unfinished(self) -> list[int]:
        """The numbers of the shards that are still to be made, rising."""
        return [number for number in range(self.plan.shards) if number not in self._shards]

    @property
    def pictures(self) -> int:
        """How many pictures the finished shards had, those refused included."""
        return sum(
            min(self.plan.shard_rows, self.plan.records - number * self.plan.shard_rows)
            for number in self._shards
        )

    @property
    def refused(self) -> int:
        """How many of them could not be read."""
        return len(self._refused)

    def add(self, shard: Shard) -> None:
        """Note that a shard is finished.

        Raises:
            InputError: the disk is full, or read-only.
        """
        refused = {line["row"]: line for line in shard.refused}
        entry = {
            "shard": shard.number,
            "rows": shard.rows,
            "refused": len(refused),
            "seconds": round(shard.seconds, 3),
        }
        rows = dict(sorted({**self._refused, **refused}.items()))
        shards = {**self._shards, shard.number: entry}
        with writing(self.folder):
            if refused or not (self.folder / REFUSED).exists():
                _write(self.folder / REFUSED, rows.values())
            _write(self.folder / LEDGER, shards.values())
        self._refused, self._shards = rows, shards


def _lines(path: Path, key: str) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    found = []
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            entry = json.loads(line)
            if not isinstance(entry[key], int):
                raise TypeError
        except (ValueError, TypeError, LookupError) as error:
            raise InputError(
                f"{path}, line {number}: not an object with the number {key!r}. Delete the file: what it lists is "
                "made again."
            ) from error
        found.append(entry)
    return found


def _write(path: Path, entries: Iterable[Mapping[str, Any]]) -> None:
    write_whole(path, "".join(json.dumps(entry) + "\n" for entry in entries).encode())
