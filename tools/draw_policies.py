"""Draw what each policy does to a negative, by how far away and how unlike it is.

    python tools/draw_policies.py [--model orbit] [--output docs/images/policies.png]

Colours are the change of a negative's logit, which was 3 before; where a policy makes its weights 1 on average, the
average is taken over the pairs drawn. The black line is the semivariogram of the model's gallery, dashed where it
ends its rise.
"""

from __future__ import annotations

import argparse
import textwrap
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import torch

from graticule.alignment.policies import POLICIES, Pairs, PolicyConfig, reweigh
from graticule.earth.variogram import fit_variogram
from graticule.model import Model

LOGIT = 3.0
KM = np.geomspace(10, 10_000, 200)
UNLIKE = np.linspace(0, 1.2, 150)


def main() -> None:
    """Fit, apply every policy to a grid of pairs, draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="orbit")
    parser.add_argument("--output", type=Path, default=Path("docs/images/policies.png"))
    options = parser.parse_args()
    gallery = Model.open(options.model).gallery
    curve = fit_variogram(
        gallery.vectors,
        gallery.lat_lon,
        model="monotone",
        bins=40,
        max_km=10_000,
        pairs=4_000_000,
        replicates=0,
    ).model

    km, unlike = (torch.from_numpy(part).float() for part in np.meshgrid(KM, UNLIKE))
    pairs = Pairs(km.reshape(1, -1), unlike.reshape(1, -1), torch.ones(1, km.numel(), dtype=torch.bool))
    before = torch.full((1, km.numel()), LOGIT)
    figure, axes = plt.subplots(2, 5, figsize=(15, 8), sharex=True, sharey=True, layout="constrained")
    for axis, (name, policy) in zip(axes.flat, POLICIES.items(), strict=True):
        after = reweigh(
            before,
            pairs,
            PolicyConfig(name=name),
            variogram=curve,
            generator=torch.Generator().manual_seed(0),
        )
        change = (after - before).view(km.shape).numpy()
        # What is left out altogether is drawn as the darkest loss there is.
        shades = axis.pcolormesh(
            KM, UNLIKE, change.clip(-4, 4), cmap="RdBu_r", vmin=-4, vmax=4, shading="auto", rasterized=True
        )
        axis.plot(KM, curve.gamma(KM), color="black", linewidth=1.5)
        axis.axvline(curve.practical_range_km, color="black", linewidth=1, linestyle="--")
        axis.set(xscale="log")
        axis.set_title(f"{name}\n" + textwrap.fill(policy.about, 34), fontsize=9)
    figure.supxlabel("distance on the ground, km")
    figure.supylabel("dissimilarity, 1 - cosine")
    figure.colorbar(shades, ax=axes, label=f"change of a logit of {LOGIT:g} (4 and more alike)", shrink=0.8)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(options.output, dpi=80)
    print(f"{options.output}: practical range {curve.practical_range_km:.0f} km")


if __name__ == "__main__":
    main()
