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
    from graticule.evaluation.judged import Pair, Report

__all__ = ["pair_tables", "report_tables"]

_AREAS_KM2 = (1e3, 1e4, 1e5, 1e6, 1e7)
_COUNTRIES = 12
_GROUP_KM = (25, 200, 750)
_ANSWERED = (0.25, 0.5, 0.75, 1.0)


def report_tables(report: Report) -> RenderableType:
    """All that a report says, but for its longest lists."""
    how = f"% of pictures within a distance; beneath a figure, half its 95 % interval. {report.distance}."
    parts: list[RenderableType] = [_figures(report), _differences(report), _note(how)]
    parts += _administrative(report)
    parts += _probabilities(report.probabilities)
    parts += _groups(report)
    parts += _audit(report)
    return _sheet(parts)


def pair_tables(pairs: list[Pair]) -> list[RenderableType]:
    """How models differ, two by two, or nothing."""
    if not pairs:
        return []
    table = _distance_table(
        "Models on the same pictures, paired (* clear of zero)", list(pairs[0].difference.within)
    )
    for pair in pairs:
        _add_difference(table, f"{pair.first}\nless {pair.second}", pair.difference)
    return [_sheet([table])]


def _sheet(parts: list[RenderableType]) -> RenderableType:
    """Tables and notes, one below the other; a title of its own line may be wider than its table."""
    lines: list[RenderableType] = []
    for part in parts:
        if isinstance(part, Table):
            lines.append(Text(str(part.title), style="italic"))
            part.title = None
        lines.append(part)
    return Group(*lines)


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
    thresholds = list(next(iter(report.differences.values())).within)
    title = f"{report.best}, less each baseline and any selector on the same pictures (* clear of zero)"
    table = _distance_table(title, thresholds)
    for name, difference in report.differences.items():
        _add_difference(table, name, difference)
    return table


def _add_difference(table: Table, name: str, difference: Comparison) -> None:
    cells = [_with_interval(d, scale=100, digits=1, sign="+") for d in difference.within.values()]
    table.add_row(name, *cells, _with_interval(difference.geoscore, scale=1, digits=0, sign="+"))


def _administrative(report: Report) -> list[RenderableType]:
    found = report.administrative
    if found is None:
        return []
    table = _table(f"{report.best}: how often the answer lies where the truth does (no distances)", "")
    for heading in ("%", "pictures", "left out, without a label"):
        table.add_column(heading, justify="right", no_wrap=True)
    for level, row in found.levels.items():
        table.add_row(level.replace("_", "-"), _share(row.share), f"{row.pictures:,}", f"{row.left_out:,}")
    return [table, _note(f"How answers get their names: {found.how}.")]


def _groups(report: Report) -> list[RenderableType]:
    """Continents, and the countries with the most pictures."""
    tables: list[RenderableType] = []
    most = dict(list(report.countries.items())[:_COUNTRIES])
    rest = len(report.countries) - len(most)
    more = f"; JSON and page have {rest} more" if rest else ""
    for title, groups in (
        ("by continent of the truth, % within", report.continents),
        (f"by country, % within{more}", most),
    ):
        table = _table(f"{report.best}, {title}", "")
        headings = ("pictures", *(f"{t}\nkm" for t in _GROUP_KM), "GeoScore", "±", "median\nkm")
        for heading in headings:
            table.add_column(heading, justify="right", no_wrap=True)
        for name, summary in groups.items():
            shares = [f"{100 * summary.within[t].value:.1f}" for t in _GROUP_KM]
            score, half = summary.geoscore.value, _half(summary.geoscore)
            median = f"{summary.median_km.value:,.0f}"
            table.add_row(name, f"{summary.count:,}", *shares, f"{score:.0f}", f"{half:.0f}", median)
        tables.append(table)
    return tables


def _audit(report: Report) -> list[RenderableType]:
    audit = report.audit
    if audit is None:
        return []
    near = audit.nearness
    table = _distance_table(
        f"With gallery rows that leak, and without (cosine >= {near.cosine:g}, place within {near.km:g} km)",
        list(next(iter(audit.summaries.values())).within),
    )
    for name, difference in audit.differences.items():
        for row, summary in ((name, report.summaries[name]), ("  without", audit.summaries[name])):
            cells = [_with_interval(share, scale=100, digits=1) for share in summary.within.values()]
            table.add_row(row, *cells, _with_interval(summary.geoscore, scale=1, digits=0))
        _add_difference(table, "  difference", difference)
    dropped = "; ".join(
        f"{kind}: {'not known' if count is None else f'{count:,}'}" for kind, count in audit.dropped.items()
    )
    words = (
        f"Dropped of {audit.gallery:,} gallery rows: {dropped}. What weights learnt of them is not unlearnt."
    )
    return [table, _note(words)]


def _probabilities(found: dict[str, Probabilities]) -> list[RenderableType]:
    """Likelihood, coverage, recall against area and risk against coverage, of the model raw and calibrated."""
    likelihood = _table("What its probabilities are worth", "")
    for heading in (
        "nats per km²",
        "±",
        "median",
        "median km²\nto search",
        "AURC\nkm",
        "order\nknown /\nunknown",
    ):
        likelihood.add_column(heading, justify="right", no_wrap=True)
    for name, worth in found.items():
        likelihood.add_row(
            name,
            f"{worth.nll.value:.2f}",
            f"{_half(worth.nll):.2f}",
            f"{worth.median_nll:.2f}",
            f"{worth.searched_km2:,.0f}",
            f"{worth.risk.area:.0f}",
            f"{worth.risk.best_area:.0f} / {worth.risk.no_area:.0f}",
        )
    note = _note(
        f"nats: mean negative log-likelihood of the truth; knowing nothing is {KNOWING_NOTHING:.2f}. AURC: mean"
        " distance, averaged over the shares of pictures answered, the surest first. Circles, and distances here,"
        " are great circles."
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
    table = Table(title=title, box=SIMPLE, padding=(0, 1, 0, 0))
    for heading in columns:
        table.add_column(heading, overflow="fold")
    return table


def _distance_table(title: str, thresholds: Sequence[float]) -> Table:
    table = _table(title, "")
    for heading in (*(f"{t:g}\nkm" for t in thresholds), "GeoScore"):
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _note(words: str) -> Text:
    return Text(words + "\n", style="dim")


def _share(estimate: Estimate) -> str:
    return f"{100 * estimate.value:.1f} ±{100 * _half(estimate):.1f}"


def _half(estimate: Estimate) -> float:
    """Half the width of its interval."""
    return (estimate.high - estimate.low) / 2


def _with_interval(figure: Estimate, *, scale: float, digits: int, sign: str = "") -> Text:
    """A figure and, beneath, half the width of its interval; differences clear of zero get a star."""
    star = "*" if isinstance(figure, Difference) and figure.clear_of_zero else ""
    half = scale * _half(figure)
    return Text(f"{scale * figure.value:{sign}.{digits}f}{star}\n±{half:.{digits}f}", justify="right")
