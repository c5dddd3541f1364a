"""Hold a model's probabilities against fresh test views of Orbit, as it is and with its calibration.

    python benchmarks/calibration.py [--views 10000]

The calibration is the one in the model's folder (`graticule calibrate`), fitted on validation views; the test views
are none of them. Writes a JSON file, the tables between the markers of docs/uncertainty.md, and the figure in it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from graticule.data.orbit.mosaic import Mosaic, training_mosaic_path
from graticule.evaluation.calibration import Outcomes, calibration_error, coverage_table, risk_by_coverage
from graticule.evaluation.comparison import paired_difference
from graticule.evaluation.markdown import figure
from graticule.evaluation.metrics import bootstrap, interval, summarise
from graticule.evaluation.pictures import OrbitPictures, encode
from graticule.evaluation.probabilistic import outcomes, uncalibrated
from graticule.figures.calibration import calibration_figure
from graticule.model import Model
from graticule.store import write_whole

ROOT = Path(__file__).parents[1]
BEGIN, END = "<!-- calibration -->", "<!-- /calibration -->"
FIRST_VIEW = 500_000
"""Views that nothing else was fitted or judged on."""
RAW, CALIBRATED = "as it is", "calibrated"


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", default="orbit")
    parser.add_argument("--views", type=int, default=10_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks" / "results" / "calibration.json")
    parser.add_argument("--document", type=Path, default=ROOT / "docs" / "uncertainty.md")
    parser.add_argument("--figure", type=Path, default=ROOT / "docs" / "images" / "calibration.png")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    start = time.monotonic()
    model = Model.open(options.model)
    if model.calibration is None:
        parser.error(f"{options.model} has no calibration; `graticule calibrate` fits one")
    pictures = OrbitPictures(Mosaic.open(training_mosaic_path()), "test", options.views, FIRST_VIEW)
    features, rows = encode(pictures, model.encoder)
    lat_lon = pictures.lat_lon[rows]
    versions = {
        RAW: uncalibrated(model),
        CALIBRATED: model.calibration,
    }
    seen = {name: outcomes(model, features, lat_lon, calibration=used) for name, used in versions.items()}

    report = {
        "model": model.config.name,
        "views": options.views,
        "fitted_on": model.calibration.fitted_on,
        "temperatures": model.calibration.temperatures,
        "blend": None if model.calibration.blend is None else model.calibration.blend.model_dump(),
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "seconds": time.monotonic() - start,
        "outcomes": {name: figures(outcome) for name, outcome in seen.items()},
        "difference": asdict(paired_difference(seen[CALIBRATED].distance_km, seen[RAW].distance_km)),
        "difference_nats": mean(seen[CALIBRATED].nats - seen[RAW].nats),
    }
    options.output.parent.mkdir(parents=True, exist_ok=True)
    write_whole(options.output, (json.dumps(report, indent=2) + "\n").encode())
    text = options.document.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    written = tables(report)
    write_whole(options.document, f"{before}{BEGIN}\n{written}\n{END}{after}".encode())
    calibration_figure(seen).savefig(options.figure, dpi=80)
    print(written)


def figures(seen: Outcomes) -> dict[str, Any]:
    """What is told of one version."""
    risk = risk_by_coverage(seen.entropy_bits, seen.distance_km)
    return {
        "summary": asdict(summarise(seen.distance_km)),
        "coverage": [asdict(row) for row in coverage_table(seen)],
        "nats": mean(seen.nats),
        "searched_km2": float(np.median(seen.searched_km2)),
        "entropy_bits": float(np.median(seen.entropy_bits)),
        "level_errors": {
            level: calibration_error(said, was)
            for level, said, was in zip(seen.levels, seen.confidence.T, seen.right.T, strict=True)
        },
        "risk_km": {"area": risk.area, "order_known": risk.best_area, "order_unknown": risk.no_area},
    }


def mean(values: np.ndarray) -> dict[str, float]:
    """A mean with its 95 % bootstrap interval."""
    draws = bootstrap(
        lambda rows: values[rows].mean(axis=-1, keepdims=True), len(values), resamples=1000, seed=0
    )
    low, high = interval(draws, confidence=0.95)
    return {"value": float(values.mean()), "low": float(low[0]), "high": float(high[0])}


def tables(report: dict[str, Any]) -> str:
    """Coverage, then everything else, as Markdown."""
    lines = [
        f"{report['views']:,} fresh test views of Orbit, none of them among those the calibration was fitted on "
        f"({report['fitted_on']}); ± is half a 95 % interval.",
        "",
        "| version | asked, % | regions hold, % | median region, km² | circles hold, % | median radius, km |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, found in report["outcomes"].items():
        for row in found["coverage"]:
            region, circle = (figure(row[kind], scale=100, digits=1) for kind in ("region", "circle"))
            lines.append(
                f"| {name} | {100 * row['asked']:g} | {region} | {row['region_km2']:,.0f} | {circle} | "
                f"{row['radius_km']:,.0f} |"
            )
    lines += [
        "",
        "| version | nats per km² | median ground to search, km² | < 25 km, % | < 200 km, % | median km | GeoScore | "
        "area under risk, km |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, found in report["outcomes"].items():
        summary, risk = found["summary"], found["risk_km"]
        within = {float(km): share for km, share in summary["within"].items()}
        lines.append(
            f"| {name} | {figure(found['nats'], digits=2)} | {found['searched_km2']:,.0f} | "
            f"{figure(within[25.0], scale=100, digits=1)} | {figure(within[200.0], scale=100, digits=1)} | "
            f"{figure(summary['median_km'], digits=1)} | {figure(summary['geoscore'])} | "
            f"{risk['area']:.0f} (order known {risk['order_known']:.0f}, unknown {risk['order_unknown']:.0f}) |"
        )
    nats, score = report["difference_nats"], report["difference"]["geoscore"]
    lines += [
        "",
        f"Calibrated less as it is, on the same views: {figure(nats, digits=2, sign='+')} nats, "
        f"{figure(score, digits=1, sign='+')} GeoScore.",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
