"""What a semivariogram is computed from, checked before the work begins."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from graticule.earth import s2
from graticule.errors import CoordinateError, InputError

__all__ = ["checked_features", "checked_places"]


def checked_places(lat_lon: ArrayLike | Tensor) -> NDArray[np.float64]:
    """Places (N, 2) in degrees as float64, every one of them on Earth.

    Raises:
        CoordinateError: The shape is another, or a latitude or longitude is NaN or out of range.
    """
    places = np.asarray(lat_lon, dtype=np.float64)
    if places.ndim != 2 or places.shape[1] != 2:
        raise CoordinateError(
            f"lat_lon has shape {places.shape}: give (N, 2), latitude and longitude in degrees"
        )
    if len(places) < 2:
        raise CoordinateError(f"lat_lon holds {len(places)} places: a semivariogram needs two or more")
    for name, values, limit in zip(("latitude", "longitude"), places.T, (90, 180), strict=True):
        wrong = ~(np.abs(values) <= limit)  # written so that NaN fails it too
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            raise CoordinateError(
                f"lat_lon: {name} {values[row]} in row {row} is not a number in [-{limit}, {limit}]"
            )
    return places


def checked_features(features: ArrayLike | Tensor, *, rows: int, directions: bool) -> Tensor:
    """Features (N, D) as a tensor of their own floating-point type, without a copy where that can be.

    Args:
        features: One row a place.
        rows: How many places there are.
        directions: Whether every row needs a direction, so that none may be zero.

    Raises:
        InputError: The shape is another, the numbers aren't floating-point or finite, or a row has no direction.
    """
    given = features if isinstance(features, Tensor) else torch.as_tensor(np.asarray(features))
    given = given.detach().cpu()
    if given.ndim != 2 or given.shape[1] == 0:
        raise InputError(f"features have shape {tuple(given.shape)}: give (N, D), one row a place")
    if len(given) != rows:
        raise InputError(f"features hold {len(given)} rows and lat_lon {rows}: give one feature row a place")
    if not given.is_floating_point():
        raise InputError(f"features are {given.dtype}: give floating-point numbers")
    for part in s2.blocks(rows):  # so that the check needs little memory
        _refuse(part, ~given[part].isfinite().all(dim=1), "holds NaN or infinity; leave it out")
        if directions:
            zero = ~given[part].any(dim=1)
            _refuse(part, zero, "is zero, so it has no cosine with others; leave it out or use euclidean")
    return given


def _refuse(part: slice, wrong: Tensor, why: str) -> None:
    if wrong.any():
        raise InputError(f"features: row {part.start + int(wrong.nonzero()[0])} {why}")
