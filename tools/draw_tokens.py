"""Draw how a model reads one picture's place, token by token, coarse to fine.

    python tools/draw_tokens.py [--picture FILE] [--latitude DEG --longitude DEG] [--output docs/images/tokens.png]

Each map is a step: the cells that the next token can name, the brighter the likelier, given the tokens before. The
likeliest is outlined and followed, as greedy decoding does; the truth is the blue dot. The last map is the answer.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import torch
from numpy.typing import NDArray

from graticule import maps
from graticule.earth import s2
from graticule.images.open import open_picture
from graticule.locator import Geolocator
from graticule.prediction import Refusal

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from graticule.tokens.query import Query

PIXELS = 700
"""Of a map's side: cells are drawn by asking of every pixel which one it lies in."""


class Step(NamedTuple):
    """What the next token can be.

    Attributes:
        level: S2 level of the cells it names.
        parent: the cell of the tokens before; None for the whole Earth.
        cells: that it can name (V,).
        probabilities: of each, given the parent (V,).
        so_far: probability of the likeliest one, with all tokens before it.
    """

    level: int
    parent: np.uint64 | None
    cells: NDArray[np.uint64]
    probabilities: NDArray[np.float64]
    so_far: float

    @property
    def token(self) -> int:
        """The likeliest."""
        return int(self.probabilities.argmax())


def main() -> None:
    """Read, decode greedily with all alternatives in view, draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="orbit")
    parser.add_argument("--picture", type=Path, default=Path("examples/pictures/view-000004.png"))
    parser.add_argument("--latitude", type=float, default=37.193056)
    parser.add_argument("--longitude", type=float, default=-109.081110)
    parser.add_argument("--output", type=Path, default=Path("docs/images/tokens.png"))
    options = parser.parse_args()
    geolocator = Geolocator.load(options.model)
    with torch.inference_mode():
        steps = read(geolocator, geolocator.model.query(pixels_of(geolocator, options.picture)))
    truth = options.latitude, options.longitude

    plt.rcParams["text.color"] = maps.Palette.INK
    figure, axes = plt.subplots(
        2, 4, figsize=(13, 7.2), facecolor=maps.Palette.PAPER, layout="constrained", squeeze=False
    )
    for axis in axes.flat:
        axis.set_axis_off()
    picture = axes.flat[0]
    picture.imshow(open_picture(options.picture))
    picture.set_title("the picture", fontsize=11)
    for axis, step, view in zip(axes.flat[1:], steps, views(steps), strict=False):
        draw(axis, step, view, truth)
    draw_answer(axes.flat[7], geolocator, options.picture, truth)
    figure.savefig(options.output, dpi=80, facecolor=figure.get_facecolor())
    print(
        f"{options.output}: tokens {[step.token for step in steps]}, {steps[-1].so_far:.2%} at the last level"
    )


def pixels_of(geolocator: Geolocator, path: Path) -> torch.Tensor:
    """One picture as the model looks at it: (1, 3, S, S) uint8."""
    return torch.from_numpy(geolocator.pixels(path)).unsqueeze(0)


def read(geolocator: Geolocator, query: Query) -> list[Step]:
    """Every step of greedy decoding, with what the model gives each token it could take."""
    model = geolocator.model.cell_model
    scheme = model.scheme
    state = model.begin(query)
    prefix, so_far, parent = torch.empty(1, 0, dtype=torch.int64), 1.0, None
    steps = []
    for level, size in zip(scheme.levels, scheme.vocabulary, strict=True):
        shares = model.next_log_probs(state)[0, 0].double().exp().numpy()
        named = np.column_stack([prefix.repeat(size, 1).numpy(), np.arange(size)])
        so_far *= float(shares.max())
        steps.append(Step(level, parent, scheme.decode(named), shares, so_far))
        token = torch.tensor([[steps[-1].token]])
        prefix = torch.cat([prefix, token], dim=1)
        parent = steps[-1].cells[steps[-1].token]
        if prefix.shape[1] < scheme.length:
            state = model.advance(state, torch.zeros(1, 1, dtype=torch.int64), token)
    return steps


def views(steps: list[Step]) -> list[maps.View]:
    """A map for each step: the world for the first, then the cell that the step divides, with some ground around."""
    found = [maps.WORLD]
    for step in steps[1:]:
        assert step.parent is not None
        [lat], [lon] = s2.centres(np.array([step.parent]))
        reach = 75 / 2 ** (s2.level_of(np.array([step.parent]))[0])
        found.append(maps.around(float(lat), float(lon), reach_deg=min(float(reach), 50.0)))
    return found


def draw(axes: Axes, step: Step, view: maps.View, truth: tuple[float, float]) -> None:
    """One step on its map."""
    axes.set_axis_on()
    axes.set_xticks([])
    axes.set_yticks([])
    maps.draw_base(axes, view, every_deg=30 if view.north - view.south > 60 else 10)
    lat = np.linspace(view.south, view.north, PIXELS)
    lon = np.linspace(view.west, view.east, PIXELS)
    grid = np.stack(np.meshgrid(lat, (lon + 180) % 360 - 180, indexing="ij"), axis=-1).reshape(-1, 2)
    here = s2.cell_ids(grid[:, 0], grid[:, 1], level=step.level)
    order = np.argsort(step.cells)
    place = np.searchsorted(step.cells[order], here).clip(max=len(order) - 1)
    which = np.where(step.cells[order][place] == here, order[place], -1).reshape(PIXELS, PIXELS)
    light = np.where(which >= 0, 0.08 + 0.72 * np.sqrt(step.probabilities[which]), 0.0)
    shades = np.zeros((PIXELS, PIXELS, 4))
    shades[..., :3] = matplotlib.colors.to_rgb(maps.Palette.ESTIMATE)
    shades[..., 3] = light
    extent = (view.west, view.east, view.south, view.north)
    axes.imshow(shades, extent=extent, origin="lower", aspect="auto", interpolation="nearest", zorder=4)
    for cell in range(len(step.cells)):
        followed = cell == step.token
        colour, width = (maps.Palette.INK, 2.0) if followed else (maps.Palette.GLOW[3], 0.5)
        axes.contour(
            lon, lat, which == cell, levels=[0.5], colors=[colour], linewidths=width, zorder=6 + followed
        )
    maps.draw_dot(axes, view, truth, color=maps.Palette.TRUTH, s=28, edgecolor=maps.Palette.PAPER, zorder=9)
    axes.set_title(
        f"level {step.level}: token {step.token} of {len(step.cells)}\n"
        f"{step.probabilities.max():.0%} of its parent, {step.so_far:.0%} in all",
        fontsize=11,
    )


def draw_answer(axes: Axes, geolocator: Geolocator, picture: Path, truth: tuple[float, float]) -> None:
    """What `graticule locate` says: all that a beam saw, blended with the alignment and calibrated."""
    [answer] = geolocator.locate(picture)
    if isinstance(answer, Refusal):
        raise answer.error
    axes.set_axis_on()
    answer.plot(axes, reach_deg=1.8)
    view = maps.around(answer.latitude, answer.longitude, reach_deg=1.8)
    maps.draw_dot(axes, view, truth, color=maps.Palette.TRUTH, s=28, edgecolor=maps.Palette.PAPER, zorder=12)
    axes.set_title(f"the answer, from all of a beam:\n90% within {answer.radius_km:.0f} km", fontsize=11)


if __name__ == "__main__":
    main()
