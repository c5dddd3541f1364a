"""An evaluation as one page that needs nothing else: charts and maps as SVG, pictures inside, no scripts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import Final

import numpy as np

from graticule.earth.notation import format_km, format_place
from graticule.errors import InputError
from graticule.evaluation.breakdown import Miss
from graticule.evaluation.comparison import Comparison, Difference
from graticule.evaluation.judged import Evaluation, Pair, Report
from graticule.evaluation.leakage import Audit
from graticule.evaluation.metrics import Estimate, Summary
from graticule.evaluation.pictures import KnownPictures
from graticule.evaluation.places import Administrative
from graticule.evaluation.probabilistic import KNOWING_NOTHING, Curve, Probabilities
from graticule.figures.charts import Axis, Line, chart
from graticule.figures.error_map import CLASSES_KM, error_map
from graticule.figures.page import page, thumbnail

__all__ = ["report_page"]

_MISSES: Final = (24, 12)
"""Shown of one model, and of each of several."""
_PERCENT: Final = Axis("", (0, 0.2, 0.4, 0.6, 0.8, 1), lambda share: f"{100 * share:.0f}")


def report_page(found: Evaluation) -> str:
    """The page of an evaluation, as HTML."""
    first = found.reports[0]
    names = " and ".join(report.model for report in found.reports)
    title = f"How far off is {names}?" if len(found.reports) == 1 else f"How far off are {names}?"
    body = [
        f"<header><h1>{escape(title)}</h1><p>Judged on <b>{escape(first.pictures)}</b>. {_counted(found.reports)} "
        f"Distances: {escape(str(first.distance))}. After &#177; stands half a 95&nbsp;% interval, by resampling "
        "pictures.</p></header>",
        *(_headline(report) for report in found.reports),
        _pairs(found.pairs),
        _section("Accuracy and certainty", f'<div class="charts">{"".join(_charts(found.reports))}</div>'),
    ]
    for report in found.reports:
        body += _of_model(report, found.pictures, _MISSES[len(found.reports) > 1])
    return page(
        title,
        body,
        footer="Made by Graticule. Outlines: Natural Earth. Answers are estimates; figures hold for pictures like "
        "these.",
    )


def _counted(reports: Sequence[Report]) -> str:
    counts = sorted({len(report.answers.rows) for report in reports})
    refused = max(report.refused for report in reports)
    many = " to ".join(f"{count:,}" for count in counts)
    return f"{many} pictures" + (f", {refused:,} refused." if refused else ".")


def _headline(report: Report) -> str:
    summary = report.summaries[report.best]
    tiles = [
        ("GeoScore", _plain(summary.geoscore)),
        ("median km", _plain(summary.median_km)),
        ("mean km", _plain(summary.mean_km)),
        *((f"within {t:g} km, %", _percent(share)) for t, share in summary.within.items()),
    ]
    cells = "".join(f"<div><dt>{escape(name)}</dt><dd>{value}</dd></div>" for name, value in tiles)
    return f'<section class="headline"><h2>{escape(report.model)}, {escape(report.best)}</h2><dl>{cells}</dl></section>'


def _charts(reports: Sequence[Report]) -> Iterable[str]:
    """The same four questions asked of every model."""
    several = len(reports) > 1
    far = [*(10.0**power for power in range(5)), 20_015.0]
    share = Axis("of pictures, %", _PERCENT.ticks, _PERCENT.write)
    lines = []
    for series, report in enumerate(reports):
        km = np.sort(report.answers.km)
        at = np.geomspace(far[0], far[-1], 120)
        lines.append(
            Line(report.model, at.tolist(), (km.searchsorted(at, side="right") / len(km)).tolist(), series)
        )
    yield chart("How many answers lie within a distance?", Axis("km", far, _short, log=True), share, lines)
    worth = list(_each(reports))
    yield chart(
        "Does a region hold the truth as often as it says?",
        Axis("asked, %", _PERCENT.ticks, _PERCENT.write),
        Axis("held, %", _PERCENT.ticks, _PERCENT.write),
        [
            *(look(f"{look.name}, region", probable.regions) for look, probable in worth),
            # Circles of several models would be too many lines.
            *(
                look(f"{look.name}, circle", probable.circles, dashed=True)
                for look, probable in worth
                if not several
            ),
        ],
        ideal=True,
    )
    yield chart(
        "How much ground must be searched?",
        Axis("area of the densest cells, km²", [10.0**power for power in range(1, 9)], _short, log=True),
        Axis("truths found, %", _PERCENT.ticks, _PERCENT.write),
        [look(look.name, probable.recall) for look, probable in worth],
    )
    most = max(max(probable.risk.curve.y) for _, probable in worth)
    yield chart(
        "What does abstaining save?",
        Axis("answered, the surest first, %", _PERCENT.ticks, _PERCENT.write),
        Axis("mean distance, km", _round_ticks(most), _short),
        [look(look.name, probable.risk.curve) for look, probable in worth],
    )


@dataclass(frozen=True)
class _Look:
    """What the lines of one model's probabilities are called, and how they are drawn."""

    name: str
    series: int
    dashed: bool = False

    def __call__(self, name: str, curve: Curve, *, dashed: bool = False) -> Line:
        return Line(name, curve.x, curve.y, self.series, dashed=dashed or self.dashed)


