"""Pictures of how well a model's probabilities keep their word.

matplotlib (extra `figures`) is imported when a figure is made, never before, and its global state is not
touched.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import numpy as np

from graticule.errors import ConfigError, MissingExtraError
from graticule.evaluation.calibration import (
    Outcomes,
    calibration_error,
    recall_by_area,
    risk_by_coverage,
    wilson,
)
from graticule.maps import Palette

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "calibration_figure",
    "draw_level_errors",
    "draw_recall",
    "draw_reliability",
    "draw_risk",
]

_COLOURS: Final = (Palette.TRUTH, Palette.ESTIMATE, Palette.INK)


def calibration_figure(outcomes: Mapping[str, Outcomes]) -> Figure:
    """One sheet: reliability, errors level by level, ground to search, and what abstaining saves.

    Args:
        outcomes: What each line shows -> how it did, on the same pictures; three at most.

    Returns:
        A figure of its own, 1400 x 1100 pixels, not registered with pyplot: `figure.savefig(path)`.

    Raises:
        ConfigError: There are no outcomes, or more than three.
        MissingExtraError: If matplotlib is not installed.
    """
    if not 1 <= len(outcomes) <= len(_COLOURS):
        raise ConfigError(f"{len(outcomes)} outcomes: one sheet shows 1 to {len(_COLOURS)}.")
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError.of("figures", "matplotlib") from error

    figure = Figure(figsize=(14, 11), dpi=100, facecolor=Palette.PAPER)
    FigureCanvasAgg(figure)
    panels = figure.subplots(2, 2)
    for axes, draw in zip(
        panels.flat, (draw_reliability, draw_level_errors, draw_recall, draw_risk), strict=True
    ):
        draw(axes, outcomes)
    figure.tight_layout(pad=2.0)
    return figure


def draw_reliability(axes: Axes, outcomes: Mapping[str, Outcomes]) -> None:
    """How often regions (solid) and circles (dashed) hold the truth, against how often they were asked to."""
    _prepare(axes, "Does a region hold the truth as often as it says?", "asked, %", "held, %")
    axes.plot([0, 100], [0, 100], color=Palette.SOFT, linewidth=1.0, linestyle=":")
    for colour, (name, outcome) in zip(_COLOURS, outcomes.items(), strict=False):
        asked = np.arange(1, outcome.region_covers.shape[1] + 1)
        for covers, what, style in (
            (outcome.region_covers, "region", "-"),
            (outcome.circle_covers, "circle", "--"),
        ):
            label = f"{name}, {what}"
            axes.plot(asked, 100 * covers.mean(axis=0), color=colour, linestyle=style, label=label)
        ends = [wilson(column) for column in outcome.region_covers.T]
        axes.fill_between(
            asked,
            [100 * end.low for end in ends],
            [100 * end.high for end in ends],
            color=colour,
            alpha=0.15,
            linewidth=0,
        )
    axes.set_xlim(0, 100)
    axes.set_ylim(0, 100)
    axes.set_aspect("equal")
    _legend(axes, "lower right")


def draw_level_errors(axes: Axes, outcomes: Mapping[str, Outcomes]) -> None:
    """Expected calibration error of the most probable cell of each level, as bars."""
    _prepare(axes, "How far off is the best cell's probability?", "S2 level of the cell", "points")
    width = 0.8 / len(outcomes)
    for place, (colour, (name, outcome)) in enumerate(zip(_COLOURS, outcomes.items(), strict=False)):
        levels = np.arange(len(outcome.levels))
        errors = [
            100 * calibration_error(said, was)
            for said, was in zip(outcome.confidence.T, outcome.right.T, strict=True)
        ]
        axes.bar(levels + (place - (len(outcomes) - 1) / 2) * width, errors, width, color=colour, label=name)
        axes.set_xticks(levels, [str(level) for level in outcome.levels])
    _legend(axes, "best")


def draw_recall(axes: Axes, outcomes: Mapping[str, Outcomes]) -> None:
    """Share of pictures whose truth lies in their densest cells, up to an area."""
    _prepare(axes, "How much ground must be searched?", "area searched, km²", "found, %")
    for colour, (name, outcome) in zip(_COLOURS, outcomes.items(), strict=False):
        areas, recall = recall_by_area(outcome.searched_km2)
        label = f"{name}, median {_rounded(float(np.median(areas)))} km²"
        axes.step(areas, 100 * recall, where="post", color=colour, label=label)
    axes.set_xscale("log")
    axes.set_ylim(0, 100)
    _legend(axes, "lower right")


def draw_risk(axes: Axes, outcomes: Mapping[str, Outcomes]) -> None:
    """Mean distance of the pictures that are answered, when the least sure are not."""
    _prepare(axes, "What does abstaining save?", "answered, the surest first, %", "mean distance, km")
    for colour, (name, outcome) in zip(_COLOURS, outcomes.items(), strict=False):
        curve = risk_by_coverage(outcome.entropy_bits, outcome.distance_km)
        # The first few pictures say little, and would rule the scale.
        shown = slice(len(curve.risk) // 50, None)
        label = f"{name}, area {curve.area:.0f} km (order unknown {curve.no_area:.0f}, known {curve.best_area:.0f})"
        axes.plot(100 * curve.coverage[shown], curve.risk[shown], color=colour, label=label)
    axes.set_xlim(0, 100)
    axes.set_ylim(bottom=0)
    _legend(axes, "upper left")


def _prepare(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set_facecolor(Palette.SEA)
    axes.set_title(title, color=Palette.INK, fontsize=14, loc="left")
    axes.set_xlabel(x, color=Palette.SOFT)
    axes.set_ylabel(y, color=Palette.SOFT)
    axes.tick_params(colors=Palette.SOFT)
    axes.grid(color=Palette.LINES, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[:].set_edgecolor(Palette.COAST)


def _legend(axes: Axes, where: str) -> None:
    axes.legend(
        loc=where, facecolor=Palette.PAPER, edgecolor=Palette.LINES, labelcolor=Palette.INK, fontsize=10
    )


def _rounded(number: float) -> str:
    """Two digits, thousands apart: 4600 as '4 600'."""
    digits = 1 - int(np.floor(np.log10(number)))
    return f"{round(number, digits):,.0f}".replace(",", " ")
