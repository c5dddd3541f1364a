"""Layers of a map on matplotlib axes: sea and land, probability as light, cells, lines and dots.

matplotlib (extra `figures`) is imported when something is drawn, never before. Longitudes are wrapped to the
view, so that a map next to the antimeridian looks like any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from graticule.earth import s2
from graticule.earth.borders import borders, land
from graticule.earth.distance import destination, latlon_from_vectors, unit_vectors
from graticule.earth.outline import cell_from_token, cell_outline

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "WORLD",
    "Palette",
    "View",
    "around",
    "draw_base",
    "draw_cells",
    "draw_dot",
    "draw_estimate",
    "draw_glow",
    "draw_label",
    "draw_line",
    "draw_scale",
    "great_circle",
    "holds",
    "spread",
]


class Palette:
    """Night blue, with one colour for what is estimated and one for what is true.

    The two are an orange and a blue that colour-blind eyes tell apart.
    """

    PAPER: Final = "#0b1220"
    SEA: Final = "#101b2e"
    LAND: Final = "#2b3a52"
    COAST: Final = "#4b5f7d"
    BORDER: Final = "#42536f"
    LINES: Final = "#1b2a43"
    INK: Final = "#eef2f8"
    SOFT: Final = "#93a1b8"
    ESTIMATE: Final = "#ffb000"
    TRUTH: Final = "#56b4e9"
    GLOW: Final = ("#7a3b00", "#c25e00", "#ff9500", "#ffd27a", "#fff6df")


class View(NamedTuple):
    """The part of the Earth a map shows, in degrees; longitudes may run past the antimeridian."""

    west: float
    east: float
    south: float
    north: float

    @property
    def is_whole(self) -> bool:
        """Whether it goes once around, so that its sides are one meridian."""
        return self.east - self.west >= 360


WORLD: Final = View(-180, 180, -60, 84)
"""Where people live, and where the pictures are from."""


def around(latitude: float, longitude: float, *, reach_deg: float = 10.0) -> View:
    """A square of ground about a place.

    Args:
        latitude: Of its centre, in degrees; moved if the square would run over a pole.
        longitude: Of its centre, in degrees.
        reach_deg: Degrees of latitude to the north and south.
    """
    south = min(max(latitude - reach_deg, -90.0), 90.0 - 2 * reach_deg)
    shrink = float(np.cos(np.radians(south + reach_deg)))
    sideways = min(reach_deg / max(shrink, 1e-3), 170.0)
    return View(longitude - sideways, longitude + sideways, south, south + 2 * reach_deg)


def holds(view: View, place: tuple[float, float]) -> bool:
    """Whether a place, latitude and longitude in degrees, lies in the view."""
    return view.south <= place[0] <= view.north and _wrapped(view, place[1]) <= view.east


def draw_base(axes: Axes, view: View, *, every_deg: int) -> None:
    """Sea, land, borders, and the graticule every so many degrees."""
    from matplotlib.collections import LineCollection, PathCollection
    from matplotlib.transforms import Affine2D

    axes.set_xlim(view.west, view.east)
    axes.set_ylim(view.south, view.north)
    axes.set_facecolor(Palette.SEA)
    for lon in _multiples(every_deg, view.west, view.east):
        axes.axvline(lon, color=Palette.LINES, linewidth=0.7, zorder=1)
    for lat in _multiples(every_deg, view.south, view.north):
        axes.axhline(lat, color=Palette.LINES, linewidth=0.7, zorder=1)
    width = 0.4 if view.is_whole else 0.9
    for turn in (-360, 0, 360):
        # Shapes that run past the antimeridian, and views that do, need the world again beside itself.
        beside: dict[str, Any] = {"transform": Affine2D().translate(turn, 0) + axes.transData}
        shapes = PathCollection([_land_path()], facecolors=Palette.LAND, edgecolors=Palette.COAST, **beside)
        lines = LineCollection(_border_lines(), colors=Palette.BORDER, **beside)
        for order, layer in enumerate((shapes, lines), start=2):
            layer.set_linewidth(width)
            layer.set_zorder(order)
            axes.add_collection(layer, autolim=False)


def draw_glow(
    axes: Axes,
    view: View,
    points: NDArray[np.float64],
    weights: NDArray[np.float64],
    *,
    pixels: tuple[int, int],
    blur_px: float,
    strength: float = 1.0,
) -> None:
    """Probability as light: summed into pixels and blurred, its root shown, so that small masses show too.

    Args:
        axes: Where to draw.
        view: What they show.
        points: Latitudes and longitudes in degrees (N, 2).
        weights: Probability of each point (N,).
        pixels: Width and height of the axes.
        blur_px: Standard deviation of the blur.
        strength: How bright the brightest is, at most 1.
    """
    from matplotlib.colors import LinearSegmentedColormap

    columns, rows = pixels
    extent = ((view.south, view.north), (view.west, view.east))
    places = (points[:, 0], _wrapped(view, points[:, 1]))
    light, _, _ = np.histogram2d(*places, bins=(rows, columns), range=extent, weights=weights)
    # A narrow blur for the place and a wide one for the halo.
    light = 0.8 * _blurred(light, blur_px, view.is_whole) + 0.2 * _blurred(
        light, 2.5 * blur_px, view.is_whole
    )
    if not light.max() > 0:
        return
    root = strength * np.sqrt(light / light.max())
    colours = LinearSegmentedColormap.from_list("glow", Palette.GLOW)(root)
    colours[..., 3] = np.clip(1.15 * root, 0, 0.92)
    axes.imshow(
        colours,
        extent=(view.west, view.east, view.south, view.north),
        origin="lower",
        aspect="auto",
        interpolation="bilinear",
        zorder=4,
    )


def draw_cells(axes: Axes, view: View, tokens: Sequence[str], probabilities: Sequence[float]) -> None:
    """S2 cells by their tokens, the likelier the brighter; the likeliest first."""
    from matplotlib.patches import Polygon

    best = max(probabilities, default=1.0) or 1.0
    middle = (view.west + view.east) / 2
    for token, probability in zip(reversed(tokens), reversed(probabilities), strict=True):
        outline = cell_outline(cell_from_token(token))[:, ::-1]
        outline[:, 0] += 360 * np.round((middle - outline[:, 0].mean()) / 360)
        share = probability / best
        fill = Polygon(outline, facecolor=Palette.ESTIMATE, alpha=0.04 + 0.3 * share)
        side = Polygon(outline, fill=False, edgecolor=Palette.GLOW[3], linewidth=0.9, alpha=0.2 + 0.8 * share)
        for order, patch in enumerate((fill, side), start=5):
            patch.set_zorder(order)
            axes.add_patch(patch)


def draw_estimate(axes: Axes, view: View, place: tuple[float, float], radius_km: float) -> None:
    """A ring at an estimate, and the circle around it that holds 90 % of the probability."""
    # An estimate on a pole has a circle that is a parallel; half the Earth's girth is as far as one can go.
    radius = min(max(radius_km, 1e-6), 20_000)
    circle = np.stack(destination(*place, bearing_deg=np.linspace(0, 360, 361), distance_km=radius), axis=-1)
    draw_line(axes, view, circle, color=Palette.ESTIMATE, linewidth=1.3, linestyle=(0, (4, 2)), zorder=7)
    ring: dict[str, Any] = {"marker": "o", "s": 95, "facecolor": "none"}
    draw_dot(axes, view, place, **ring, edgecolor=Palette.PAPER, linewidth=4.2, zorder=9)
    draw_dot(axes, view, place, **ring, edgecolor=Palette.ESTIMATE, linewidth=2.2, zorder=11)


def spread(
    cells: NDArray[np.uint64], probabilities: NDArray[np.float64], *, level: int = 8
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Probability as points for `draw_glow`: coarse cells are spread over their descendants of a level.

    Args:
        cells: S2 cell ids (N,).
        probabilities: Of each (N,); what has less than a hundred-thousandth of all is left out.
        level: Cells coarser than this are split.

    Returns:
        Latitudes and longitudes in degrees (M, 2), and the probability of each point (M,).
    """
    seen = probabilities > 1e-5 * probabilities.sum()
    cells, probabilities = cells[seen], probabilities[seen]
    while (coarse := s2.level_of(cells) < level).any():
        split = s2.children(cells[coarse]).reshape(-1)
        cells = np.concatenate([cells[~coarse], split])
        probabilities = np.concatenate([probabilities[~coarse], np.repeat(probabilities[coarse] / 4, 4)])
    return np.stack(s2.centres(cells), axis=-1), probabilities


