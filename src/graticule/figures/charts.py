"""Line charts as SVG: text that a page can hold, whose colours follow the page's light or dark.

A chart has no colours of its own. Its parts have classes, `axis`, `grid`, `ideal`, `line s0` to `line s5` and
`dashed`, and the page says how these look.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

__all__ = ["SERIES", "Axis", "Line", "chart"]

SERIES: Final = 6
"""How many lines look different."""
_WIDTH, _HEIGHT = 520, 330
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 22, 12, 46


@dataclass(frozen=True)
class Axis:
    """One side of a chart.

    Attributes:
        label: What it shows, with its unit.
        ticks: Where numbers stand; the first and last are the ends.
        write: How they are written.
        log: Whether it is logarithmic.
    """

    label: str
    ticks: Sequence[float]
    write: Callable[[float], str] = "{:g}".format
    log: bool = False

    def share(self, value: float) -> float:
        """Where a value lies, from 0 at the first tick to 1 at the last; beyond them it lies at the end."""
        low, high = self.ticks[0], self.ticks[-1]
        inside = min(max(value, low), high)
        if self.log:
            return math.log(inside / low) / math.log(high / low)
        return (inside - low) / (high - low)


@dataclass(frozen=True)
class Line:
    """One line of a chart.

    Attributes:
        name: What it is.
        x: Along.
        y: Up.
        series: Which colour it has.
        dashed: Whether it is.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    series: int = 0
    dashed: bool = False

    @property
    def classes(self) -> str:
        """How the page knows it."""
        return f"line s{self.series % SERIES}" + (" dashed" if self.dashed else "")


def chart(title: str, across: Axis, up: Axis, lines: Sequence[Line], *, ideal: bool = False) -> str:
    """An SVG element with its title, axes, lines and legend.

    Args:
        title: What the chart asks or shows.
        across: The axis below.
        up: The axis on the left.
        lines: What is drawn.
        ideal: Draw the diagonal, where what was asked is what was found.
    """
    parts = [_axes(across, up)]
    if ideal:
        parts.append(f'<path class="ideal" d="M{_x(0)} {_y(0)}L{_x(1)} {_y(1)}"/>')
    for line in lines:
        points = " ".join(
            f"{_x(across.share(x)):.1f},{_y(up.share(y)):.1f}" for x, y in zip(line.x, line.y, strict=True)
        )
        parts.append(
            f'<polyline class="{line.classes}" points="{points}"><title>{escape(line.name)}</title></polyline>'
        )
    legend = "".join(
        f'<li><svg viewBox="0 0 26 8" aria-hidden="true"><path class="{line.classes}" d="M1 4H25"/></svg>'
        f"{escape(line.name)}</li>"
        for line in lines
    )
    return (
        f'<figure class="chart"><figcaption>{escape(title)}</figcaption>'
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}">{"".join(parts)}</svg>'
        f'<ul class="legend">{legend}</ul></figure>'
    )


def _axes(across: Axis, up: Axis) -> str:
    parts = []
    for tick in across.ticks:
        x = _x(across.share(tick))
        parts.append(f'<path class="grid" d="M{x:.1f} {_y(0)}V{_y(1)}"/>')
        parts.append(
            f'<text class="tick" x="{x:.1f}" y="{_y(0) + 17}" text-anchor="middle">{escape(across.write(tick))}</text>'
        )
    for tick in up.ticks:
        y = _y(up.share(tick))
        parts.append(f'<path class="grid" d="M{_x(0)} {y:.1f}H{_x(1)}"/>')
        parts.append(
            f'<text class="tick" x="{_x(0) - 7}" y="{y + 4:.1f}" text-anchor="end">{escape(up.write(tick))}</text>'
        )
    middle = (_y(0) + _y(1)) / 2
    parts.append(f'<path class="axis" d="M{_x(0)} {_y(1)}V{_y(0)}H{_x(1)}"/>')
    parts.append(
        f'<text class="label" x="{(_x(0) + _x(1)) / 2}" y="{_HEIGHT - 8}" text-anchor="middle">'
        f"{escape(across.label)}</text>"
    )
    parts.append(
        f'<text class="label" transform="translate(14 {middle}) rotate(-90)" text-anchor="middle">'
        f"{escape(up.label)}</text>"
    )
    return "".join(parts)


def _x(share: float) -> float:
    return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)


def _y(share: float) -> float:
    return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)
