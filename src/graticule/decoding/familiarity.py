"""Whether a picture is like those that a model was calibrated on.

A model answers about anything, a lens cap and a letter too. What it then says of places means nothing, and its own
probabilities don't show that: they were fitted on pictures of its kind. So the picture itself is asked, in the pixels
that the encoder reads, whatever the encoder is. Two questions, each answered by "further out than all but one in a
thousand of the pictures the calibration was fitted on" (conformal; Vovk et al. 2005):

    contrast   how much its large parts differ. A flat picture shows nothing
    distance   of its `traits`, 29 numbers that describe light, colour and detail, from those of the pictures, under
               a Gaussian (Mahalanobis; for pictures' quality Mittal et al. 2013)

Of a picture so doubted nothing is known: its probability is even over the Earth, or the region of a mask, and all that
is read off a density follows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from torch import Tensor
from torch.nn import functional

from graticule.earth.density import Density
from graticule.earth.distance import EARTH_KM2
from graticule.errors import ModelFormatError

__all__ = ["TRAITS", "Familiarity", "contrast", "evenly", "traits"]

_SIDE: Final = 64
"""Pixels on a side that pictures are compared at."""
_SCALES: Final = 5
"""Detail is measured at this many sizes, each twice as coarse as the one before."""
_PART: Final = 8
"""Pixels on a side of the parts whose differences are the contrast: grain is averaged away."""
_FLOOR: Final = 0.016**2
"""Variance that counts as none, of values from 0 to 1: about the grain of a good sensor."""
_LEVELS: Final = 32
"""Steps of each channel between which colours are told apart."""
TRAITS: Final = 3 + 5 * _SCALES + 1
"""How many numbers `traits` makes of a picture."""

_OPPONENT: Final = torch.tensor([[1 / 3, 1 / 3, 1 / 3], [1 / 2, -1 / 2, 0], [1 / 4, 1 / 4, -1 / 2]])
"""Light, red against green, and yellow against blue, of red, green and blue."""


class Familiarity(BaseModel):
    """What the pictures look like that a model was calibrated on; a part of its folder, as JSON.

    Attributes:
        model: The model it belongs to.
        fitted_on: Which pictures, in words.
        pictures: How many.
        doubted: The share of such pictures that each of the two questions doubts.
        least_contrast: A flatter picture is doubted.
        mean: Of the traits.
        whitening: Lower triangle W, row by row, such that |W (x - mean)| is the distance of traits x.
        farthest: A picture further away is doubted; None where the pictures were too few to tell.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    model: str
    fitted_on: str
    pictures: int = Field(ge=0)
    doubted: float = Field(gt=0, lt=1)
    least_contrast: float = Field(ge=0)
    mean: tuple[float, ...] = Field(min_length=TRAITS, max_length=TRAITS)
    whitening: tuple[tuple[float, ...], ...] = Field(min_length=TRAITS, max_length=TRAITS)
    farthest: float | None = Field(ge=0)

    @model_validator(mode="after")
    def _triangle(self) -> Familiarity:
        if [len(row) for row in self.whitening] != list(range(1, TRAITS + 1)):
            raise ValueError(f"whitening: rows of 1 to {TRAITS} numbers are needed.")
        return self

    @classmethod
    def from_json(cls, text: str | bytes, *, name: str = "familiarity.json") -> Familiarity:
        """Read what `to_json` wrote.

        Raises:
            ModelFormatError: It is something else.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise ModelFormatError(
                f"{name}: does not say what pictures the model knows ({error}); calibrate it anew."
            ) from error

    def to_json(self) -> str:
        """It as a JSON object."""
        return self.model_dump_json() + "\n"

    def distances(self, described: Tensor) -> NDArray[np.float64]:
        """How far traits (B, TRAITS) are from those of the pictures (B,)."""
        whitening = torch.zeros(TRAITS, TRAITS, dtype=torch.float64)
        rows, columns = torch.tril_indices(TRAITS, TRAITS)
        whitening[rows, columns] = torch.tensor(
            [value for row in self.whitening for value in row], dtype=torch.float64
        )
        away = described.double() - torch.tensor(self.mean, dtype=torch.float64)
        found: NDArray[np.float64] = (away @ whitening.T).norm(dim=1).numpy()
        return found

    def notices(self, pixels: Tensor) -> list[str | None]:
        """Why nothing is known of each picture, in words; None where it is like those the model knows.

        Args:
            pixels: (B, 3, S, S) uint8, as the encoder reads them.
        """
        usual = round(1 / self.doubted) - 1
        compared = f"than {usual:,} in {usual + 1:,} of the pictures that {self.model} was calibrated on"
        flat = contrast(pixels) < self.least_contrast
        unlike = self.distances(traits(pixels)) > (math.inf if self.farthest is None else self.farthest)
        return [
            f"flatter {compared}: it shows nothing to go by"
            if is_flat
            else f"less like the rest {compared}: what it knows does not apply"
            if is_unlike
            else None
            for is_flat, is_unlike in zip(flat.tolist(), unlike.tolist(), strict=True)
        ]


def evenly(found: Density, doubted: Sequence[bool] | NDArray[np.bool_]) -> Density:
    """The same, with nothing known of the pictures that are doubted (B,): as dense everywhere.

    In a region of a mask, its probability is then its share of the Earth.
    """
    there = np.asarray(doubted, dtype=np.bool_)
    if not there.any():
        return found
    return found.weighed(np.where(there[:, None], found.area_km2 / EARTH_KM2, found.mass))


def contrast(pixels: Tensor) -> Tensor:
    """How much the parts of a picture differ: root mean square difference from its mean colour (B,), 0 to 255.

    Args:
        pixels: (B, 3, S, S) uint8.
    """
    parts = functional.avg_pool2d(_small(pixels), _PART)
    return 255 * parts.var((2, 3)).mean(1).sqrt()


def traits(pixels: Tensor) -> Tensor:
    """Light, colour and detail of pictures, in numbers (B, TRAITS).

    The mean in light and two colours; how much neighbouring pixels differ in each, size by size; for light also
    whether rows differ as much as columns, and whether a few edges or many small steps make the difference; and the
    entropy of the colours. Detail is told in logarithms, above a floor that sensors' grain does not reach.

    Args:
        pixels: (B, 3, S, S) uint8.
    """
    colours = _small(pixels)
    opponent = torch.einsum("oc,bchw->bohw", _OPPONENT, colours)
    found = [opponent.mean((2, 3))]
    for _ in range(_SCALES):
        found.append(_detail(opponent))
        opponent = functional.avg_pool2d(opponent, 2)
    return torch.cat([*found, _entropy(colours)], dim=1)


def _small(pixels: Tensor) -> Tensor:
    """(B, 3, S, S) uint8 -> (B, 3, 64, 64) in [0, 1]."""
    colours = pixels.float() / 255
    return colours if colours.shape[-1] == _SIDE else functional.adaptive_avg_pool2d(colours, _SIDE)


def _detail(values: Tensor) -> Tensor:
    """(B, 3, h, w) at one size -> (B, 5): three energies, direction, and sparsity."""
    across, down = values.diff(dim=3), values.diff(dim=2)
    columns, rows = across.square().mean((2, 3)), down.square().mean((2, 3))
    energy = (columns + rows) / 2 + _FLOOR
    direction = ((columns[:, :1] + _FLOOR) / (rows[:, :1] + _FLOOR)).log().abs().sqrt()
    step = (across[:, :1].abs().mean((2, 3)) + down[:, :1].abs().mean((2, 3))) / 2
    # Of a normal distribution the mean size is 0.8 of the root mean square.
    sparsity = (energy[:, :1].sqrt() / (step + 0.8 * _FLOOR**0.5)).log()
    return torch.cat([energy.log(), direction, sparsity], dim=1)


def _entropy(colours: Tensor) -> Tensor:
    """(B, 3, h, w) in [0, 1] -> entropy of the colours in nats (B, 1): 0 if all pixels have one."""
    steps = (colours * (_LEVELS - 1e-3)).long()
    colour = (steps[:, 0] * _LEVELS + steps[:, 1]) * _LEVELS + steps[:, 2]
    ordered = colour.flatten(1).sort(dim=1).values
    new = functional.pad((ordered.diff(dim=1) != 0).long(), (1, 0))
    counts = torch.zeros(ordered.shape).scatter_add_(1, new.cumsum(1), torch.ones(ordered.shape))
    share = counts / ordered.shape[1]
    return -torch.xlogy(share, share).sum(1, keepdim=True)
