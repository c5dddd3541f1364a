"""Features of Orbit views, computed once and kept as shards.

A shard is whole or absent, so extraction goes on where it was stopped.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from graticule.data.orbit.camera import render
from graticule.data.orbit.mosaic import Mosaic
from graticule.data.orbit.photometry import Seasons
from graticule.data.orbit.views import Split, Views, poses
from graticule.encoders.orbit import OrbitEncoder
from graticule.store import sweep
from graticule.training.distributed import is_main
from graticule.training.loop import step_generator
from graticule.training.share import share

__all__ = ["extract_views", "load_shards"]

SHARD_ROWS = 4096
_BATCH = 256


def extract_views(
    encoder: OrbitEncoder,
    mosaic: Mosaic,
    folder: Path,
    *,
    split: Split,
    start: int,
    count: int,
    seasons: float,
    bf16: bool = True,
    report: Callable[[str], None] = print,
    stop_after_s: float = math.inf,
) -> bool:
    """Encode views start..start+count-1 of a split into shards of float16 features with their places.

    Processes share the work.

    Args:
        encoder: in eval mode.
        mosaic: what is looked at.
        folder: one a set of settings; shards that are there are kept.
        split: which stream of views.
        start: index of the first.
        count: how many.
        seasons: share of shards' views varied strongly; 0 renders exactly the split's ordinary views.
        bf16: encode in bfloat16 (several times faster; features differ in the third digit).
        report: gets a line of progress now and then.
        stop_after_s: stop, resumable, after the shard during which so many seconds have passed.

    Returns:
        Whether all shards are there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if is_main():
        sweep(folder)
    variation = Seasons(seasons) if seasons else None
    shards = range(start, start + count, SHARD_ROWS)
    began, made = time.monotonic(), 0

    def make(number: int) -> dict[str, Tensor]:
        first, parts = shards[number], []
        rows = min(SHARD_ROWS, start + count - first)
        for begin in range(first, first + rows, _BATCH):
            indices = np.arange(begin, min(begin + _BATCH, first + rows))
            pixels = _pixels(mosaic, split, indices, variation, encoder.size)
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                parts.append(encoder.encode(pixels).float())
        pose = poses(split, np.arange(first, first + rows))
        lat_lon = torch.stack([pose.lat, pose.lon], dim=-1)
        return {"features": torch.cat(parts).half(), "lat_lon": lat_lon}

    def told(number: int) -> None:
        nonlocal made
        made += min(SHARD_ROWS, start + count - shards[number])
        rate = made / (time.monotonic() - began)
        left = (len(shards) - number - 1) * SHARD_ROWS / rate
        report(f"shard {number + 1}/{len(shards)}  {rate:.0f} views/s, {left / 60:.0f} min left")

    paths = [folder / f"shard-{first:09d}.safetensors" for first in shards]
    return share(paths, make, deadline=began + stop_after_s, told=told)


def load_shards(folder: Path) -> tuple[Tensor, Tensor]:
    """All features (N, F) float16 and places (N, 2) degrees of a folder, in order."""
    shards = [load_file(path) for path in sorted(folder.glob("shard-*.safetensors"))]
    return torch.cat([s["features"] for s in shards]), torch.cat([s["lat_lon"] for s in shards])


def _pixels(
    mosaic: Mosaic, split: Split, indices: np.ndarray, variation: Seasons | None, size: int
) -> Tensor:
    if variation is None:
        return Views(mosaic, split, size=size).batch(indices)[0]
    pose = poses(split, indices)
    generator = step_generator(1, int(indices[0]), stream=3)
    varied = variation(render(mosaic, pose, size=size), pose.lat, generator)
    return varied.mul(255).round_().to(torch.uint8)
