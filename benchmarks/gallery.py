"""Time answers from a gallery of coordinates, beyond what the image encoder takes.

    python benchmarks/gallery.py [--rows 100000] [--batch 32] [--repeats 20] [--output benchmarks/results/gallery.json]

The gallery is random, as are the features: the time does not depend on what they say. Counted is all that happens to
features until answers stand: GeoCLIP's image head, the similarities to every row, their softmax and cumulative sums,
beam search over the cells, the answer of least expected loss, its circle and its candidates. What is told is elapsed
time, for one picture and for a batch: the median over the repeats, after some that are not counted.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch.nn import functional

from graticule.alignment.geoclip import GeoClipAlignment, GeoClipAlignmentConfig
from graticule.encoders.clip import ClipEncoderConfig
from graticule.locator import Geolocator
from graticule.model import Model, ModelConfig
from graticule.retrieval.gallery import Gallery
from graticule.tokens.gallery import GalleryCellModelConfig

WARM_UP = 3


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000, help="places in the gallery")
    parser.add_argument("--batch", type=int, default=32, help="pictures answered together")
    parser.add_argument("--repeats", type=int, default=20, help="runs of each; the median is told")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "gallery.json")
    options = parser.parse_args()

    geolocator = Geolocator(random_model(options.rows))
    pixels = np.zeros((options.batch, 3, 1, 1), dtype=np.uint8)
    names = [f"{number}.jpg" for number in range(options.batch)]

    def answer(count: int) -> None:
        geolocator._answer(pixels[:count], names[:count], "beam", top_k=5, mask=None)

    seconds = {
        "one picture": median_seconds(lambda: answer(1), options.repeats),
        "batch": median_seconds(lambda: answer(options.batch), options.repeats),
    }
    show(seconds, options.rows, options.batch)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    report = {
        "rows": options.rows,
        "batch": options.batch,
        "threads": torch.get_num_threads(),
        "repeats": options.repeats,
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "median_seconds": seconds,
    }
    options.output.write_text(json.dumps(report, indent=2) + "\n")


class MadeUpFeatures:
    """Stands where the encoder does, and takes no time."""

    size = 1

    def __init__(self, width: int) -> None:
        self.width = width
        self._generator = torch.Generator().manual_seed(1)

    def encode(self, pixels: torch.Tensor) -> torch.Tensor:
        """Random features, others at each call."""
        return torch.randn(len(pixels), self.width, generator=self._generator)


def random_model(rows: int) -> Model:
    """GeoCLIP's alignment with fresh weights, and a gallery of places spread evenly over the Earth."""
    encoder, alignment, cells = ClipEncoderConfig(), GeoClipAlignmentConfig(), GalleryCellModelConfig()
    random = np.random.default_rng(0)
    lat, lon = np.degrees(np.arcsin(random.uniform(-1, 1, rows))), random.uniform(-180, 180, rows)
    vectors = torch.randn(rows, alignment.width, generator=torch.Generator().manual_seed(0))
    return Model(
        config=ModelConfig(
            name="random",
            domain="none",
            purpose="timing",
            licence="none",
            encoder=encoder,
            alignment=alignment,
            gallery_cells=cells,
            gallery_of="places",
            gallery_rows=rows,
        ),
        encoder=MadeUpFeatures(encoder.width),
        alignment=GeoClipAlignment(alignment),
        gallery=Gallery(
            torch.from_numpy(np.stack([lat, lon], axis=1)), functional.normalize(vectors, dim=-1)
        ),
    )


def median_seconds(run: Callable[[], object], repeats: int) -> float:
    """Median elapsed time of a run."""
    times: list[float] = []
    for _ in range(WARM_UP + repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times[WARM_UP:])


def show(seconds: dict[str, float], rows: int, batch: int) -> None:
    """Print the table."""
    table = Table("pictures", "ms", "ms a picture", title=f"a gallery of {rows:,} places, elapsed time")
    for (name, value), count in zip(seconds.items(), (1, batch), strict=True):
        table.add_row(
            f"{name} of {count}" if count > 1 else name, f"{value * 1e3:.1f}", f"{value * 1e3 / count:.2f}"
        )
    Console().print(table)


if __name__ == "__main__":
    main()
