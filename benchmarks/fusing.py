"""What it gains to answer pictures of an outing in the light of each other: outings simulated on Orbit.

    python benchmarks/fusing.py [--outings 500] [--views 4]

An outing is some views taken half an hour apart, by somebody who drives: each next place is an exponential draw of
20 km from the one before. One view in twenty is of elsewhere, as if a clock were wrong. The same views are answered
alone and together; pairs of answers are compared by resampling whole outings. Writes a JSON file.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from graticule.data.orbit.camera import Pose, render
from graticule.data.orbit.mosaic import Mosaic, training_mosaic_path
from graticule.data.orbit.photometry import ORDINARY_DRAWS, ordinary
from graticule.data.orbit.views import poses, uniforms
from graticule.earth.distance import destination, haversine_km
from graticule.evaluation.metrics import geoscore
from graticule.fusing.fuse import fuse
from graticule.locator import Geolocator
from graticule.prediction import Prediction, Result
from graticule.store import write_whole

FIRST_VIEW = 710_000
"""Views that nothing else was fitted or judged on."""
STEP_KM, STRANGE, GAP_S = 20.0, 0.05, 1800.0
RESAMPLES = 2000


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="orbit")
    parser.add_argument("--outings", type=int, default=500)
    parser.add_argument("--views", type=int, default=4, help="of an outing")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "fusing.json")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    start = time.monotonic()
    pixels, truth = outings(options.outings, options.views, options.seed)
    geolocator = Geolocator.load(options.model)
    alone: list[Result] = []
    for first in range(0, len(pixels), 64):
        part = pixels[first : first + 64]
        alone += geolocator.answer(part, [str(first + row) for row in range(len(part))])
    located = time.monotonic()
    together: list[Result] = []
    seconds = [GAP_S * view for view in range(options.views)]
    for first in range(0, len(alone), options.views):
        together += fuse(alone[first : first + options.views], seconds, together_s=GAP_S)
    fused = time.monotonic()

    draws = np.random.default_rng(options.seed).integers(options.outings, size=(RESAMPLES, options.outings))
    report = {
        "model": options.model,
        "outings": options.outings,
        "views": options.views,
        "strange": STRANGE,
        "step_km": STEP_KM,
        "gap_s": GAP_S,
        "fusing_ms_a_picture": 1000 * (fused - located) / len(alone),
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "seconds": time.monotonic() - start,
    }
    before, after = (figures(results, truth) for results in (alone, together))
    for name in before:
        a, b = (found[name].reshape(options.outings, options.views).mean(axis=1) for found in (before, after))
        report[name] = {
            "alone": interval(a, draws),
            "together": interval(b, draws),
            "gain": interval(b - a, draws),
        }
        print(name, json.dumps(report[name]))
    options.output.parent.mkdir(parents=True, exist_ok=True)
    write_whole(options.output, (json.dumps(report, indent=2) + "\n").encode())


def outings(count: int, views: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Pixels (N, 3, S, S) and places (N, 2) of all views, outing by outing."""
    mosaic = Mosaic.open(training_mosaic_path())
    total = count * views
    pose = poses("test", np.arange(FIRST_VIEW, FIRST_VIEW + total), seed=seed)
    own = np.stack([pose.lat.numpy(), pose.lon.numpy()], axis=-1).astype(np.float64)
    random = np.random.default_rng(seed)
    places = own.reshape(count, views, 2).copy()
    for view in range(1, views):
        bearing, km = random.uniform(0, 360, count), random.exponential(STEP_KM, count)
        there = destination(*places[:, view - 1].T, bearing_deg=bearing, distance_km=km)
        places[:, view] = np.stack(there, axis=-1)
    strange = random.random((count, views)) < STRANGE
    places[strange] = own.reshape(count, views, 2)[strange]
    truth = places.reshape(total, 2)
    moved = replace(
        pose, lat=torch.from_numpy(truth[:, 0]).to(pose.lat), lon=torch.from_numpy(truth[:, 1]).to(pose.lon)
    )
    lights = uniforms(
        "test", np.arange(FIRST_VIEW, FIRST_VIEW + total), count=ORDINARY_DRAWS, stream=1, seed=seed
    )
    pixels = [
        ordinary(render(mosaic, part)[:, :3], lights[rows]).mul(255).round_().to(torch.uint8).numpy()
        for rows in np.array_split(np.arange(total), -(-total // 256))
        for part in [Pose(**{field.name: getattr(moved, field.name)[rows] for field in fields(moved)})]
    ]
    return np.concatenate(pixels), truth


def figures(results: list[Result], truth: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Figure -> its value for each picture (N,)."""
    answers = [result for result in results if isinstance(result, Prediction)]
    points = np.array([(answer.latitude, answer.longitude) for answer in answers])
    km = haversine_km(*points.T, *truth.T)
    radii = np.array([answer.radius_km for answer in answers])
    found: dict[str, list[float]] = {"regions of 90 % hold the truth": [], "their area, km2": []}
    for answer, place in zip(answers, truth, strict=True):
        density = answer.density
        assert density is not None
        region = density.credible(0.9)
        found["regions of 90 % hold the truth"].append(bool(region[0, density.holding(*place[:, None])[0]]))
        found["their area, km2"].append(float((density.area_km2 * region).sum()))
    return {
        "GeoScore": geoscore(km),
        "within 200 km": (km < 200).astype(float),
        "circles of 90 % hold the truth": (km <= radii).astype(float),
        **{name: np.array(values, dtype=float) for name, values in found.items()},
    }


def interval(of_outings: NDArray[np.float64], draws: NDArray[np.int64]) -> dict[str, float]:
    """The mean, and the middle 95 % of what it is when outings are drawn again."""
    means = of_outings[draws].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return {"value": float(of_outings.mean()), "low": float(low), "high": float(high)}


if __name__ == "__main__":
    main()
