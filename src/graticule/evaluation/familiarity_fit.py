"""Learning what the pictures look like that a model is calibrated on; see `graticule.decoding.familiarity`."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import torch
from torch import Tensor

from graticule.decoding.familiarity import Familiarity, contrast, traits
from graticule.evaluation.calibration_fit import conformal_quantile

__all__ = ["DOUBTED", "Looks"]

DOUBTED: Final = 0.001
"""The share of pictures like those it was fitted on that each question may doubt."""


class Looks:
    """What pictures look like, as an encoder reads them: shown batch by batch, while they are encoded."""

    def __init__(self) -> None:
        """Nothing seen yet."""
        self._traits: list[Tensor] = []
        self._contrasts: list[Tensor] = []

    def add(self, pixels: Tensor) -> None:
        """Look at some pictures (B, 3, S, S) uint8."""
        self._traits.append(traits(pixels).double())
        self._contrasts.append(contrast(pixels))

    def fit(self, *, name: str, fitted_on: str) -> Familiarity:
        """Every other picture gives the Gaussian, the rest say how far one in a thousand is from it.

        Where there are too few to tell one in a thousand, nothing is doubted.

        Args:
            name: Of the model.
            fitted_on: The pictures in words.
        """
        known, flatness = torch.cat(self._traits), -torch.cat(self._contrasts).numpy()
        # Files of a folder may be in order of time and place; halves of it must be alike.
        known = known[torch.from_numpy(np.random.default_rng(0).permutation(len(known)))]
        shape, others = known[::2], known[1::2]
        spread = torch.cov(shape.T)
        # A trait that never varies has no scale of its own.
        spread += torch.diag(spread.diagonal().clamp_min(1e-6) * 1e-6 + 1e-9)
        root = torch.linalg.cholesky(spread)
        whitening = torch.linalg.solve_triangular(root, torch.eye(len(root), dtype=root.dtype), upper=False)
        found = Familiarity(
            model=name,
            fitted_on=fitted_on,
            pictures=len(known),
            doubted=DOUBTED,
            least_contrast=max(0.0, -conformal_quantile(flatness, 1 - DOUBTED)),
            mean=tuple(_rounded(shape.mean(0))),
            whitening=tuple(tuple(_rounded(row[: place + 1])) for place, row in enumerate(whitening)),
            farthest=None,
        )
        farthest = conformal_quantile(found.distances(others), 1 - DOUBTED)
        return found.model_copy(update={"farthest": farthest if math.isfinite(farthest) else None})


def _rounded(values: Tensor) -> list[float]:
    """Seven figures are more than are known."""
    return [float(f"{value:.7g}") for value in values.tolist()]
