"""Learning what the pictures look like that a model is calibrated on; see `graticule.decoding.familiarity`."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

import numpy as np
import torch
from torch import Tensor

from graticule.decoding.familiarity import Familiarity, contrast, traits
from graticule.encoders.contract import ImageEncoder
from graticule.evaluation.calibration_fit import conformal_quantile
from graticule.evaluation.pictures import Pictures

__all__ = ["DOUBTED", "familiarity", "fit_familiarity"]

DOUBTED: Final = 0.001
"""The share of pictures like those it was fitted on that each question may doubt."""


def familiarity(pictures: Pictures, encoder: ImageEncoder, *, name: str, fitted_on: str) -> Familiarity:
    """Look at pictures once more, as the encoder does; those that can't be read are left out.

    Args:
        pictures: Like those that will be asked about.
        encoder: Says what size they are looked at, and how they are prepared.
        name: Of the model.
        fitted_on: The pictures in words.
    """
    batches = pictures.batches(encoder.size, getattr(encoder, "prepare", None))
    readable = ([pixels for pixels in batch if isinstance(pixels, np.ndarray)] for batch in batches)
    looks = (torch.from_numpy(np.stack(batch)) for batch in readable if batch)
    return fit_familiarity(looks, name=name, fitted_on=fitted_on)


def fit_familiarity(batches: Iterable[Tensor], *, name: str, fitted_on: str) -> Familiarity:
    """Every other picture gives the Gaussian, the rest say how far one in a thousand is from it.

    Where there are too few to tell one in a thousand, nothing is doubted.

    Args:
        batches: (B, 3, S, S) uint8 pictures, as the encoder reads them.
        name: Of the model.
        fitted_on: The pictures in words.
    """
    described, contrasts = [], []
    for pixels in batches:
        described.append(traits(pixels).double())
        contrasts.append(contrast(pixels))
    known, flatness = torch.cat(described), -torch.cat(contrasts).numpy()
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