def _each(reports: Sequence[Report]) -> Iterable[tuple[_Look, Probabilities]]:
    """Every model, raw and calibrated: one in two colours, or each of several in its own, calibrated dashed."""
    for series, report in enumerate(reports):
        for place, (kind, probable) in enumerate(report.probabilities.items()):
            if len(reports) > 1:
                yield _Look(f"{report.model}, {kind}", series, dashed=place > 0), probable
            else:
                yield _Look(kind, place), probable


def _of_model(report: Report, pictures: KnownPictures, misses: int) -> list[str]:
    """Everything that is one model's own."""
    thresholds = list(next(iter(report.summaries.values())).within)
    worst = report.worst[:misses]
    key = "".join(
        f'<li class="e{number}">{words}</li>' for number, words in enumerate(_class_names(CLASSES_KM))
    )
    return [
        f'<div class="model"><h2>{escape(report.model)}</h2>',
        _section(
            "Methods on the same features",
            _summaries(report.summaries, thresholds, best=report.best),
            _differences(f"{report.best}, less", report.differences),
        ),
        _section("What its probabilities are worth", _probabilities(report.probabilities)),
        _administrative(report.administrative),
        _audit(report.audit, thresholds),
        _section(
            "Where it is far off",
            error_map(
                report.answers.truth, report.answers.km, ways=[(miss.truth, miss.answer) for miss in worst]
            ),
            f'<ul class="key">{key}</ul><p class="soft">A dot where each picture was taken, by how far off its answer '
            f"is, and the ways of the {len(worst)} worst misses.</p>",
        ),
        _section(
            "By continent and country of the truth",
            _summaries(report.continents, thresholds, counted=True),
            f"<details><summary>{len(report.countries)} countries</summary>"
            f"{_summaries(report.countries, thresholds, counted=True)}</details>",
        ),
        _section(
            "Worst misses", f'<div class="sheet">{"".join(_miss(miss, pictures) for miss in worst)}</div>'
        ),
        "</div>",
    ]


def _summaries(
    summaries: Mapping[str, Summary], thresholds: Sequence[float], *, best: str = "", counted: bool = False
) -> str:
    headings = ["", *(["pictures"] if counted else []), *(f"{t:g} km, %" for t in thresholds)]
    rows = [
        [
            escape(name),
            *([f"{summary.count:,}"] if counted else []),
            *(_percent(share) for share in summary.within.values()),
            _plain(summary.geoscore),
            _plain(summary.median_km),
            _plain(summary.mean_km),
        ]
        for name, summary in summaries.items()
    ]
    return _table([*headings, "GeoScore", "median km", "mean km"], rows, strong=escape(best))


def _differences(heading: str, differences: Mapping[str, Comparison]) -> str:
    thresholds = list(next(iter(differences.values())).within)
    rows = [
        [
            escape(name),
            *(_signed(share, scale=100, digits=1) for share in difference.within.values()),
            _signed(difference.geoscore),
            _signed(difference.median_km),
        ]
        for name, difference in differences.items()
    ]
    headings = [escape(heading), *(f"{t:g} km, points" for t in thresholds), "GeoScore", "median km"]
    return (
        _table(headings, rows) + '<p class="soft">Paired on the same pictures; &#9733; is clear of zero.</p>'
    )


def _pairs(pairs: Sequence[Pair]) -> str:
    if not pairs:
        return ""
    named = {f"{pair.first}, less {pair.second}": pair.difference for pair in pairs}
    return _section("Models on the same pictures", _differences("", named))


def _probabilities(found: Mapping[str, Probabilities]) -> str:
    rows, coverage = [], []
    for name, worth in found.items():
        risk = worth.risk
        rows.append(
            [
                escape(name),
                escape(worth.fitted_on),
                _plain(worth.nll, digits=2),
                f"{worth.median_nll:.2f}",
                f"{worth.searched_km2:,.0f}",
                f"{risk.area:,.0f}",
                f"{risk.best_area:,.0f} / {risk.no_area:,.0f}",
            ]
        )
        coverage += [
            [
                escape(name),
                f"{100 * row.asked:.0f}",
                _percent(row.region),
                f"{row.region_km2:,.0f}",
                f"{row.region_mean_km2:,.0f}",
                _percent(row.circle),
                f"{row.radius_km:,.0f}",
            ]
            for row in worth.coverage
        ]
    first = _table(
        [
            "",
            "fitted on",
            "nats per km²",
            "median",
            "median km² to search",
            "AURC, km",
            "order known / unknown",
        ],
        rows,
    )
    second = _table(
        [
            "",
            "asked, %",
            "region holds, %",
            "median km²",
            "mean km²",
            "circle holds, %",
            "median radius, km",
        ],
        coverage,
    )
    return (
        f'{first}<p class="soft">Nats: mean negative log-likelihood of the truth; knowing nothing is '
        f"{KNOWING_NOTHING:.2f}. AURC: mean distance, averaged over the shares of pictures answered, the surest first. "
        f"Circles, and distances here, are great circles.</p>{second}"
    )


