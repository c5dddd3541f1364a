"""Compare every traversal with every selector, on the same fresh test views of Orbit.

    graticule reward orbit --out runs/reward-orbit
    python benchmarks/selection.py --reward runs/reward-orbit [--views 4000] [--validation-views 4000]

Without `--reward` that selector is left out. For each traversal a fusion of all selectors is fitted on candidates of
validation views, which the model has not learned from, and is judged on the test views. The oracle, which reads the
truth, is the upper bound of what selection can reach. Intervals are 95 % bootstraps, paired where differences are told.

Writes a JSON file, and the table between the markers of a document.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from graticule.data.orbit.mosaic import Mosaic, training_mosaic_path
from graticule.data.orbit.views import Split, Views
from graticule.decoding.select import Selector
from graticule.decoding.select.probability import LogProbability
from graticule.decoding.select.reward import Reward
from graticule.decoding.select.risk import MinimumRisk
from graticule.decoding.select.similarity import Similarity
from graticule.earth.distance import haversine_km
from graticule.evaluation.selection import TRAVERSALS, Pool, compare, fit_fusion, pool, selection_table
from graticule.locator import answers
from graticule.model import Model
from graticule.store import write_whole
from graticule.tokens.reward import RewardModel

ROOT = Path(__file__).parents[1]
BEGIN, END = "<!-- selection -->", "<!-- /selection -->"
FIRST_VIEW: dict[Split, int] = {"validation": 300_000, "test": 300_000}
"""Views that nothing else was fitted or judged on."""


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", default="orbit")
    parser.add_argument("--reward", type=Path, help="folder that `graticule reward` wrote")
    parser.add_argument("--views", type=int, default=4000, help="test views")
    parser.add_argument("--validation-views", type=int, default=4000, help="views the fusions are fitted on")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks" / "results" / "selection.json")
    parser.add_argument("--document", type=Path, default=ROOT / "docs" / "selection.md")
    options = parser.parse_args()

    torch.set_num_threads(options.threads)
    model = Model.open(options.model)
    selectors = named_selectors(model, options.reward)
    start = time.monotonic()
    seen = {
        "validation": views(model, "validation", options.validation_views),
        "test": views(model, "test", options.views),
    }
    pools: dict[str, Pool] = {}
    fusions = {}
    for name, traversal in TRAVERSALS.items():
        made = {
            split: pool(model, *pictures, traversal=traversal, selectors=selectors)
            for split, pictures in seen.items()
        }
        pools[name] = made["test"]
        if name != "greedy":
            fitted_on = f"{name} of {options.validation_views} validation views of Orbit"
            fusions[name] = fit_fusion(made["validation"], model=model.config.name, fitted_on=fitted_on)
            pools[name] = made["test"].with_fusion(fusions[name])
        print(f"{name}: {time.monotonic() - start:.0f} s")
    features, lat_lon = seen["test"]
    whole = {
        "all of a beam": replace(model, calibration=None),
        "all of a beam, calibrated (as `locate` answers)": model,
    }
    rows = compare(pools, {name: away_km(version, features, lat_lon) for name, version in whole.items()})

    reward = selectors.get("reward")
    report = {
        "model": model.config.name,
        "near_km": reward.model.config.near_km if isinstance(reward, Reward) else None,
        "views": options.views,
        "validation_views": options.validation_views,
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "seconds": time.monotonic() - start,
        "fusions": {name: fusion.model_dump() for name, fusion in fusions.items()},
        "rows": rows,
    }
    options.output.parent.mkdir(parents=True, exist_ok=True)
    write_whole(options.output, (json.dumps(report, indent=2) + "\n").encode())
    text = options.document.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    table = f"{options.views:,} test views:\n\n{selection_table(rows)}"
    write_whole(options.document, f"{before}{BEGIN}\n{table}\n{END}{after}".encode())
    print(table)


def away_km(model: Model, features: Tensor, lat_lon: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far off the answers are that the whole density gives (B,)."""
    parts = torch.split(features, 256)
    points = np.concatenate([answers(model, model.query_of_features(part)) for part in parts])
    return haversine_km(*points.T, *lat_lon.T)


def named_selectors(model: Model, reward: Path | None) -> dict[str, Selector]:
    """All that need no pictures and no truth."""
    selectors: dict[str, Selector] = {
        "log-probability": LogProbability(),
        "similarity": Similarity(model.alignment),
        "minimum-risk, GeoScore": MinimumRisk("geoscore"),
        "minimum-risk, median": MinimumRisk("median"),
        "minimum-risk, 25 km": MinimumRisk("within", within_km=25),
    }
    if reward is not None:
        selectors["reward"] = Reward(RewardModel.from_folder(reward))
    return selectors


def views(model: Model, split: Split, count: int) -> tuple[Tensor, NDArray[np.float64]]:
    """Features (B, F) of fresh views of a split, and their places (B, 2)."""
    camera = Views(Mosaic.open(training_mosaic_path()), split, size=model.encoder.size)
    features, places = [], []
    for rows in np.split(np.arange(count) + FIRST_VIEW[split], range(256, count, 256)):
        pixels, pose = camera.batch(rows)
        features.append(model.encoder.encode(pixels))
        places.append(torch.stack([pose.lat, pose.lon], dim=1))
    return torch.cat(features), torch.cat(places).numpy()


if __name__ == "__main__":
    main()