def draw_line(axes: Axes, view: View, places: NDArray[np.float64], **style: Any) -> None:
    """A line over the Earth (N, 2), wherever it passes through the view."""
    lat, lon = places[:, 0], np.unwrap(places[:, 1], period=360)
    for turn in (-720, -360, 0, 360, 720):
        if lon.max() + turn >= view.west and lon.min() + turn <= view.east:
            axes.plot(lon + turn, lat, scalex=False, scaley=False, **style)


def draw_dot(axes: Axes, view: View, place: tuple[float, float], **style: Any) -> None:
    """A marker at a place, if the view holds it."""
    if holds(view, place):
        axes.scatter([_wrapped(view, place[1])], [place[0]], clip_on=False, **style)


def draw_label(
    axes: Axes, view: View, place: tuple[float, float], text: str, *, away: tuple[float, float], colour: str
) -> None:
    """Words beside a place, on the side that faces away from another, if the view holds it."""
    from matplotlib.patheffects import withStroke

    if not holds(view, place):
        return
    lon = _wrapped(view, place[1])
    across = (lon - view.west) / (view.east - view.west)
    right = across < 0.25 or (across < 0.75 and lon >= _wrapped(view, away[1]))
    axes.annotate(
        text,
        (lon, place[0]),
        xytext=(9 if right else -9, -4),
        textcoords="offset points",
        ha="left" if right else "right",
        color=colour,
        fontsize=11,
        weight="bold",
        path_effects=[withStroke(linewidth=2.5, foreground=Palette.PAPER)],
        zorder=12,
    )


