"""Extraction, from a source to a folder of features: killed anywhere and run again, it goes on."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, get_args

from graticule.data.sources.contract import Scan, open_source
from graticule.errors import ConfigError, InputError
from graticule.extract.cluster import shards_on_ray
from graticule.extract.encoder import StoredEncoder, find_encoder
from graticule.extract.ledger import Ledger
from graticule.extract.plan import Plan, settle
from graticule.extract.shard import AHEAD, Shard, extract_shard
from graticule.lock import locked
from graticule.store import make_folder, sweep

__all__ = ["SHARD_ROWS", "Engine", "Outcome", "extract", "extract_scan"]

SHARD_ROWS: Final = 4096
"""A kill loses at most the shard it falls into; a file a shard is what a disk must hold."""
Engine = Literal["local", "ray"]


@dataclass(frozen=True)
class Outcome:
    """What a folder of features holds after a run.

    Attributes:
        records: pictures of the source.
        done: of which are dealt with.
        refused: of these could not be read; refused.jsonl says why.
        problems: rows and files of the source that are no records.
        made: shards that this run made.
    """

    records: int
    done: int
    refused: int
    problems: int
    made: int

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.done == self.records


def extract(
    source: str, path: Path, *, encoder: str, out: Path, split: str | None = None, **settings: Any
) -> Outcome:
    """Encode a source's pictures into shards of float16 features with their records.

    Args:
        source: a name of `graticule.registry.SOURCES`.
        path: its folder.
        encoder: whose features: a model's name or folder, or the folder of a local CLIP.
        out: the folder to write.
        split: which part of the source.
        settings: those of `extract_scan`.

    Raises:
        ConfigError: a number is out of range, or the folder was made from something else, or with another encoder.
        InputError: the source can't be used, the folder is in use or can't be written.
        ModelError: the encoder can't be used.
    """
    stored = find_encoder(encoder)
    scan = open_source(source, path, split)
    return extract_scan(scan, path, encoder=stored, out=out, split=split, **settings)


def extract_scan(
    scan: Scan,
    path: Path,
    *,
    encoder: StoredEncoder,
    out: Path,
    split: str | None = None,
    shard_rows: int = SHARD_ROWS,
    limit: int | None = None,
    ahead: int = AHEAD,
    engine: Engine = "local",
    address: str | None = None,
    workers: int | None = None,
    stop_after_s: float = math.inf,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Outcome:
    """`extract` of a source that was looked through.

    What is finished is kept, and what is there is held against what is asked for. How the work is done (`ahead`,
    `engine`, `workers`, interruptions) changes no bit of the features.

    Args:
        scan: what the source holds.
        path: its folder.
        encoder: whose features.
        out: the folder to write.
        split: which part of the source it is.
        shard_rows: pictures a shard.
        limit: leave out all but the source's first.
        ahead: pictures decoded before the encoder needs them.
        engine: where shards are made: in this process one by one, or on a Ray cluster.
        address: of the cluster; see `shards_on_ray`.
        workers: threads that decode; with Ray, shards under way at once.
        stop_after_s: begin no further shard after so many seconds; the first is always made.
        progress: told (done, total) pictures.

    Raises:
        ConfigError: a number is out of range, or the folder was made from something else, or with another encoder.
        InputError: the source holds nothing to be used, the folder is in use or can't be written.
        ModelError: the encoder can't be used.
    """
    deadline = time.monotonic() + stop_after_s
    _check(engine, {"shard_rows": shard_rows, "limit": limit, "ahead": ahead, "workers": workers})
    records = scan.records.slice(0, limit)
    if not len(records):
        raise InputError(f"{path}: holds no picture that can be used as {scan.name}.")
    plan = Plan(
        source=scan.name,
        path=str(path.resolve()),
        split=split,
        encoder=encoder.name,
        encoder_digest=encoder.digest,
        width=encoder.width,
        records=len(records),
        shard_rows=shard_rows,
    )
    make_folder(out)
    with locked(out):
        settle(out, plan, records)
        sweep(out)
        ledger = Ledger(out, plan)
        progress(ledger.pictures, plan.records)
        todo = _until(deadline, ledger.unfinished)
        if engine == "ray" and ledger.unfinished:
            shards = shards_on_ray(out, todo, ahead=ahead, address=address, workers=workers)
        else:
            shards = _shards_here(out, todo, ledger, ahead=ahead, workers=workers, progress=progress)
        made = 0
        with closing(shards):
            for shard in shards:
                ledger.add(shard)
                made += 1
                progress(ledger.pictures, plan.records)
    return Outcome(plan.records, ledger.pictures, ledger.refused, len(scan.problems), made)


def _check(engine: str, numbers: Mapping[str, int | None]) -> None:
    if engine not in get_args(Engine):
        raise ConfigError(f"engine: there is no {engine!r}; choose {' or '.join(get_args(Engine))}.")
    for name, number in numbers.items():
        if number is not None and number < 1:
            raise ConfigError(f"{name}: {number} must be 1 or more.")


def _until(deadline: float, numbers: list[int]) -> Iterator[int]:
    """Numbers, until the time is up; the first in any case, so that every run gets on."""
    for number in numbers:
        if number != numbers[0] and time.monotonic() > deadline:
            return
        yield number


def _shards_here(
    folder: Path,
    numbers: Iterator[int],
    ledger: Ledger,
    *,
    ahead: int,
    workers: int | None,
    progress: Callable[[int, int], None],
) -> Generator[Shard, None, None]:
    """Make shards in this process, one by one."""
    for number in numbers:
        before = ledger.pictures
        yield extract_shard(
            folder,
            number,
            ahead=ahead,
            workers=workers,
            progress=lambda done, before=before: progress(before + done, ledger.plan.records),  # type: ignore[misc]
        )
