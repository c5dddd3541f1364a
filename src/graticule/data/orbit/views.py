"""View i of split s: the same on every machine, whatever else was rendered before it.

Every random number of a view is a hash of (split, index, what it is for), so that a batch is a pure function of
its indices: training resumes to the bit, and any view of any split can be looked at alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from graticule.data.orbit import photometry
from graticule.data.orbit.camera import Pose, render
from graticule.data.orbit.mosaic import Mosaic, land_mask
from graticule.errors import ConfigError

__all__ = ["SPLITS", "Split", "Views", "poses", "uniforms"]

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)

LATITUDES_DEG = (-60.0, 75.0)
WIDTHS_KM = (300.0, 1200.0)
_LAND_TRIES = 32
_POSE_DRAWS = 2 * _LAND_TRIES + 2


@dataclass(frozen=True)
class Views:
    """Fresh views of a mosaic with the camera's ordinary variation: light, haze, sensor noise.

    Attributes:
        mosaic: what the camera looks at.
        split: which of the disjoint streams of views.
        seed: another seed is another world of views; the shipped model and every table use 0.
        size: pixels on a side.
        plain: without photometric variation.
    """

    mosaic: Mosaic
    split: Split
    seed: int = 0
    size: int = 64
    plain: bool = False

    def batch(self, indices: np.ndarray) -> tuple[Tensor, Pose]:
        """The views of these indices.

        Args:
            indices: (B,) non-negative integers.

        Returns:
            (B, 3, size, size) uint8 pixels, and where each looks.
        """
        pose = poses(self.split, indices, seed=self.seed)
        colours = render(self.mosaic, pose, size=self.size)[:, :3]
        if not self.plain:
            draws = uniforms(self.split, indices, count=photometry.ORDINARY_DRAWS, stream=1, seed=self.seed)
            colours = photometry.ordinary(colours, draws)
        return colours.mul(255).round_().to(torch.uint8), pose


def poses(split: Split, indices: np.ndarray, *, seed: int = 0) -> Pose:
    """Where the views look: uniform over land, any heading, width log-uniform.

    Raises:
        ConfigError: there is no such split.
    """
    draws = uniforms(split, indices, count=_POSE_DRAWS, stream=0, seed=seed)
    low, high = np.sin(np.deg2rad(LATITUDES_DEG))
    lat = np.rad2deg(np.arcsin(low + (high - low) * draws[:, :_LAND_TRIES]))
    lon = draws[:, _LAND_TRIES : 2 * _LAND_TRIES] * 360 - 180
    mask = land_mask()
    rows = ((90 - lat) / 180 * mask.shape[0]).astype(np.int64)
    columns = np.minimum(((lon + 180) / 360 * mask.shape[1]).astype(np.int64), mask.shape[1] - 1)
    # Three tries in ten fall on land; 25 views in a million find none and stay at sea.
    first = np.argmax(mask[rows, columns], axis=1)
    row = np.arange(len(draws))
    narrow, wide = np.log(WIDTHS_KM)
    return Pose(
        lat=torch.from_numpy(lat[row, first]),
        lon=torch.from_numpy(lon[row, first]),
        heading_deg=torch.from_numpy(draws[:, -2] * 360),
        width_km=torch.from_numpy(np.exp(narrow + (wide - narrow) * draws[:, -1])),
    )


def uniforms(split: Split, indices: np.ndarray, *, count: int, stream: int, seed: int = 0) -> np.ndarray:
    """Numbers uniform in [0, 1), hashed from (seed, split, stream, index, position).

    Args:
        split: which of the disjoint streams of views.
        indices: (B,) non-negative integers.
        count: how many numbers a view needs.
        stream: what they are for; streams are independent.
        seed: of all.

    Returns:
        (B, count) float64.
    """
    if split not in SPLITS:
        raise ConfigError(f"split: there is no {split!r}; the splits are {', '.join(SPLITS)}.")
    key = np.uint64((seed << 8 | SPLITS.index(split) << 4 | stream) & 0xFFFF_FFFF_FFFF_FFFF)
    with np.errstate(over="ignore"):
        per_view = _mix(_mix(key) + np.asarray(indices, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15))
        position = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0xD1B54A32D192ED03)
        bits = _mix(per_view[:, None] + position)
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _mix(x: np.ndarray | np.uint64) -> np.ndarray:
    """The finaliser of SplitMix64 (Steele, Lea and Flood 2014)."""
    x = np.asarray(x, dtype=np.uint64)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(x ^ (x >> np.uint64(31)))
