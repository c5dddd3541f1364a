"""Shards of features as data to learn from: reading them, naming their places, keeping some for validation."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache as once
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from graticule.earth import s2
from graticule.encoders.clip_text import ClipText
from graticule.errors import ConfigError, InputError
from graticule.store import write_whole
from graticule.training.distributed import Device, chosen_device, from_main
from graticule.training.share import share
from graticule.training.stored import Matrix, Rows, StoredRows, matrices, selected

__all__ = ["Records", "encode_names", "read_names", "read_records", "split_rows"]

BLOCK_LEVEL: Final = 10
"""Validation keeps whole S2 cells of this level, 9 km wide: pictures of one place are on one side."""
_NAMES_AT_ONCE: Final = 4096


@dataclass(frozen=True)
class Records:
    """N pictures.

    Attributes:
        features: (N, F) float16, of the frozen backbone.
        lat_lon: (N, 2) float64, degrees.
        text: (N, W) float16 vectors of the places' names, a row of zeros where there is none; None: none has one.
        named: how many of them have a text; of some of the pictures that is not known.
        digest: SHA-256 of what the files hold that they are read from.
    """

    features: Rows
    lat_lon: Tensor
    text: Rows | None = None
    named: int | None = None
    digest: str = ""

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, rows: Tensor) -> Records:
        """Some of the pictures: (M,) rows. What is on disk stays there."""
        text = None if self.text is None else selected(self.text, rows)
        return Records(selected(self.features, rows), self.lat_lon[rows], text)


def read_records(folder: Path, *, checked: Path | None = None) -> Records:
    """The pictures of a folder, in the order of its shards' names; their features and texts stay on disk.

    A shard is `shard-*.safetensors` with `features` (N, F), `lat_lon` (N, 2) and maybe `text` (N, W). Each is read
    through once for numbers that are none.

    Args:
        folder: holds the shards.
        checked: a file that keeps which shards were found good, for the next time; None: nothing does.

    Raises:
        InputError: there is no shard, or one is damaged or holds something else.
    """
    shards = [_open_shard(path) for path in _shards(folder)]
    widths = {shard.features.shape[1] for shard in shards}
    text_widths = {shard.text.shape[1] for shard in shards if shard.text is not None}
    if len(widths) > 1 or len(text_widths) > 1:
        raise InputError(
            f"{folder}: its shards are of several models, features {sorted(widths)} and text {sorted(text_widths)} "
            "wide; keep each model's in a folder of their own."
        )
    return Records(
        StoredRows([shard.features for shard in shards]),
        torch.cat([shard.lat_lon for shard in shards]),
        _texts(shards) if text_widths else None,
        *_survey(shards, checked),
    )


def read_names(folder: Path) -> list[str]:
    """The place name of every picture, "" where there is none.

    They stand in `shard-*.txt` beside each shard that has some, a line a row.

    Raises:
        InputError: no place is named, or a file has another number of lines than its shard has rows.
    """
    names: list[str] = []
    known: dict[str, str] = {}  # pictures of one place share one string
    for shard in _shards(folder):
        path = shard.with_suffix(".txt")
        with safe_open(shard, framework="pt") as file:
            rows = file.get_slice("lat_lon").get_shape()[0]
        try:
            lines = path.open(encoding="utf-8").readlines() if path.exists() else [""] * rows
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path}: can't be read as text ({error}); write it as UTF-8.") from error
        if len(lines) != rows:
            raise InputError(f"{path}: {len(lines)} lines for {rows} rows; write one a row, empty for none.")
        names += [known.setdefault(name, name) for name in map(str.strip, lines)]
    if not any(names):
        raise InputError(
            f"{folder}: no shard-*.txt names a place; write one beside each shard, a line a row."
        )
    return names


def encode_names(
    names: Sequence[str],
    clip: Path,
    cache: Path,
    *,
    device: Device = "cpu",
    report: Callable[[str], None] = print,
    deadline: float = float("inf"),
) -> StoredRows | None:
    """Vectors of place names; each name is encoded once, and what is encoded is kept. Processes share the work.

    Args:
        names: N of them; "" is none.
        clip: a local CLIP, whose text tower reads them.
        cache: a folder that keeps the vectors, so that a stopped run goes on.
        device: where they are read.
        report: gets lines of progress.
        deadline: on the monotonic clock; after it no more than what is begun is read.

    Returns:
        (N, W), zeros for no name, which stay in the cache's files; None if the deadline came first.
    """
    distinct = sorted({*names} - {""})
    parts = [distinct[start : start + _NAMES_AT_ONCE] for start in range(0, len(distinct), _NAMES_AT_ONCE)]
    told_by = from_main(lambda: ClipText.digest(clip))  # of gigabytes: once is enough
    keys = [hashlib.sha256("\n".join([told_by, *part]).encode()).hexdigest() for part in parts]
    paths = [cache / f"{key[:16]}.safetensors" for key in keys]
    tower = once(lambda: ClipText.from_folder(clip, device=chosen_device(device)))

    def make(number: int) -> dict[str, Tensor]:
        return {"text": tower().encode(parts[number]).half()}

    def told(number: int) -> None:
        report(f"place names: part {number + 1} of {len(parts)} read")

    if not share(paths, make, deadline=deadline, told=told):
        return None
    row = {name: number for number, name in enumerate(distinct)} | {"": -1}
    return StoredRows([matrices(path)["text"] for path in paths], torch.tensor([row[name] for name in names]))


def split_rows(lat_lon: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """Rows to learn from, and rows for validation.

    Near-duplicates (bursts, crops, a street photographed at every house) are of one place, so whole cells of
    `BLOCK_LEVEL` go to one side. Which do is the same for every seed of training: runs are judged on the same pictures.

    Args:
        lat_lon: (N, 2) degrees.
        share: of the rows for validation, about.

    Returns:
        Two (M,) int64, rising.

    Raises:
        ConfigError: there are too few cells.
    """
    cells, group = np.unique(s2.cell_ids(*lat_lon.T.numpy(), level=BLOCK_LEVEL), return_inverse=True)
    order = np.random.default_rng(0).permutation(len(cells))
    before = np.cumsum(np.bincount(group)[order]) - np.bincount(group)[order]
    kept = np.zeros(len(cells), dtype=bool)
    kept[order[before < share * len(lat_lon)]] = True
    if kept.all():
        raise ConfigError(
            f"validation: the {len(lat_lon)} pictures lie in {len(cells)} cells 9 km wide, too few to keep some; "
            "give pictures of more places."
        )
    return torch.from_numpy(np.flatnonzero(~kept[group])), torch.from_numpy(np.flatnonzero(kept[group]))


def _shards(folder: Path) -> list[Path]:
    found = sorted(folder.glob("shard-*.safetensors"))
    if not found:
        raise InputError(f"{folder}: holds no shard-*.safetensors; name a folder of features.")
    return found


@dataclass(frozen=True)
class _Shard:
    path: Path
    features: Matrix
    lat_lon: Tensor
    text: Matrix | None

    def stamp(self) -> list[int]:
        """What changes with the file."""
        about = self.path.stat()
        return [about.st_size, about.st_mtime_ns]

    def survey(self) -> dict[str, Any]:
        """SHA-256 of what it holds, every number of which is looked at, and how many rows have a text."""
        digest, named = hashlib.sha256(self.lat_lon.numpy().data), 0
        good = (self.lat_lon.abs() <= torch.tensor([90.0, 180.0])).all(1)
        for part in (self.features, self.text):
            start = 0
            for block in part.blocks() if part is not None else ():
                good[start : start + len(block)] &= block.isfinite().all(1)
                named += int(block.any(1).sum()) if part is self.text else 0
                digest.update(block.numpy().data)
                start += len(block)
        if not good.all():
            row = int((~good).nonzero()[0])
            raise InputError(
                f"{self.path}: row {row} holds NaN, infinity or a place not on Earth; leave it out."
            )
        return {"sha256": digest.hexdigest(), "named": named}


def _open_shard(path: Path) -> _Shard:
    try:
        found = matrices(path)
        with safe_open(path, framework="pt") as file:
            shapes = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118
            lat_lon = file.get_tensor("lat_lon").double()
        shape = shapes["features"]
    except (OSError, SafetensorError, KeyError) as error:
        raise InputError(f"{path}: can't be read as features and lat_lon ({error}); make it anew.") from error
    features, text, rows = found.get("features"), found.get("text"), len(lat_lon)
    if features is None or features.shape[0] != rows or lat_lon.shape != (rows, 2):
        raise InputError(
            f"{path}: features and lat_lon are {shape} and {[*lat_lon.shape]}, not (N, F) and (N, 2) numbers; "
            "make it anew."
        )
    if "text" in shapes and (text is None or text.shape[0] != rows):
        raise InputError(f"{path}: text is not a vector for each of {rows} rows.")
    return _Shard(path, features, lat_lon, text)


def _texts(shards: Sequence[_Shard]) -> StoredRows:
    """The text vectors of shards of which some may have none."""
    rows, count = [], 0
    for shard in shards:
        of_text = len(shard.lat_lon) if shard.text is not None else 0
        rows.append(
            torch.arange(count, count + of_text) if of_text else torch.full((len(shard.lat_lon),), -1)
        )
        count += of_text
    return StoredRows([shard.text for shard in shards if shard.text is not None], torch.cat(rows))


def _survey(shards: Sequence[_Shard], checked: Path | None) -> tuple[int, str]:
    """How many rows of all shards have a text, and SHA-256; shards that are as they were are not read again."""
    known: dict[str, Any] = {}
    if checked is not None and checked.exists():
        known = json.loads(checked.read_bytes())
    found: dict[str, Any] = {}
    for shard in shards:
        name, stamp = shard.path.name, shard.stamp()
        as_it_was = known.get(name, {}).get("stamp") == stamp
        found[name] = known[name] if as_it_was else {"stamp": stamp, **shard.survey()}
    if checked is not None and found != known:
        write_whole(checked, (json.dumps(found, indent=2) + "\n").encode())
    digests = "".join(entry["sha256"] for entry in found.values())
    return sum(entry["named"] for entry in found.values()), hashlib.sha256(digests.encode()).hexdigest()
