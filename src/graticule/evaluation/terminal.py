"""Reports as tables for a terminal of 80 columns or more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.box import SIMPLE
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from graticule.evaluation.comparison import Comparison, Difference
from graticule.evaluation.metrics import Estimate
from graticule.evaluation.probabilistic import KNOWING_NOTHING, Probabilities

if TYPE_CHECKING:
    from graticule.evaluation.report import Report

__all__ = ["report_tables"]

_AREAS_KM2 = (1e3, 1e4, 1e5, 1e6, 1e7)
_ANSWERED = (0.25, 0.5, 0.75, 1.0)


def report_tables(report: Report) -> RenderableType:
    """All that a report says, but for its longest lists."""
    parts: list[RenderableType] = [_figures(report), _differences(report)]
    parts.append(
        _note(
            f"% of pictures within a distance; beneath a figure, half its 95 % interval. {report.distance}."
        )
    )
    if report.probabilities:
        parts += _probabilities(report.probabilities)
    return Group(*parts)


def _figures(report: Report) -> Table:
    any_summary = next(iter(report.summaries.values()))
    thresholds = list(any_summary.within)
    title = f"{report.model} on {report.pictures}: {any_summary.count} pictures"
    table = _distance_table(f"{title}, {report.refused} refused" if report.refused else title, thresholds)
    for heading in ("median\nkm", "mean\nkm"):
        table.add_column(heading, justify="right", no_wrap=True)
    for method, summary in report.summaries.items():
        cells = [_with_interval(summary.within[t], scale=100, digits=1) for t in thresholds]
        rest = (summary.geoscore, summary.median_km, summary.mean_km)
        cells += [_with_interval(estimate, scale=1, digits=0) for estimate in rest]
        table.add_row(method, *cells, style="bold" if method == report.best else None)
    return table


def _differences(report: Report) -> Table:
    title = f"{report.best}, less each baseline on the same pictures (* clear of zero)"
    return comparison_table(title, report.differences)


def comparison_table(title: str, differences: dict[str, Comparison]) -> Table:
    """Paired differences, a row each."""
    table = _distance_table(title, list(next(iter(differences.values())).within))
    for name, difference in differences.items():
        cells = [_with_interval(d, scale=100, digits=1, sign="+") for d in difference.within.values()]
        table.add_row(name, *cells, _with_interval(difference.geoscore, scale=1, digits=0, sign="+"))
    return table


def _probabilities(found: dict[str, Probabilities]) -> list[RenderableType]:
    """Likelihood, coverage, recall against area and risk against coverage, of the model raw and calibrated."""
    likelihood = _table("What its probabilities are worth", "")
    for heading in (
        "nats per km²",
        "±",
        "median",
        "truths held\nimpossible",
        "median km²\nto search",
        "AURC\nkm",
        "order\nknown /\nunknown",
    ):
        likelihood.add_column(heading, justify="right", no_wrap=True)
    for name, worth in found.items():
        nll = worth.nll
        said = ("infinite", "") if nll is None else (f"{nll.value:.2f}", f"{(nll.high - nll.low) / 2:.2f}")
        likelihood.add_row(
            name,
            *said,
            "infinite" if worth.median_nll is None else f"{worth.median_nll:.2f}",
            str(worth.impossible),
            f"{worth.searched_km2:,.0f}",
            f"{worth.risk.area:.0f}",
            f"{worth.risk.best_area:.0f} / {worth.risk.no_area:.0f}",
        )
    note = _note(
        f"nats: mean negative log-likelihood of the truth; knowing nothing is {KNOWING_NOTHING:.2f}. AURC: mean"
        " distance, averaged over the shares of pictures answered, the surest first."
    )
    return [likelihood, note, _coverage(found), _recall(found), _risk(found)]


def _coverage(found: dict[str, Probabilities]) -> Table:
    table = _table("How often regions and circles hold the truth", "", "asked")
    for heading in ("region\nholds %", "median\nkm²", "mean\nkm²", "circle\nholds %", "median\nradius km"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, worth in found.items():
        for row in worth.coverage:
            table.add_row(
                name,
                f"{100 * row.asked:.0f} %",
                _share(row.region),
                f"{row.region_km2:,.0f}",
                f"{row.region_mean_km2:,.0f}",
                _share(row.circle),
                f"{row.radius_km:,.0f}",
            )
    return table


def _recall(found: dict[str, Probabilities]) -> Table:
    table = _table("% of truths found by searching the densest cells, up to an area in km²", "")
    for area in _AREAS_KM2:
        table.add_column(f"{area:,.0f}", justify="right", no_wrap=True)
    for name, worth in found.items():
        known = dict(zip(worth.recall.x, worth.recall.y, strict=True))
        table.add_row(name, *(f"{100 * known[area]:.1f}" for area in _AREAS_KM2))
    return table


def _risk(found: dict[str, Probabilities]) -> Table:
    table = _table("Mean distance in km, if only the surest are answered", "")
    for share in _ANSWERED:
        table.add_column(f"{100 * share:.0f} %", justify="right", no_wrap=True)
    for name, worth in found.items():
        known = dict(zip(worth.risk.curve.x, worth.risk.curve.y, strict=True))
        table.add_row(name, *(f"{known[share]:,.0f}" for share in _ANSWERED))
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE, padding=(0, 1, 0, 0))
    for heading in columns:
        table.add_column(heading, no_wrap=True)
    return table


def _distance_table(title: str, thresholds: Sequence[float]) -> Table:
    table = _table(title, "")
    for heading in (*(f"{t:g}\nkm" for t in thresholds), "GeoScore"):
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _note(words: str) -> Text:
    return Text(words + "\n", style="dim")


def _share(estimate: Estimate) -> str:
    return f"{100 * estimate.value:.1f} ±{50 * (estimate.high - estimate.low):.1f}"


def _with_interval(figure: Estimate, *, scale: float, digits: int, sign: str = "") -> Text:
    """A figure and, beneath, half the width of its interval; differences clear of zero get a star."""
    star = "*" if isinstance(figure, Difference) and figure.clear_of_zero else ""
    half = scale * (figure.high - figure.low) / 2
    return Text(f"{scale * figure.value:{sign}.{digits}f}{star}\n±{half:.{digits}f}", justify="right")
