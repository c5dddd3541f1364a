"""Draw what each search sees of the same picture: greedy decoding, a beam, samples, and the density of a beam.

    python tools/draw_search.py [--picture FILE] [--latitude DEG --longitude DEG] [--output docs/images/search.png]

A dot is a candidate: the larger, the more probable under the model; of samples, the more often drawn. The ring is the
likeliest, the blue dot the truth.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import torch

from graticule import maps
from graticule.decoding.beam import beam
from graticule.decoding.candidates import Candidates
from graticule.decoding.greedy import greedy
from graticule.decoding.sample import sample, sample_distinct
from graticule.images.open import open_picture
from graticule.locator import Geolocator
from graticule.prediction import Refusal

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COUNT = 30


def main() -> None:
    """Search in six ways, draw each on a map."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="orbit")
    parser.add_argument("--picture", type=Path, default=Path("examples/pictures/view-000006.png"))
    parser.add_argument("--latitude", type=float, default=43.535528)
    parser.add_argument("--longitude", type=float, default=59.954140)
    parser.add_argument("--centre", type=float, nargs=2, default=(38.5, 52.5), help="of the maps, in degrees")
    parser.add_argument("--reach-deg", type=float, default=9.0)
    parser.add_argument("--output", type=Path, default=Path("docs/images/search.png"))
    options = parser.parse_args()
    geolocator = Geolocator.load(options.model)
    truth = options.latitude, options.longitude
    view = maps.around(*options.centre, reach_deg=options.reach_deg)

    plt.rcParams["text.color"] = maps.Palette.INK
    figure, axes = plt.subplots(
        2, 4, figsize=(13, 7.2), facecolor=maps.Palette.PAPER, layout="constrained", squeeze=False
    )
    for axis in axes.flat:
        axis.set_axis_off()
    axes.flat[0].imshow(open_picture(options.picture))
    axes.flat[0].set_title("the picture\n", fontsize=11)
    for axis, (name, found) in zip(
        axes.flat[1:], searches(geolocator, options.picture).items(), strict=False
    ):
        draw(axis, geolocator, found, view, truth, name)
    draw_density(axes.flat[7], geolocator, options.picture, view, truth)
    figure.savefig(options.output, dpi=80, facecolor=figure.get_facecolor())
    print(options.output)


def searches(geolocator: Geolocator, path: Path) -> dict[str, Candidates]:
    """The candidates of each way to search, by its name."""
    model = geolocator.model.cell_model
    pixels = torch.from_numpy(geolocator.pixels(path)).unsqueeze(0)
    with torch.inference_mode():
        query = geolocator.model.query(pixels)
        return {
            "greedy": greedy(model, query),
            "beam of 5": beam(model, query, width=5),
            f"beam of {COUNT}": beam(model, query, width=COUNT),
            f"{COUNT} samples at 0.7": sample(model, query, count=COUNT, seed=0, temperature=0.7),
            f"{COUNT} samples at 1.2": sample(model, query, count=COUNT, seed=0, temperature=1.2),
            f"{COUNT} different ones at 0.7": sample_distinct(
                model, query, count=COUNT, seed=0, temperature=0.7
            ),
        }


def draw(
    axes: Axes,
    geolocator: Geolocator,
    found: Candidates,
    view: maps.View,
    truth: tuple[float, float],
    name: str,
) -> None:
    """Candidates as dots on a map of their own."""
    real = found.log_probs[0] > -torch.inf
    places = found.lat_lon(geolocator.model.cell_model.scheme)[0][real].double().numpy()
    shares = found.log_probs[0][real].double().exp().numpy()
    drawn = found.counts
    weights = shares / shares.max() if drawn is None else (drawn[0][real] / drawn[0].max()).double().numpy()
    axes.set_axis_on()
    axes.set_xticks([])
    axes.set_yticks([])
    maps.draw_base(axes, view, every_deg=5)
    for place, weight in zip(places.tolist(), weights.tolist(), strict=True):
        maps.draw_dot(
            axes, view, tuple(place), color=maps.Palette.ESTIMATE, s=4 + 26 * weight, alpha=0.6, zorder=8
        )
    best = int(shares.argmax())
    maps.draw_dot(
        axes,
        view,
        tuple(places[best].tolist()),
        facecolor="none",
        edgecolor=maps.Palette.INK,
        s=90,
        linewidth=1.6,
        zorder=9,
    )
    maps.draw_dot(axes, view, truth, color=maps.Palette.TRUTH, s=24, edgecolor=maps.Palette.PAPER, zorder=10)
    seen = sum(maps.holds(view, tuple(place)) for place in places.tolist())
    elsewhere = f", {len(places) - seen} off the map" if seen < len(places) else ""
    count = f"{len(places)} cell" + "s" * (len(places) > 1)
    axes.set_title(f"{name}\n{count}, {np.sum(shares):.1%} of the probability{elsewhere}", fontsize=11)


def draw_density(
    axes: Axes, geolocator: Geolocator, picture: Path, view: maps.View, truth: tuple[float, float]
) -> None:
    """What `graticule locate` reads its answer off: cells of all sizes that a beam passed."""
    [answer] = geolocator.locate(picture)
    if isinstance(answer, Refusal):
        raise answer.error
    axes.set_axis_on()
    answer.plot(axes, reach_deg=view.north - view.south)
    axes.set_xlim(view.west, view.east)
    axes.set_ylim(view.south, view.north)
    maps.draw_dot(axes, view, truth, color=maps.Palette.TRUTH, s=24, edgecolor=maps.Palette.PAPER, zorder=12)
    axes.set_title(f"all that a beam passed: the answer,\n90% within {answer.radius_km:.0f} km", fontsize=11)


if __name__ == "__main__":
    main()
