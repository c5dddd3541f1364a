"""What computing in bfloat16 or int8 wins, and what it changes.

    python benchmarks/precision.py [--views 3000] [--photos 8] [--threads 2] [--tiny]

`orbit`: the shipped model on views of the embedded mosaic of the split `validation`, which neither trained it nor is
reported elsewhere. For each precision: time, the share of pictures whose estimate moves by more than 1, 25 and 200 km
or whose likeliest finest cell is another, and the GeoScore less that of float32, paired on the same pictures.

`large`: CLIP's ViT-L/14 and the paper's GeoToken with random weights, as in `road.py`. Weights without training say
nothing about answers, so here the cosines of features and the share of equal likeliest cells stand for them.

`plain` is float32 as torch computes it, the model as it is opened; all others are given by `in_precision`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch.nn import functional

from graticule.data.orbit.mosaic import Mosaic, training_mosaic_path
from graticule.data.orbit.views import Views
from graticule.earth.distance import haversine_km
from graticule.evaluation.comparison import paired_difference
from graticule.locator import explore
from graticule.model import Model
from graticule.precision import MOST_SHIFT, PRECISIONS, Precision, in_precision, shifts
from road import large_model

PLAIN: Final = "plain"
NAMES: Final[tuple[Precision | Literal["plain"], ...]] = (PLAIN, *PRECISIONS)
MOVED_KM = (1, 25, 200)
BATCH = 64


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--views", type=int, default=3000)
    parser.add_argument("--photos", type=int, default=8)
    parser.add_argument("--places", type=int, default=10_000, help="in the gallery of the large model")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each; the median is told")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--tiny", action="store_true", help="a small encoder and GeoToken, to try the script")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "precision.json")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    views = Views(Mosaic.open(training_mosaic_path()), "validation")
    pixels, pose = views.batch(np.arange(options.views))
    truth = np.stack([pose.lat.numpy(), pose.lon.numpy()], axis=1)
    report = {
        "threads": options.threads,
        "repeats": options.repeats,
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in ("torch", "transformers")},
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "most_shift": MOST_SHIFT,
        "orbit": {"views": options.views, "precisions": orbit(pixels, truth, options.repeats)},
        "large": {
            "photos": options.photos,
            "tiny": options.tiny,
            "precisions": large(options.photos, options.places, options.repeats, tiny=options.tiny),
        },
    }
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(report, indent=2) + "\n")


def orbit(pixels: torch.Tensor, truth: np.ndarray, repeats: int) -> dict[str, dict[str, Any]]:
    """The shipped model in each precision."""
    plain = Model.open("orbit")
    rows: dict[str, dict[str, Any]] = {}
    points: dict[str, np.ndarray] = {}
    cells: dict[str, torch.Tensor] = {}
    for name in NAMES:
        model = plain if name == "plain" else in_precision(plain, name)
        batches = torch.split(pixels, BATCH)
        found = [explore(model, model.query(part)) for part in batches]
        points[name] = np.concatenate([part.density.point() for part in found])
        cells[name] = torch.cat([part.candidates.tokens[:, 0] for part in found])
        moved = haversine_km(*points[name].T, *points[PLAIN].T)
        off = [haversine_km(*points[which].T, *truth.T) for which in (name, PLAIN)]
        rows[name] = timed(model, pixels[:BATCH], repeats) | {
            "shift": float(torch.cat([shifts(plain, model, part) for part in batches]).mean()),
            "moved_further_than_km": {km: float((moved > km).mean()) for km in MOVED_KM},
            "other_likeliest_cell": float((cells[name] != cells[PLAIN]).any(1).double().mean()),
            "geoscore_difference": asdict(paired_difference(*off).geoscore),
        }
        show("orbit", name, rows)
    return rows


def large(photos: int, places: int, repeats: int, *, tiny: bool) -> dict[str, dict[str, Any]]:
    """Random weights of the published sizes in each precision."""
    plain = large_model(places, tiny=tiny)
    size = plain.encoder.size
    pixels = torch.randint(256, (photos, 3, size, size), dtype=torch.uint8)
    features = plain.encoder.encode(pixels)
    cells = explore(plain, plain.query(pixels)).candidates.tokens[:, 0]
    rows: dict[str, dict[str, Any]] = {}
    for name in NAMES:
        model = plain if name == "plain" else in_precision(plain, name)
        cosines = functional.cosine_similarity(model.encoder.encode(pixels), features)
        # From the same query, so that only GeoToken's own rounding is seen.
        own = explore(model, plain.query(pixels)).candidates.tokens[:, 0]
        rows[name] = timed(model, pixels, repeats) | {
            "least_cosine_of_features": float(cosines.min()),
            "equal_tokens_of_likeliest_cell": float((own == cells).double().mean()),
        }
        show("large", name, rows)
    return rows


def timed(model: Model, pixels: torch.Tensor, repeats: int) -> dict[str, Any]:
    """Milliseconds a picture of one batch: the encoder, GeoToken with search and density, and both."""
    query = model.query(pixels)
    parts: dict[str, Callable[[], object]] = {
        "encoder": lambda: model.encoder.encode(pixels),
        "GeoToken and density": lambda: explore(model, query),
        "both": lambda: explore(model, model.query(pixels)),
    }
    return {"ms_a_picture": {name: median_ms(part, repeats) / len(pixels) for name, part in parts.items()}}


def median_ms(run: Callable[[], object], repeats: int) -> float:
    """Wall time of a run."""
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        taken.append(1e3 * (time.perf_counter() - start))
    return statistics.median(taken)


def show(model: str, name: str, rows: dict[str, dict[str, Any]]) -> None:
    """Print what was measured in one precision."""
    table = Table("", "", title=f"{model}, {name}")
    for part, took in rows[name]["ms_a_picture"].items():
        faster = rows[PLAIN]["ms_a_picture"][part] / took
        table.add_row(f"{part}, ms a picture", f"{took:.2f} ({faster:.2f} times as fast as plain)")
    for key, value in rows[name].items():
        if key != "ms_a_picture":
            parts = value.items() if isinstance(value, dict) else [("", value)]
            for part, number in parts:
                table.add_row(f"{key} {part}", f"{number:.4g}")
    Console().print(table)


if __name__ == "__main__":
    main()
