"""The figure of a semivariogram: what was found lag by lag, the curve fitted to it, and how far it reaches.

matplotlib (extra `figures`) is imported when a figure is made, never before, and its global state is not touched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from graticule.earth.variogram import Fit
from graticule.errors import MissingExtraError
from graticule.maps import Palette

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["variogram_figure"]

_SIZE: Final = (11.0, 6.4)  # inches
_AREAS: Final = (30.0, 200.0)  # of the dots with the fewest and the most pairs, in square points
_REPLICATES: Final = 200


def variogram_figure(fit: Fit, *, title: str) -> Figure:
    """Draw a fit, 1100 x 640 pixels when saved at its own resolution.

    A dot stands at the mean lag and semivariance of its pairs; its area grows with the logarithm of their number, and
    its bar is a 95 % interval of the block bootstrap. The axis of distance is logarithmic if lags are.

    Args:
        fit: The model with the empirical semivariogram it was fitted to.
        title: What it is a semivariogram of.

    Returns:
        A figure of its own, not registered with pyplot: `figure.savefig(path)`.

    Raises:
        MissingExtraError: If matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError.of("figures", "matplotlib") from error

    figure = Figure(figsize=_SIZE, dpi=100, facecolor=Palette.PAPER)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.08, 0.115, 0.89, 0.76))
    _style(axes)
    found = fit.empirical
    axes.set_ylim(0, 1.3 * max(found.semivariance.max(), fit.model.nugget + fit.model.sill, 1e-12))
    if _widen(fit):
        axes.set_xscale("log")
        axes.set_xlim(0.7 * found.lag_km[found.lag_km > 0][0], 1.15 * found.high_km[-1])
    else:
        axes.set_xlim(0, 1.03 * found.high_km[-1])
    _dots(axes, fit)
    _curve(axes, fit)
    axes.set_xlabel("distance on the ground, km", color=Palette.SOFT, fontsize=12)
    name = "1 - cosine" if found.dissimilarity == "cosine" else "half the squared distance of features"
    axes.set_ylabel(f"semivariance ({name})", color=Palette.SOFT, fontsize=12)
    axes.xaxis.set_major_formatter(lambda km, _: f"{km:,g}")
    # Dollars would start a formula.
    figure.text(0.08, 0.945, title.replace("$", r"\$"), color=Palette.INK, fontsize=16, weight="bold")
    pairs = f"{found.counts.sum():,} {'sampled ' if found.sampled else ''}pairs of {found.points:,} points"
    figure.text(0.08, 0.902, pairs, color=Palette.SOFT, fontsize=12)
    return figure


def _widen(fit: Fit) -> bool:
    """Whether lags are several times wider at the end than at the start."""
    widths = fit.empirical.high_km - fit.empirical.low_km
    return bool(widths[-1] > 4 * widths[:3].max())


def _style(axes: Axes) -> None:
    axes.set_facecolor(Palette.SEA)
    axes.grid(color=Palette.LAND, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(colors=Palette.SOFT, which="both", labelsize=11)
    axes.spines[:].set_color(Palette.COAST)


def _dots(axes: Axes, fit: Fit) -> None:
    found = fit.empirical
    size = np.log(found.counts)
    share = (size - size.min()) / max(np.ptp(size), 1e-9)
    low, high = np.nanquantile(found.bootstrap(_REPLICATES), [0.025, 0.975], axis=0)
    axes.vlines(found.lag_km, low, high, color=Palette.INK, linewidth=1.6, zorder=6)
    style: dict[str, Any] = {
        "color": Palette.TRUTH,
        "edgecolor": Palette.PAPER,
        "linewidth": 0.8,
        "zorder": 4,
    }
    fewest, most = found.counts.min(), found.counts.max()
    label = f"lags of {fewest:,} to {most:,} pairs, 95 % interval"
    axes.scatter(
        found.lag_km, found.semivariance, s=_AREAS[0] + share * (_AREAS[1] - _AREAS[0]), label=label, **style
    )


def _curve(axes: Axes, fit: Fit) -> None:
    model, (start, end) = fit.model, axes.get_xlim()
    km = np.geomspace(start, end, 400) if axes.get_xscale() == "log" else np.linspace(0, end, 400)
    axes.plot(
        km, model.gamma(km), color=Palette.ESTIMATE, linewidth=2.2, label=f"{model.kind} model", zorder=5
    )
    level = model.nugget + model.sill
    axes.axhline(level, color=Palette.SOFT, linewidth=1, linestyle=(0, (4, 3)), zorder=2)
    axes.axhline(model.nugget, color=Palette.SOFT, linewidth=1, linestyle=(0, (1, 3)), zorder=2)
    note: dict[str, Any] = {
        "color": Palette.SOFT,
        "fontsize": 11,
        "textcoords": "offset points",
        "ha": "right",
    }
    # Clear of the dots, which lie about the level and above the nugget.
    axes.annotate(f"nugget + sill {level:.3g}", (end, level), xytext=(-6, 14), **note)
    axes.annotate(f"nugget {model.nugget:.3g}", (end, model.nugget), xytext=(-6, -14), **note)
    reach = model.practical_range_km
    words = f"practical range {reach:,.0f} km"
    if start < reach < end:
        axes.axvline(reach, color=Palette.ESTIMATE, linewidth=1.2, linestyle=(0, (4, 3)), zorder=2)
    interval = fit.intervals.get("practical_range_km")
    if interval is not None:
        axes.axvspan(
            max(interval[0], start), min(interval[1], end), color=Palette.ESTIMATE, alpha=0.12, zorder=1
        )
        words += f" ({interval[0]:,.0f} to {interval[1]:,.0f})"
    axes.plot([], [], color=Palette.ESTIMATE, linestyle=(0, (4, 3)), linewidth=1.2, label=words)
    legend = axes.legend(loc="upper left", facecolor=Palette.PAPER, edgecolor=Palette.COAST, fontsize=11)
    for text in legend.get_texts():
        text.set_color(Palette.INK)
