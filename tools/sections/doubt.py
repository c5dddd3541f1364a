"""What is doubted: pictures without a place in them, and what that costs views."""

from __future__ import annotations

from typing import Any

from graticule.evaluation.markdown import figure
from sections.tables import load, table

__all__ = ["no_signal"]

VIEWS = {
    "views": "fresh test views",
    "plain": "without grain and haze",
    "grey": "black and white",
    "jpeg": "as JPEG of quality 50",
    "half the exposure": "half the exposure",
    "january": "simulated January",
    "relief": "shaded relief",
    "atlas": "relief atlas",
}


def no_signal() -> list[str]:
    """Pictures without a place, then views."""
    report = load("no_signal")
    kinds = [
        [kind.replace("_", " "), "settled on" if found["settled_on"] else "held out", *_counts(found)]
        for kind, found in report["kinds"].items()
    ]
    views = [
        [
            f"{VIEWS[name]} ({found['pictures']:,})",
            *_counts(found)[:3],
            *(figure(found["circles_hold"][version], scale=100, digits=1) for version in ("without", "with")),
            figure(found["geoscore_change"], digits=1, sign="+"),
        ]
        for name, found in [("views", report["views"]), *report["others"].items()]
    ]
    count = next(iter(report["kinds"].values()))["pictures"]
    passed = f"pass {100 * report['confidence']:.0f} % within {report['within_km']:.0f} km"
    return [
        f"{count} pictures of each kind, of other seeds than any that was looked at before; with 95 % intervals. "
        f"The median region of 90 % of a view has {report['views']['region_km2']['with']:,.0f} km².",
        "",
        *table(
            [
                "kind",
                "limits",
                "doubted, %",
                f"{passed}, before, %",
                "with the doubt, %",
                "median region, before, 1,000 km²",
                "with the doubt, 1,000 km²",
            ],
            kinds,
            texts=2,
        ),
        "",
        "Views, and what it costs them; the last two rows are drawn maps, on which the model is lost:",
        "",
        *table(
            [
                "views",
                "doubted, %",
                "pass before, %",
                "with the doubt, %",
                "circles of 90 % hold, before, %",
                "with the doubt, %",
                "change of GeoScore",
            ],
            views,
        ),
        "",
        "    python benchmarks/no_signal.py --output benchmarks/results/no_signal.json",
    ]


def _counts(found: dict[str, Any]) -> list[str]:
    regions = [f"{found['region_km2'][version] / 1000:,.0f}" for version in ("without", "with")]
    passed = found["passed"]
    return [_share(found["doubted"]), _share(passed["without"]), _share(passed["with"]), *regions]


def _share(share: dict[str, float]) -> str:
    low, high = 100 * share["low"], 100 * share["high"]
    return f"{100 * share['value']:.1f} ({low:.1f} to {high:.1f})"
