"""Features of photos, computed once and kept as shards, so that a stopped run goes on."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from safetensors.torch import load_file, save
from torch import Tensor

from graticule.encoders.contract import ImageEncoder
from graticule.errors import PictureError
from graticule.images.batches import read_batches
from graticule.store import write_whole

__all__ = ["extract_photos"]

SHARD_ROWS: Final = 256
_BATCH: Final = 32


def extract_photos(
    paths: Sequence[Path],
    encoder: ImageEncoder,
    folder: Path,
    *,
    report: Callable[[str], None] = print,
    deadline: float = float("inf"),
) -> tuple[Tensor, dict[Path, str]] | None:
    """Encode photos; shards that are there are kept.

    Args:
        paths: N files.
        encoder: in eval mode.
        folder: of the shards, for these files and this encoder alone.
        report: gets a line of progress after each shard.
        deadline: on the monotonic clock; no further shard is begun after it, but one is made in any case.

    Returns:
        Features (R, F) float32 of those that could be read, in order, and of the others file -> why not; None if the
        deadline came first.
    """
    faster = getattr(encoder, "for_inference", None)
    encoder = encoder if faster is None else faster()
    features: list[Tensor] = []
    refused: dict[Path, str] = {}
    began, done = time.monotonic(), 0
    for first in range(0, len(paths), SHARD_ROWS):
        part = paths[first : first + SHARD_ROWS]
        shard, told = folder / f"shard-{first:08d}.safetensors", folder / f"refused-{first:08d}.json"
        if not shard.exists():
            if done and time.monotonic() > deadline:
                return None
            encoded, problems = _encoded(part, encoder)
            write_whole(told, json.dumps(problems, indent=2).encode())
            write_whole(shard, save({"features": encoded}))  # last: a shard that is there is whole
            done += len(part)
            rate = done / (time.monotonic() - began)
            ends = datetime.now() + timedelta(seconds=(len(paths) - first - len(part)) / rate)
            report(f"  {first + len(part)} of {len(paths)} photos, {rate:.1f} a second, ends {ends:%H:%M}")
        features.append(load_file(shard)["features"])
        refused |= {Path(path): why for path, why in json.loads(told.read_bytes()).items()}
    return torch.cat(features), refused


def _encoded(paths: Sequence[Path], encoder: ImageEncoder) -> tuple[Tensor, dict[str, str]]:
    """Features of the photos that can be read, and file -> why not of the others."""
    features = [torch.empty(0, encoder.width)]
    refused: dict[str, str] = {}
    prepare: Any = getattr(encoder, "prepare", None)
    for batch in read_batches(paths, encoder.size, batch_size=_BATCH, prepare=prepare):
        pixels = [found for _, found in batch if isinstance(found, np.ndarray)]
        if pixels:
            features.append(encoder.encode(torch.from_numpy(np.stack(pixels))).float())
        refused |= {
            str(path): str(found).removeprefix(f"{path}: ")
            for path, found in batch
            if isinstance(found, PictureError)
        }
    return torch.cat(features), refused
