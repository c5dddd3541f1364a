"""How fast pictures are located: the whole command, the first answer from cold, and the encoder alone as the limit.

    python benchmarks/locate.py --output benchmarks/results/locate.json

The command is timed as a process, from its start to its last line. `warm` is the library in a process that has
answered before; `encoder` is the same encoder on the same pixels already in memory: what no change to the rest
of the road could beat.
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
from pathlib import Path

import numpy as np
import torch

from graticule.data.orbit.folder import render_folder
from graticule.data.orbit.mosaic import training_mosaic_path
from graticule.images.batches import read_batches, walk
from graticule.locator import Geolocator

COMMAND = [sys.executable, "-c", "from graticule.cli import main; main()", "locate"]


def seconds(work: Callable[[], object], repeats: int) -> float:
    """Median time of some runs."""
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def command(*arguments: str) -> None:
    """Run `graticule locate` as a process of its own."""
    subprocess.run([*COMMAND, *arguments], check=True, capture_output=True)


def main() -> None:
    """Measure, print, and write the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="orbit")
    parser.add_argument("--pictures", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "locate.json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "views"
        render_folder(training_mosaic_path(), folder, views=options.pictures, seed=2)
        (folder / "truth.csv").unlink()
        to_file = [
            "--model",
            options.model,
            "--format",
            "jsonl",
            "--output",
            str(Path(scratch) / "out.jsonl"),
        ]
        figures = measure(folder, to_file, options.model, options.repeats)
    count = options.pictures
    print(f"torch threads                     {torch.get_num_threads()}")
    print(f"first answer, cold process        {figures['cold_s']:.2f} s")
    for decode in ("beam", "greedy"):
        took, warm = figures[f"command_{decode}_s"], figures[f"warm_{decode}_s"]
        print(f"{count} pictures, {decode:6} whole command {took:6.2f} s  {count / took:5.0f} pictures/s")
        print(f"{count} pictures, {decode:6} warm library  {warm:6.2f} s  {count / warm:5.0f} pictures/s")
    alone = figures["encoder_s"]
    print(f"{count} pictures, encoder alone        {alone:6.2f} s  {count / alone:5.0f} pictures/s")
    print(f"whole road / encoder alone (warm, beam): {figures['warm_beam_s'] / alone:.2f}")
    if options.output:
        settings = {
            "model": options.model,
            "pictures": count,
            "threads": torch.get_num_threads(),
            "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
            "torch": torch.__version__,
        }
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(json.dumps({**settings, **figures}, indent=2) + "\n")


def measure(folder: Path, to_file: list[str], model: str, repeats: int) -> dict[str, float]:
    """Every figure, in seconds."""
    pictures = walk([folder])
    geolocator = Geolocator.load(model)
    encoder = geolocator.model.encoder
    batches = read_batches(pictures, encoder.size)
    pixels = torch.from_numpy(
        np.stack([p for batch in batches for _, p in batch if isinstance(p, np.ndarray)])
    )

    def encode() -> None:
        for part in torch.split(pixels, 64):
            encoder.encode(part)

    encode()
    figures = {
        "cold_s": seconds(lambda: command(str(pictures[0]), *to_file), repeats),
        "encoder_s": seconds(encode, repeats),
    }
    for decode in ("beam", "greedy"):
        figures[f"command_{decode}_s"] = seconds(
            lambda d=decode: command(str(folder), *to_file, "--decode", d), repeats
        )
        figures[f"warm_{decode}_s"] = seconds(
            lambda d=decode: list(geolocator.locate([folder], decode=d)), repeats
        )
    return figures


if __name__ == "__main__":
    main()
