"""How good answers are: accuracy, other Earths, coverage, policies."""

from __future__ import annotations

from typing import Any

from graticule.evaluation.markdown import difference_table, figure, method_table
from sections.tables import load, table

__all__ = ["accuracy", "elsewhere", "headline", "policies", "shifted_coverage"]

NAMES = {"january": "simulated January", "relief": "shaded relief", "atlas": "relief atlas"}


def headline() -> list[str]:
    """The README's results: the methods side by side."""
    report = load("evaluate")
    count = next(iter(report["summaries"].values()))["count"]
    return [
        f"The shipped model on {count:,} fresh noisy views of the embedded world, beside baselines on the same",
        "features and gallery (32,768 pictures); ± is half a 95 % bootstrap interval. GeoToken answers with its",
        "[calibration](docs/uncertainty.md), which weighs cells by the alignment too.",
        "",
        method_table(report),
        "",
        "    graticule evaluate --source orbit --split test --format json --output benchmarks/results/evaluate.json",
    ]


def accuracy() -> list[str]:
    """The same, with the differences on the same pictures."""
    told = [line.replace("](docs/", "](") for line in headline()]
    return [
        *told[:-1],
        "The difference on the same pictures (paired bootstrap):",
        "",
        difference_table(load("evaluate")),
        "",
        told[-1],
    ]


def elsewhere() -> list[str]:
    """Mosaics the model has never seen."""
    command = "    python benchmarks/shift.py --output benchmarks/results/shift.json"
    return [*shift(load("shift")), "", command]


def shift(report: dict[str, Any]) -> list[str]:
    """Mosaics the model has never seen."""
    rows = []
    for name, judged in report["mosaics"].items():
        for method in (judged["best"], "gallery retrieval"):
            summary = judged["summaries"][method]
            cells = [figure(summary["within"][t], scale=100, digits=1) for t in ("25", "200")]
            rows.append(
                [NAMES[name], method, *cells, figure(summary["median_km"]), figure(summary["geoscore"])]
            )
    return table(["mosaic", "method", "< 25 km, %", "< 200 km, %", "median km", "GeoScore"], rows, texts=2)


def policies() -> list[str]:
    """The comparison of policies for negatives."""
    report = load("policies")
    settings, thresholds = report["settings"], ("25", "50", "100", "200", "750")
    within = [f"< {t} km" for t in thresholds]
    figures = [
        [
            name,
            *(f"{100 * found['within'][t]['mean']:.2f}" for t in thresholds),
            f"{found['median_km']:.1f}",
            f"{found['geoscore']:.0f}",
        ]
        for name, found in report["figures"].items()
    ]
    differences = []
    for name, found in report["differences"].items():
        cells = []
        for key, scale in [*((t, 100) for t in thresholds), ("geoscore", 1)]:
            value, half = scale * found[key]["value"], scale * found[key]["half"]
            cells.append(f"{value:+.2f} ± {half:.2f}{' ★' if abs(value) > half else ''}")
        differences.append([name, *cells])
    return [
        f"{len(settings['seeds'])} seeds, {settings['pictures']:,} test views, {settings['steps']:,} steps; % of views",
        "within a distance:",
        "",
        *table(["policy", *within, "median km", "GeoScore"], figures),
        "",
        "Differences for the same seeds on the same views, in points; ± is half a 95 % interval that counts both",
        "other seeds and other views, ★ is clear of zero:",
        "",
        *table(["difference", *within, "GeoScore"], differences),
        "",
        "    python benchmarks/policies.py",
    ]


def shifted_coverage() -> list[str]:
    """What a calibration is worth on an Earth it was not fitted on."""
    rows = []
    for name, judged in load("shift")["mosaics"].items():
        for version, label in (("raw", "as it is"), ("calibrated", "calibrated")):
            found = judged["probabilities"][version]
            [row] = [row for row in found["coverage"] if row["asked"] == 0.9]
            held = [figure(row[kind], scale=100, digits=1) for kind in ("region", "circle")]
            rows.append([NAMES[name], label, *held, figure(found["nll"], digits=2)])
    headings = ["mosaic", "version", "regions of 90 % hold, %", "circles of 90 % hold, %", "nats per km²"]
    return table(headings, rows, texts=2)
