r"""Models of a semivariogram: curves gamma(h) that say how unlike two pictures h km apart are expected to be.

    gamma(h) = nugget + sill * (1 - correlation(h / length))

The sill is partial: what the curve rises by, so that far pictures differ by nugget + sill. gamma(0) is the nugget, the
limit from above, and not 0: two pictures of one place are still two pictures. With x = h / length:

| model       | correlation                                                                     |
|-------------|---------------------------------------------------------------------------------|
| spherical   | 1 - 3/2 x + 1/2 x^3 for x < 1, then 0                                           |
| exponential | exp(-x)                                                                         |
| gaussian    | exp(-x^2)                                                                       |
| stable      | exp(-x^shape), 0 < shape <= 2                                                   |
| matern      | 2^(1-shape)/Gamma(shape) t^shape K_shape(t), t = sqrt(2 shape) x, of the half   |
|             | integers shape = 1/2, 3/2 and 5/2, where it is an exponential times a polynomial|

(Chiles and Delfiner, "Geostatistics", 2nd ed. 2012, sec. 2.5; the Matern scale is that of Rasmussen and Williams, 2006,
eq. 4.14.) The practical range is where the curve has risen by 95 % of the sill, for every model alike.

As a covariance of great-circle distance on a sphere, not every one is positive definite: `valid_on_sphere`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, TypeAlias, overload

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from graticule.errors import ConfigError

__all__ = ["MATERN_SHAPES", "PARAMETRIC", "Kind", "MonotoneModel", "ParametricModel", "VariogramModel"]

Kind: TypeAlias = Literal["spherical", "exponential", "gaussian", "stable", "matern", "monotone"]
Parametric: TypeAlias = Literal["spherical", "exponential", "gaussian", "stable", "matern"]

PARAMETRIC: Final[tuple[Parametric, ...]] = ("spherical", "exponential", "gaussian", "stable", "matern")
MATERN_SHAPES: Final = (0.5, 1.5, 2.5)
_SHARE: Final = 0.95  # of the sill, at the practical range


class VariogramModel(ABC):
    """A curve gamma(h), with what a geostatistician asks of it.

    Attributes:
        kind: Which curve.
        nugget: gamma just above 0.
        sill: By how much gamma rises above the nugget (the partial sill).
        practical_range_km: Where it has risen by 95 % of that.
    """

    kind: Kind
    nugget: float
    sill: float

    @property
    @abstractmethod
    def practical_range_km(self) -> float:
        """Where gamma has risen by 95 % of the sill, in km."""

    @overload
    def gamma(self, h_km: Tensor) -> Tensor: ...
    @overload
    def gamma(self, h_km: ArrayLike) -> NDArray[np.float64]: ...
    def gamma(self, h_km: Tensor | ArrayLike) -> Tensor | NDArray[np.float64]:
        """Expected dissimilarity at distances on the ground.

        Args:
            h_km: Distances in km, 0 or more, in any shape.

        Returns:
            For a tensor a tensor of its type and device, through which gradients flow; they are finite, and 0 at
            h = 0 for the stable model, whose slope there is infinite if its shape is below 1. For numbers and arrays
            a float64 array.
        """
        if isinstance(h_km, Tensor):
            return self._gamma(h_km)
        return np.asarray(self._gamma(torch.from_numpy(np.array(h_km, dtype=np.float64))).numpy())

    @abstractmethod
    def _gamma(self, h_km: Tensor) -> Tensor: ...

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""

    @staticmethod
    def from_dict(content: dict[str, Any]) -> VariogramModel:
        """The model that `to_dict` described.

        Raises:
            ConfigError: It describes none.
        """
        fields = dict(content)
        kind = fields.pop("kind", None)
        try:
            if kind == "monotone":
                return MonotoneModel(tuple(fields.pop("lags_km")), tuple(fields.pop("values")), **fields)
            return ParametricModel(kind, **fields)
        except (KeyError, TypeError) as error:
            raise ConfigError(f"semivariogram model: can't be read from {content!r} ({error})") from error


@dataclass(frozen=True)
class ParametricModel(VariogramModel):
    """One of the models in this file's table.

    Attributes:
        kind: Which.
        nugget: gamma just above 0.
        sill: By how much it rises (the partial sill).
        length_km: What distances are divided by.
        shape: Of the stable and Matern models; None for the others.

    Raises:
        ConfigError: A parameter is out of its range.
    """

    kind: Parametric
    nugget: float
    sill: float
    length_km: float
    shape: float | None = None

    def __post_init__(self) -> None:
        if self.kind not in PARAMETRIC:
            raise ConfigError(
                f"semivariogram model {self.kind!r}: there are {', '.join(PARAMETRIC)} and monotone"
            )
        for name, value in (("nugget", self.nugget), ("sill", self.sill)):
            if not 0 <= value < np.inf:
                raise ConfigError(f"{self.kind} model: {name} {value} must be a number from 0 on")
        if not 0 < self.length_km < np.inf:
            raise ConfigError(f"{self.kind} model: length_km {self.length_km} must be a number above 0")
        if self.kind == "stable":
            good, wanted = self.shape is not None and 0 < self.shape <= 2, "above 0 and at most 2"
        elif self.kind == "matern":
            good, wanted = self.shape in MATERN_SHAPES, "0.5, 1.5 or 2.5"
        else:
            good, wanted = self.shape is None, "left out"
        if not good:
            raise ConfigError(f"{self.kind} model: shape {self.shape} must be {wanted}")

    @property
    def practical_range_km(self) -> float:
        """Where gamma has risen by 95 % of the sill, in km."""
        return self.length_km * unit_range(self.kind, self.shape)

    @property
    def valid_on_sphere(self) -> bool:
        """Whether it is the variogram of some random field on the sphere, with great-circle distances.

        Gneiting, "Strictly and non-strictly positive definite functions on spheres" (2013), table 1: spherical and
        exponential are; stable up to shape 1; Matern up to shape 1/2; Gaussian is not. The others describe, but are
        not to be kriged with unless distances are chords.
        """
        if self.kind in ("stable", "matern"):
            return self.shape is not None and self.shape <= (1.0 if self.kind == "stable" else 0.5)
        return self.kind != "gaussian"

    def _gamma(self, h_km: Tensor) -> Tensor:
        return self.nugget + self.sill * (1 - correlation(self.kind, h_km / self.length_km, self.shape))

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class MonotoneModel(VariogramModel):
    """A curve without a formula: straight lines between points that never fall, flat before and after them.

    Attributes:
        lags_km: Where the points are (K,), rising.
        values: gamma at each (K,), never falling.

    Raises:
        ConfigError: There are no points, or they fall.
    """

    lags_km: tuple[float, ...]
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.lags_km or len(self.lags_km) != len(self.values):
            raise ConfigError(
                f"monotone model: {len(self.lags_km)} lags_km and {len(self.values)} values; give as many of both"
            )
        if not (np.isfinite([*self.lags_km, *self.values]).all() and self.lags_km[0] >= 0 <= self.values[0]):
            raise ConfigError("monotone model: lags_km and values must be numbers from 0 on")
        if (np.diff(self.lags_km) <= 0).any() or (np.diff(self.values) < 0).any():
            raise ConfigError("monotone model: lags_km must rise, and values must not fall")

    @property
    def kind(self) -> Kind:  # type: ignore[override]
        """Its name."""
        return "monotone"

    @property
    def nugget(self) -> float:  # type: ignore[override]
        """The lowest value."""
        return self.values[0]

    @property
    def sill(self) -> float:  # type: ignore[override]
        """The highest value above the lowest."""
        return self.values[-1] - self.values[0]

    @property
    def practical_range_km(self) -> float:
        """Where gamma has risen by 95 % of the sill, in km; the first lag if it never rises."""
        if not self.sill:
            return self.lags_km[0]
        return float(np.interp(self.nugget + _SHARE * self.sill, self.values, self.lags_km))

    def _gamma(self, h_km: Tensor) -> Tensor:
        lags, values = (
            torch.tensor(part, dtype=h_km.dtype, device=h_km.device) for part in (self.lags_km, self.values)
        )
        if len(lags) == 1:
            return h_km * 0 + values[0]
        h = h_km.clamp(lags[0], lags[-1])
        right = torch.bucketize(h.detach().contiguous(), lags).clamp(1, len(lags) - 1)
        slope = (values[right] - values[right - 1]) / (lags[right] - lags[right - 1])
        return values[right - 1] + slope * (h - lags[right - 1])

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {"kind": self.kind, "lags_km": list(self.lags_km), "values": list(self.values)}


def correlation(kind: Parametric, x: Tensor, shape: float | None) -> Tensor:
    """Correlation at distances in lengths, in any shape: 1 at 0, falling towards 0; the table at the top."""
    if kind == "spherical":
        x = x.clamp(max=1)
        return 1 - 1.5 * x + 0.5 * x**3
    if kind == "exponential":
        return torch.exp(-x)
    if kind == "gaussian":
        return torch.exp(-(x**2))
    assert shape is not None
    if kind == "stable":
        # The slope of a power below 1 is infinite at 0, and infinity times 0 is not a number: 0 is kept out of it.
        apart = x > 0
        return torch.exp(-torch.where(apart, torch.where(apart, x, 1.0) ** shape, 0.0))
    t = math.sqrt(2 * shape) * x
    decay = torch.exp(-t)
    if shape == 0.5:
        return decay
    return decay + decay * t if shape == 1.5 else decay + decay * t * (1 + t / 3)


def unit_range(kind: Parametric, shape: float | None) -> float:
    """Practical range in lengths: where the correlation is 5 %."""
    decay = -np.log1p(-_SHARE)  # ln 20
    if kind == "spherical":
        # 3/2 x - 1/2 x^3 = sin(3 a) with x = 2 sin(a).
        return float(2 * np.sin(np.arcsin(_SHARE) / 3))
    if kind == "exponential":
        return float(decay)
    if kind == "gaussian":
        return float(np.sqrt(decay))
    assert shape is not None
    if kind == "stable":
        return float(decay ** (1 / shape))
    low, high = 0.0, 10.0
    for _ in range(60):  # halves the gap until it is the rounding of a float
        middle = (low + high) / 2
        risen = 1 - float(correlation(kind, torch.tensor(middle, dtype=torch.float64), shape))
        low, high = (middle, high) if risen < _SHARE else (low, middle)
    return high