def draw_scale(axes: Axes, view: View, *, km: int) -> None:
    """A bar of so many km on the ground, in the lower left corner."""
    share = km / 111.195 / (view.north - view.south)  # views have one scale up and across
    axes.plot(
        [0.05, 0.05 + share],
        [0.06, 0.06],
        transform=axes.transAxes,
        color=Palette.INK,
        linewidth=2,
        zorder=12,
    )
    axes.text(0.05, 0.085, f"{km} km", transform=axes.transAxes, color=Palette.INK, fontsize=9, zorder=12)


def great_circle(start: tuple[float, float], end: tuple[float, float]) -> NDArray[np.float64]:
    """Points along the shortest way: latitudes and longitudes in degrees (N, 2)."""
    a, b = unit_vectors([start[0], end[0]], [start[1], end[1]])
    angle = np.arctan2(np.linalg.norm(np.cross(a, b)), a @ b)
    if angle < 1e-9 or angle > np.pi - 1e-6:  # one place, or antipodes, where every way is as short
        return np.array([start, end])
    share = np.linspace(0, 1, 100)[:, None]
    way = np.sin((1 - share) * angle) * a + np.sin(share * angle) * b
    return np.stack(latlon_from_vectors(way), axis=-1)


def _multiples(step: int, low: float, high: float) -> NDArray[np.float64]:
    """Multiples of `step` strictly between two bounds."""
    return np.arange(np.floor(low / step) * step + step, high, step)


def _wrapped(view: View, longitude: Any) -> Any:
    return (longitude - view.west) % 360 + view.west


def _blurred(light: NDArray[np.float64], sigma: float, around_the_earth: bool) -> NDArray[np.float64]:
    """Gaussian blur of (rows, columns), which wraps sideways if the map goes around the Earth."""
    rows, columns = light.shape
    upright = _kernel(rows, sigma, wraps=False)
    return upright @ light @ _kernel(columns, sigma, wraps=around_the_earth)


@lru_cache(maxsize=8)
def _kernel(size: int, sigma: float, *, wraps: bool) -> NDArray[np.float64]:
    """How much of each pixel's light each pixel gets (size, size); symmetric."""
    apart = np.abs(np.arange(size)[:, None] - np.arange(size))
    if wraps:
        apart = np.minimum(apart, size - apart)
    return np.asarray(np.exp(-0.5 * (apart / sigma) ** 2) / (sigma * np.sqrt(2 * np.pi)))


@lru_cache(maxsize=1)
def _land_path() -> Any:
    """All land as one path in longitude and latitude; holes turn the other way round, and stay empty."""
    from matplotlib.path import Path

    rings = [ring for polygon in land() for ring in polygon]
    codes = [np.r_[Path.MOVETO, np.full(len(ring) - 2, Path.LINETO), Path.CLOSEPOLY] for ring in rings]
    return Path(np.concatenate(rings)[:, ::-1], np.concatenate(codes))


@lru_cache(maxsize=1)
def _border_lines() -> list[NDArray[np.float64]]:
    return [line[:, ::-1] for line in borders()]
