"""Shards of features as data to learn from: reading them, naming their places, keeping some for validation."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor

from graticule.earth import s2
from graticule.encoders.clip_text import ClipText
from graticule.errors import ConfigError, InputError
from graticule.store import write_whole

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
    """

    features: Tensor
    lat_lon: Tensor
    text: Tensor | None = None

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, rows: Tensor) -> Records:
        """Some of the pictures: (M,) rows."""
        text = None if self.text is None else self.text[rows]
        return Records(self.features[rows], self.lat_lon[rows], text)


def read_records(folder: Path) -> Records:
    """The pictures of a folder, in the order of its shards' names.

    A shard is `shard-*.safetensors` with `features` (N, F), `lat_lon` (N, 2) and maybe `text` (N, W).

    Raises:
        InputError: there is no shard, or one is damaged or holds something else.
    """
    shards = [_read_shard(path) for path in _shards(folder)]
    widths = {shard.features.shape[1] for shard in shards}
    text_widths = {shard.text.shape[1] for shard in shards if shard.text is not None}
    if len(widths) > 1 or len(text_widths) > 1:
        raise InputError(
            f"{folder}: its shards are of several models, features {sorted(widths)} and text {sorted(text_widths)} "
            "wide; keep each model's in a folder of their own."
        )
    text = None
    if text_widths:
        none = torch.zeros(1, text_widths.pop(), dtype=torch.float16)
        text = torch.cat([none.expand(len(s), -1) if s.text is None else s.text for s in shards])
    return Records(torch.cat([s.features for s in shards]), torch.cat([s.lat_lon for s in shards]), text)


def read_names(folder: Path) -> list[str]:
    """The place name of every picture, "" where there is none.

    They stand in `shard-*.txt` beside each shard that has some, a line a row.

    Raises:
        InputError: no place is named, or a file has another number of lines than its shard has rows.
    """
    names: list[str] = []
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
        names += [line.strip() for line in lines]
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
    report: Callable[[str], None] = print,
    deadline: float = float("inf"),
) -> Tensor | None:
    """Vectors of place names; each name is encoded once, and what is encoded is kept.

    Args:
        names: N of them; "" is none.
        clip: a local CLIP, whose text tower reads them.
        cache: a folder that keeps the vectors, so that a stopped run goes on.
        report: gets lines of progress.
        deadline: on the monotonic clock; work stops after it.

    Returns:
        (N, W) float16, zeros for no name; None if the deadline came first.
    """
    distinct = sorted({*names} - {""})
    tower, vectors = None, []
    for start in range(0, len(distinct), _NAMES_AT_ONCE):
        part = distinct[start : start + _NAMES_AT_ONCE]
        key = hashlib.sha256("\n".join([str(clip.resolve()), *part]).encode()).hexdigest()
        path = cache / f"{key[:16]}.safetensors"
        if not path.exists():
            if time.monotonic() > deadline:
                return None
            tower = tower or ClipText.from_folder(clip)
            write_whole(path, save({"text": tower.encode(part).half()}))
            report(f"place names: {start + len(part)} of {len(distinct)} read")
        vectors.append(load_file(path)["text"])
    known = torch.cat([torch.zeros_like(vectors[0][:1]), *vectors])
    row = {name: number for number, name in enumerate(["", *distinct])}
    return known[torch.tensor([row[name] for name in names])]


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


def _read_shard(path: Path) -> Records:
    try:
        tensors = load_file(path)
        features, lat_lon, text = tensors["features"], tensors["lat_lon"].double(), tensors.get("text")
    except (OSError, SafetensorError, KeyError) as error:
        raise InputError(f"{path}: can't be read as features and lat_lon ({error}); make it anew.") from error
    rows = len(features)
    if features.ndim != 2 or lat_lon.shape != (rows, 2):
        raise InputError(
            f"{path}: features and lat_lon are {tuple(features.shape)} and {tuple(lat_lon.shape)}, "
            "not (N, F) and (N, 2); make it anew."
        )
    if text is not None and (text.ndim != 2 or len(text) != rows):
        raise InputError(f"{path}: text is {tuple(text.shape)}, not a vector for each of {rows} rows.")
    good = (lat_lon.abs() <= torch.tensor([90.0, 180.0])).all(1)
    for part in (features, text):
        good &= True if part is None else part.half().isfinite().all(1)
    if not good.all():
        row = int((~good).nonzero()[0])
        raise InputError(f"{path}: row {row} holds NaN, infinity or a place not on Earth; leave it out.")
    return Records(features.half(), lat_lon, None if text is None else text.half())