def _administrative(found: Administrative | None) -> str:
    if found is None:
        return ""
    rows = [
        [level.replace("_", "-"), _percent(row.share), f"{row.pictures:,}", f"{row.left_out:,}"]
        for level, row in found.levels.items()
    ]
    return _section(
        "Administrative accuracy",
        _table(["", "answers in it, %", "pictures", "left out, without a label"], rows),
        f'<p class="soft">Another family of figures than distances. Names of answers: {escape(found.how)}.</p>',
    )


def _audit(audit: Audit | None, thresholds: Sequence[float]) -> str:
    if audit is None:
        return ""
    dropped = "; ".join(
        f"{kind}: {'not known' if count is None else f'{count:,}'}" for kind, count in audit.dropped.items()
    )
    near = audit.nearness
    return _section(
        "Without gallery rows that leak",
        _summaries(audit.summaries, thresholds),
        _differences("less the same with them", audit.differences),
        f'<p class="soft">Dropped of {audit.gallery:,} rows: {escape(dropped)}. A near-duplicate has a cosine of '
        f"{near.cosine:g} or more, or lies within {near.km:g} km. What weights learnt of such pictures is not unlearnt."
        "</p>",
    )


def _miss(miss: Miss, pictures: KnownPictures) -> str:
    places = [
        f"{format_place(*place)}, {country or 'sea'}"
        for place, country in ((miss.truth, miss.true_country), (miss.answer, miss.answered_country))
    ]
    return (
        f"<figure>{_thumbnail(miss, pictures)}<figcaption><b>{format_km(miss.km)} off</b>"
        f'<span class="name">{escape(miss.id)}</span><span>taken at {escape(places[0])}</span>'
        f"<span>answered {escape(places[1])}</span></figcaption></figure>"
    )


def _thumbnail(miss: Miss, pictures: KnownPictures) -> str:
    """A small copy inside the page, or words where the picture has gone since, or its disk fails."""
    try:
        image = pictures.image(miss.row)
    except InputError:  # hours of figures are not lost for a picture
        return '<div class="gone">can\'t be read any more</div>'
    return thumbnail(image)


def _section(title: str, *parts: str) -> str:
    return f"<section><h3>{escape(title)}</h3>{''.join(parts)}</section>"


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]], *, strong: str = "") -> str:
    """Cells are HTML already; the first of a row is its name."""
    head = "".join(f'<th scope="col">{heading}</th>' for heading in headings)
    body = "".join(_row(row, strong=bool(strong) and row[0] == strong) for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _row(cells: Sequence[str], *, strong: bool) -> str:
    values = "".join(f"<td>{cell}</td>" for cell in cells[1:])
    kind = "strong" if strong else "plain"
    return f'<tr class="{kind}"><th scope="row">{cells[0]}</th>{values}</tr>'


def _plain(estimate: Estimate, *, scale: float = 1, digits: int = 0) -> str:
    half = scale * (estimate.high - estimate.low) / 2
    return f"{scale * estimate.value:,.{digits}f} <small>&#177;{half:,.{digits}f}</small>"


def _percent(share: Estimate) -> str:
    return _plain(share, scale=100, digits=1)


def _signed(difference: Difference, *, scale: float = 1, digits: int = 0) -> str:
    half = scale * (difference.high - difference.low) / 2
    star = " &#9733;" if difference.clear_of_zero else ""
    value = round(scale * difference.value, digits) + 0.0  # no -0
    return f"{value:+,.{digits}f}{star} <small>&#177;{half:,.{digits}f}</small>"


def _class_names(edges: Sequence[float]) -> list[str]:
    between = [f"{low:g} to {high:g} km" for low, high in pairwise(edges)]
    return [f"within {edges[0]:g} km", *between, f"{edges[-1]:g} km or more"]


def _short(number: float) -> str:
    """1000000 as 1M."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g}{letter}"
    return f"{number:g}"


def _round_ticks(most: float) -> list[float]:
    """From 0 to a round number not below the most, in four to eight steps."""
    power = 10.0 ** np.floor(np.log10(max(most, 1e-9)))
    step = next(float(power * part) for part in (0.2, 0.25, 0.5, 1, 2) if most / (power * part) <= 8)
    return [step * number for number in range(max(int(np.ceil(most / step)), 1) + 1)]
