"""An answer on a map, and in a notebook. matplotlib (extra `figures`) is imported when something is drawn."""

from __future__ import annotations

import base64
import io
from html import escape
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from graticule import maps
from graticule.earth import s2
from graticule.earth.notation import format_km, format_place
from graticule.errors import MissingExtraError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from graticule.earth.density import Density
    from graticule.prediction.answer import Prediction

__all__ = ["draw", "html"]

_SHOWN: Final = 0.95
"""Share of the probability whose cells are drawn on a map of a part of the Earth."""
_WORLD_PX: Final = (960, 384)
_PART_PX: Final = (640, 640)
_LISTED: Final = 5


def draw(
    prediction: Prediction, density: Density, axes: Axes | None = None, *, reach_deg: float | None = None
) -> Axes:
    """Draw the probability, the circle that holds 90 % of it, and the estimate; see `Prediction.plot`."""
    pixels = _WORLD_PX if reach_deg is None else _PART_PX
    axes = _figure(*pixels) if axes is None else axes
    here = prediction.latitude, prediction.longitude
    view = maps.WORLD if reach_deg is None else maps.around(*here, reach_deg=reach_deg)
    real = density.levels[0] >= 0
    cells, mass = density.cells[0][real], density.mass[0][real]
    maps.draw_base(axes, view, every_deg=30 if view.is_whole else 5)
    maps.draw_glow(axes, view, *maps.spread(cells, mass), pixels=pixels, blur_px=5.0)
    if not view.is_whole:
        shown = np.flatnonzero(density.credible(_SHOWN)[0])
        tokens = [s2.hex_token(cell) for cell in density.cells[0][shown].tolist()]
        maps.draw_cells(axes, view, tokens, density.mass[0][shown].tolist())
    maps.draw_estimate(axes, view, here, prediction.radius_km)
    axes.set_xticks([])
    axes.set_yticks([])
    return axes


def html(prediction: Prediction) -> str:
    """The answer as HTML: words, a table of candidates, and a map where one can be drawn."""
    where = f"{format_place(prediction.latitude, prediction.longitude)}; 90 % within {format_km(prediction.radius_km)}"
    title = f"Estimate: {where}" if prediction.not_sure is None else f"Not sure: around {where}"
    if prediction.notice is not None:
        title = f"Nothing is known: {prediction.notice}"
    rows = "".join(
        f"<tr><td>{100 * candidate.probability:.1f} %</td>"
        f"<td>{format_place(candidate.latitude, candidate.longitude)}</td><td><code>{candidate.cell}</code></td></tr>"
        for candidate in prediction.candidates[:_LISTED]
    )
    return (
        f"<div><p><b>{escape(title)}</b><br><small>{escape(prediction.path)}, by the model "
        f"{escape(prediction.model)}</small></p>{_map(prediction)}"
        f"<table><tr><th>Probability</th><th>Place</th><th>S2 cell</th></tr>{rows}</table></div>"
    )


def _map(prediction: Prediction) -> str:
    """An img with its picture inside; nothing without a density or without matplotlib."""
    if prediction.density is None:
        return ""
    try:
        axes = draw(prediction, prediction.density)
    except MissingExtraError:
        return ""
    png = io.BytesIO()
    figure: Any = axes.figure
    figure.savefig(png)
    picture = base64.b64encode(png.getvalue()).decode()
    words = f"World map: the probability, and the estimate {format_place(prediction.latitude, prediction.longitude)}"
    return f'<img alt="{words}" width="{_WORLD_PX[0]}" src="data:image/png;base64,{picture}">'


def _figure(width: int, height: int) -> Axes:
    """Axes that fill a figure of their own, not registered with pyplot."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError.of("figures", "matplotlib") from error
    figure = Figure(figsize=(width / 100, height / 100), dpi=100, facecolor=maps.Palette.PAPER)
    FigureCanvasAgg(figure)
    return figure.add_axes((0, 0, 1, 1))
