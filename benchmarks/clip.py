"""Time CLIP's vision tower: reading it, making a photo ready, and computing its features.

    python benchmarks/clip.py [--size large] [--repeats 3] [--threads N] [--output benchmarks/results/clip.json]

The tower has ViT-L/14's sizes (`--size tiny`: a small one, to try the script) and random weights; time does not depend
on them. It is written to the temporary folder (1.2 GB) and read back as a downloaded CLIP is. The photo is a JPEG of 12
megapixels that is made here. What is told is wall time, the median of the repeats.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from rich.console import Console
from rich.table import Table

from graticule.encoders.clip import ClipEncoder, ClipEncoderConfig
from graticule.images.open import open_picture

SIZES = {
    "large": ClipEncoderConfig(),
    "tiny": ClipEncoderConfig(patch=56, hidden=32, feed_forward=64, layers=2, heads=2),
}
BATCHES = (1, 4)


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default="large")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each; the median is told")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "clip.json")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    with tempfile.TemporaryDirectory() as folder:
        ClipEncoder(SIZES[options.size]).tower.save_pretrained(folder)
        reading = median_seconds(lambda: ClipEncoder.from_folder(Path(folder)), options.repeats)
        encoder = ClipEncoder.from_folder(Path(folder))
    photo = jpeg(4000, 3000)
    seconds = {
        "read the tower": reading,
        "decode and prepare a photo": median_seconds(
            lambda: encoder.prepare(open_picture(photo)), options.repeats
        ),
    }
    for batch in BATCHES:
        pixels = torch.randint(256, (batch, 3, encoder.size, encoder.size), dtype=torch.uint8)
        took = median_seconds(lambda pixels=pixels: encoder.encode(pixels), options.repeats)  # type: ignore[misc]
        seconds[f"features of a photo, {batch} at once"] = took / batch
    show(seconds)
    report = {
        "size": options.size,
        "threads": options.threads,
        "repeats": options.repeats,
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in ("torch", "transformers", "pillow")},
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "median_seconds": seconds,
    }
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(report, indent=2) + "\n")


def jpeg(width: int, height: int) -> bytes:
    """A photo-like picture: blurred random colours, some grain."""
    random = np.random.default_rng(0)
    coarse = Image.fromarray(random.integers(0, 256, (30, 40, 3), dtype=np.uint8)).resize((width, height))
    grain = random.normal(0, 6, (height, width, 1))
    stream = io.BytesIO()
    Image.fromarray(np.clip(np.asarray(coarse) + grain, 0, 255).astype(np.uint8)).save(
        stream, "JPEG", quality=90
    )
    return stream.getvalue()


def median_seconds(run: Callable[[], object], repeats: int) -> float:
    """Median wall time of a run, after one that is not counted."""
    times: list[float] = []
    for _ in range(1 + repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def show(seconds: dict[str, float]) -> None:
    """Print the table."""
    table = Table("", "s")
    for name, value in seconds.items():
        table.add_row(name, f"{value:.3f}")
    Console().print(table)


if __name__ == "__main__":
    main()
