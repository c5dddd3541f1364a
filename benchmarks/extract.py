"""How fast features are extracted, against the bare encoder on the same pixels in memory.

    python benchmarks/extract.py [--views 8192] [--photos 64] [--output benchmarks/results/extract.json]

Two encoders, each with pictures of its kind: Orbit's on views rendered into OSV-5M's layout (JPEG of 64 x 64 pixels in
zips), and one of CLIP ViT-L/14's size with random weights on photo-like JPEGs of 1.2 megapixels in a folder. For each:

    encoder   the same encoder in the same process, on blocks of the same size, pixels ready in memory: the limit
    library   `graticule.extract.run.extract` in a process that is warm: scan, decode, encode, write
    command   `graticule extract` as a process, from its start to its end
    decoding  the pictures alone, read and made into pixels: what the encoder shares the processors with

The first three are run in turn, several times, so that other work on the machine meets all alike; the medians are told.
Where as many threads compute as there are cores, decoding can hide behind the encoder, but not for free: at best the
whole takes encoder + decoding, and `bound` is the share of the encoder's speed that leaves.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from rich.console import Console
from rich.table import Table

from graticule.data.orbit.folder import render_folder
from graticule.data.orbit.mosaic import training_mosaic_path
from graticule.data.records import read_picture
from graticule.data.sources.contract import open_source
from graticule.encoders.clip import ClipEncoder, ClipEncoderConfig
from graticule.extract.encoder import find_encoder
from graticule.extract.run import SHARD_ROWS, extract
from graticule.extract.shard import AHEAD, BLOCK
from graticule.images.batches import decode_batches
from graticule.images.open import open_picture

BAR = 0.9
COMMAND = [sys.executable, "-c", "from graticule.cli import main; main()", "extract"]
CLIP_SIZES = {
    "large": ClipEncoderConfig(),
    "tiny": ClipEncoderConfig(size=28, hidden=32, feed_forward=64, layers=2, heads=2, width=16),
}


def main() -> None:
    """Measure, print, and write the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--views", type=int, default=8192)
    parser.add_argument("--photos", type=int, default=64)
    parser.add_argument("--clip", choices=CLIP_SIZES, default="large")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "extract.json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        views, photos, clip = (Path(scratch) / name for name in ("views", "photos", "clip"))
        # A fifth is OSV-5M's test split.
        render_folder(training_mosaic_path(), views, views=-(-options.views * 5 // 4), layout="osv5m")
        make_photos(photos, options.photos)
        torch.manual_seed(0)
        ClipEncoder(CLIP_SIZES[options.clip]).tower.save_pretrained(clip)
        figures = {
            "orbit": measure("osv5m", views, "orbit", split="train", repeats=options.repeats),
            f"clip {options.clip}": measure("folder", photos, str(clip), repeats=options.repeats),
        }
    show(figures)
    report = {
        "block": BLOCK,
        "shard_rows": SHARD_ROWS,
        "threads": torch.get_num_threads(),
        "repeats": options.repeats,
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in ("torch", "pillow", "pyarrow", "transformers")},
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "bar": BAR,
        "figures": figures,
    }
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(report, indent=2) + "\n")


def make_photos(folder: Path, count: int) -> None:
    """Blurred random colours with some grain, 1280 x 960, and the table of their places."""
    folder.mkdir()
    random = np.random.default_rng(0)
    rows = ["path,latitude,longitude"]
    for number in range(count):
        coarse = Image.fromarray(random.integers(0, 256, (30, 40, 3), dtype=np.uint8)).resize((1280, 960))
        grain = random.normal(0, 6, (960, 1280, 1))
        pixels = np.clip(np.asarray(coarse) + grain, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:04d}.jpg", quality=90)
        rows.append(f"{number:04d}.jpg,{number % 90 + 0.5},{number % 180 + 0.5}")
    (folder / "places.csv").write_text("\n".join(rows) + "\n")


def measure(
    source: str, path: Path, encoder: str, *, split: str | None = None, repeats: int
) -> dict[str, float]:
    """Pictures, seconds of each way, and the ratios to the encoder's rate."""
    bare = find_encoder(encoder).open()
    blocks: list[torch.Tensor] = []

    def decode() -> None:
        rows = open_source(source, path, split).records.to_pylist()

        def open_row(row: dict[str, object], shortest: int | None) -> Image.Image:
            return open_picture(read_picture(path, row), shortest=shortest)

        prepare = getattr(bare, "prepare", None)
        batches = decode_batches(rows, open_row, bare.size, batch_size=BLOCK, ahead=AHEAD, prepare=prepare)
        blocks[:] = [torch.from_numpy(np.stack([pixels for _, pixels in batch])) for batch in batches]

    def encode() -> None:
        for block in blocks:
            bare.encode(block)

    def library(folder: str) -> None:
        extract(source, path, encoder=encoder, out=Path(folder), split=split)

    def command(folder: str) -> None:
        part = ["--split", split] if split else []
        given = [source, str(path), "--encoder", encoder, "--out", folder, *part]
        subprocess.run([*COMMAND, *given], check=True, capture_output=True)

    decode()
    bare.encode(blocks[0])
    ways: dict[str, Callable[[], None]] = {
        "encoder": encode,
        "library": partial(in_a_new_folder, library),
        "command": partial(in_a_new_folder, command),
        "decoding": decode,
    }
    with tempfile.TemporaryDirectory() as folder:  # opens the library's encoder, once
        extract(source, path, encoder=encoder, out=Path(folder), split=split, limit=1)
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            taken[name].append(time.perf_counter() - start)
    seconds = {name: statistics.median(times) for name, times in taken.items()}
    return {
        "pictures": sum(map(len, blocks)),
        **{f"{name}_s": value for name, value in seconds.items()},
        "library_ratio": seconds["encoder"] / seconds["library"],
        "command_ratio": seconds["encoder"] / seconds["command"],
        "bound": seconds["encoder"] / (seconds["encoder"] + seconds["decoding"]),
    }


def in_a_new_folder(way: Callable[[str], None]) -> None:
    """Do it, and leave nothing."""
    with tempfile.TemporaryDirectory() as folder:
        way(folder)


def show(figures: dict[str, dict[str, float]]) -> None:
    """Print the table."""
    table = Table("", *figures)
    for way in ("encoder", "library", "command", "decoding"):
        rates = (f"{of['pictures'] / of[f'{way}_s']:,.1f}/s" for of in figures.values())
        table.add_row(way, *rates)
    for name in ("library_ratio", "command_ratio", "bound"):
        table.add_row(name.replace("_", " / encoder: "), *(f"{of[name]:.2f}" for of in figures.values()))
    Console().print(table)
    print(f"the bar is a library ratio of {BAR}")


if __name__ == "__main__":
    main()
