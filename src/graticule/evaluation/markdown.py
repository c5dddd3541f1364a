"""Reports as Markdown tables: for model cards and for the README, from the same plain data as the JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["difference_table", "figure", "method_table"]


def method_table(report: Mapping[str, Any]) -> str:
    """Every method on the same pictures.

    Args:
        report: `Report.to_dict()`, or the same read from JSON.
    """
    thresholds = list(next(iter(report["summaries"].values()))["within"])
    headings = [f"{_within(report)} {float(t):g} km, %" for t in thresholds]
    lines = [_row("method", *headings, "median km", "GeoScore"), "|---|" + "---:|" * (len(headings) + 2)]
    for method, summary in report["summaries"].items():
        cells = [figure(summary["within"][t], scale=100, digits=1) for t in thresholds]
        lines.append(_row(method, *cells, figure(summary["median_km"]), figure(summary["geoscore"])))
    return "\n".join(lines)


def difference_table(report: Mapping[str, Any]) -> str:
    """The model's best decoding less each baseline, paired on the same pictures."""
    thresholds = list(next(iter(report["differences"].values()))["within"])
    headings = [f"{_within(report)} {float(t):g} km, points" for t in thresholds]
    lines = [_row(f"{report['best']}, less", *headings, "GeoScore"), "|---|" + "---:|" * (len(headings) + 1)]
    for method, difference in report["differences"].items():
        cells = [figure(difference["within"][t], scale=100, digits=1, sign="+") for t in thresholds]
        lines.append(_row(method, *cells, figure(difference["geoscore"], sign="+")))
    return "\n".join(lines)


def figure(estimate: Mapping[str, float], *, scale: float = 1, digits: int = 0, sign: str = "") -> str:
    """A figure with half the width of its interval."""
    half = scale * (estimate["high"] - estimate["low"]) / 2
    return f"{scale * estimate['value']:{sign}.{digits}f} ± {half:.{digits}f}"


def _within(report: Mapping[str, Any]) -> str:
    """`<` or `<=`: what the report's distance says, and the sphere's where it says nothing."""
    return str(report.get("distance", {}).get("within", "<"))


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"
