"""A picture of an answer: the photo, the world with the probability on it, and the candidates.

matplotlib (extra `figures`) is imported when a figure is made, never before, and its global state is not
touched.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from graticule import maps
from graticule.earth.borders import countries_at
from graticule.earth.distance import haversine_km
from graticule.earth.notation import format_km, format_place
from graticule.earth.outline import cell_from_token
from graticule.errors import MissingExtraError
from graticule.maps import WORLD, Palette, View
from graticule.prediction import Candidate, Prediction

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Density", "Place", "map_figure"]

Density: TypeAlias = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Points (N, 2), latitude and longitude in degrees, and the probability of each (N,)."""

Place: TypeAlias = tuple[float, float]
"""Latitude and longitude in degrees."""

# The layout is in pixels from the upper left corner of this sheet.
_WIDTH: Final = 1600
_HEIGHT: Final = 800
_LEFT: Final = 40
_RIGHT: Final = 1560
_PHOTO: Final = (_LEFT, 136, 312, 312)
_ZOOM: Final = (_LEFT, 464, 312, 312)
_MAP: Final = (384, 136, 1176, 470)
_LISTED: Final = 5


def map_figure(
    picture: Image.Image,
    prediction: Prediction,
    *,
    truth: Place | None = None,
    density: Density | None = None,
    purpose: str = "",
) -> Figure:
    """Draw an answer, 1600 x 800 pixels when saved at its own resolution.

    Args:
        picture: The picture that was located.
        prediction: The answer.
        truth: Where it was really taken, if that is known.
        density: The probability over the Earth; that of the prediction if not given.
        purpose: What the model is for, in a few words.

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

    figure = Figure(figsize=(_WIDTH / 100, _HEIGHT / 100), dpi=100, facecolor=Palette.PAPER)
    FigureCanvasAgg(figure)
    density = _probability(prediction) if density is None else density
    _words(figure, prediction, truth, purpose)
    _photo(_axes(figure, *_PHOTO), picture)
    _world(_axes(figure, *_MAP), prediction, truth, density)
    _zoom(_axes(figure, *_ZOOM), prediction, truth, density)
    _candidates(figure, prediction.candidates)
    _legend(figure, known=truth is not None)
    return figure


def _axes(figure: Figure, left: int, top: int, width: int, height: int) -> Axes:
    axes = figure.add_axes((left / _WIDTH, 1 - (top + height) / _HEIGHT, width / _WIDTH, height / _HEIGHT))
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    return axes


def _write(figure: Figure, x: float, y: float, text: str, *, size: float, **style: Any) -> None:
    """Text whose baseline starts at (x, y), `size` pixels high."""
    figure.text(x / _WIDTH, 1 - y / _HEIGHT, text, fontsize=0.72 * size, **({"color": Palette.INK} | style))


def _words(figure: Figure, prediction: Prediction, truth: Place | None, purpose: str) -> None:
    place = format_place(prediction.latitude, prediction.longitude)
    within = f"90 % within {format_km(prediction.radius_km)}"
    _write(figure, _LEFT, 66, f"Estimate: {place}; {within}", size=34, weight="bold")
    if truth is None:
        _write(figure, _LEFT, 104, "Where it was really taken is not known.", size=20, color=Palette.SOFT)
    else:
        words = f"Truth: {format_place(*truth)}; the estimate is {_off(prediction, truth)} off"
        _write(figure, _LEFT, 104, words, size=20, color=Palette.TRUTH)
    # Dollars would start a formula.
    name = prediction.path.replace("\\", "/").rpartition("/")[2].replace("$", r"\$")
    model = f"model {prediction.model}" + (f": {purpose}" if purpose else "")
    _write(figure, _RIGHT, 66, name, size=18, color=Palette.SOFT, ha="right")
    _write(figure, _RIGHT, 104, model, size=16, color=Palette.SOFT, ha="right")


def _photo(axes: Axes, picture: Image.Image) -> None:
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    square = picture.crop((left, top, left + side, top + side)).resize(_PHOTO[2:], Image.Resampling.BICUBIC)
    axes.imshow(np.asarray(square), aspect="auto")


def _world(axes: Axes, prediction: Prediction, truth: Place | None, density: Density) -> None:
    zoomed = maps.around(prediction.latitude, prediction.longitude)
    maps.draw_base(axes, WORLD, every_deg=30)
    maps.draw_glow(axes, WORLD, *density, pixels=_MAP[2:], blur_px=5.0)
    _marks(axes, WORLD, prediction, truth)
    if truth is not None and not maps.holds(zoomed, truth):
        _distance(axes, WORLD, prediction, truth)
    west, east, south, north = zoomed
    frame = np.array([(south, west), (south, east), (north, east), (north, west), (south, west)])
    maps.draw_line(axes, WORLD, frame, color=Palette.INK, linewidth=0.8, alpha=0.7, zorder=6)


def _zoom(axes: Axes, prediction: Prediction, truth: Place | None, density: Density) -> None:
    view = maps.around(prediction.latitude, prediction.longitude)
    maps.draw_base(axes, view, every_deg=5)
    maps.draw_glow(axes, view, *density, pixels=_ZOOM[2:], blur_px=8.0, strength=0.6)
    candidates = prediction.candidates
    maps.draw_cells(axes, view, [c.cell for c in candidates], [c.probability for c in candidates])
    _marks(axes, view, prediction, truth)
    if truth is not None:
        _distance(axes, view, prediction, truth)
    maps.draw_scale(axes, view, km=500)
    axes.spines[:].set_visible(True)
    axes.spines[:].set_edgecolor(Palette.COAST)


def _marks(axes: Axes, view: View, prediction: Prediction, truth: Place | None) -> None:
    """The circle that holds 90 %, the estimate, and the way to the truth."""
    here = prediction.latitude, prediction.longitude
    if truth is not None:
        way = maps.great_circle(here, truth)
        maps.draw_line(axes, view, way, color=Palette.TRUTH, linewidth=1.8, zorder=8)
        maps.draw_dot(axes, view, truth, **_TRUTH_DOT, zorder=10)
    maps.draw_estimate(axes, view, here, prediction.radius_km)


def _distance(axes: Axes, view: View, prediction: Prediction, truth: Place) -> None:
    here = prediction.latitude, prediction.longitude
    maps.draw_label(axes, view, truth, _off(prediction, truth), away=here, colour=Palette.TRUTH)


_TRUTH_DOT: Final = {
    "marker": "o",
    "s": 60,
    "facecolor": Palette.TRUTH,
    "edgecolor": Palette.PAPER,
    "linewidth": 1.2,
}


def _candidates(figure: Figure, candidates: Sequence[Candidate]) -> None:
    """The likeliest cells side by side under the map, each with its share as a bar."""
    from matplotlib.patches import Rectangle

    left, top, width = _MAP[0], 640, _MAP[2] / _LISTED
    _write(figure, left, top + 8, "Likeliest cells", size=16, color=Palette.SOFT)
    best = max((candidate.probability for candidate in candidates), default=1.0) or 1.0
    for rank, candidate in enumerate(candidates[:_LISTED]):
        x = left + rank * width
        [country] = countries_at([candidate.latitude], [candidate.longitude])
        country = country or "sea or coast"
        _write(figure, x, top + 54, f"{rank + 1}", size=24, color=Palette.SOFT)
        _write(figure, x + 28, top + 54, f"{100 * candidate.probability:.1f} %", size=24, weight="bold")
        _write(figure, x + 28, top + 82, format_place(candidate.latitude, candidate.longitude), size=16)
        _write(figure, x + 28, top + 104, country, size=16, color=Palette.SOFT)
        for share, colour in ((1.0, Palette.LINES), (candidate.probability / best, Palette.ESTIMATE)):
            corner = ((x + 28) / _WIDTH, 1 - (top + 124) / _HEIGHT)
            bar = Rectangle(corner, share * (width - 52) / _WIDTH, 5 / _HEIGHT, color=colour, linewidth=0)
            figure.add_artist(bar)


def _legend(figure: Figure, *, known: bool) -> None:
    """What ring, dot, dashes and light mean, at the right under the map."""
    from matplotlib.lines import Line2D

    y = 1 - 643 / _HEIGHT
    entries = [("estimate", 90), ("truth", 70)] if known else [("estimate", 90)]
    x = _RIGHT - 190.0
    _write(figure, x, 648, "90 % of the probability", size=16, color=Palette.SOFT)
    dashes: dict[str, Any] = {"color": Palette.ESTIMATE, "linewidth": 1.3, "linestyle": (0, (4, 2))}
    figure.add_artist(Line2D([(x - 36) / _WIDTH, (x - 8) / _WIDTH], [y, y], **dashes))
    x -= 36
    for label, width in reversed(entries):
        x -= width
        _write(figure, x, 648, label, size=16, color=Palette.SOFT)
        dot: dict[str, Any] = {
            "markersize": 9,
            "markeredgecolor": Palette.ESTIMATE,
            "markerfacecolor": "none",
        }
        if label == "truth":
            dot = {"markersize": 8, "markeredgecolor": Palette.PAPER, "markerfacecolor": Palette.TRUTH}
        mark = Line2D([(x - 14) / _WIDTH], [y], marker="o", markeredgewidth=1.8, linestyle="none", **dot)
        figure.add_artist(mark)
        x -= 22


def _probability(prediction: Prediction) -> Density:
    """All of the probability as points; that of the candidates where the rest is not known."""
    if prediction.density is not None:
        here = prediction.density.levels[0] >= 0
        return maps.spread(prediction.density.cells[0][here], prediction.density.mass[0][here])
    cells = np.array([cell_from_token(candidate.cell) for candidate in prediction.candidates], np.uint64)
    return maps.spread(cells, np.array([candidate.probability for candidate in prediction.candidates]))


def _off(prediction: Prediction, truth: Place) -> str:
    return format_km(float(haversine_km(prediction.latitude, prediction.longitude, *truth)))
