"""The location encoder: coordinates -> vectors that can be compared with pictures.

GeoCLIP's form: random Fourier features of several frequencies, each through a small network, summed.
"""

from __future__ import annotations

from itertools import pairwise
from typing import cast

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional

from graticule.earth.sphere import unit_vectors

__all__ = ["LocationEncoder", "LocationEncoderConfig"]


class LocationEncoderConfig(BaseModel):
    """Sizes of the location encoder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sigmas: tuple[float, ...] = (1.0, 8.0, 40.0)
    """Standard deviation of each branch's frequencies, in cycles per Earth radius."""
    frequencies: int = Field(default=256, ge=1, le=1_000_000)
    hidden: int = 512
    layers: int = 2
    """Hidden layers of each branch."""
    width: int = 192
    """Length of a location vector."""


class LocationEncoder(nn.Module):
    """(B, 2) degrees -> (B, width) unit vectors.

    The Fourier features are of the unit vector on the sphere, not of a map projection: no seam at the
    antimeridian, no stretched poles.
    """

    def __init__(self, config: LocationEncoderConfig | None = None, *, seed: int = 0) -> None:
        super().__init__()
        self.config = config = config or LocationEncoderConfig()
        generator = torch.Generator().manual_seed(seed)
        self.branches = nn.ModuleList(_Branch(config, sigma, generator) for sigma in config.sigmas)

    def forward(self, lat_lon: Tensor) -> Tensor:
        """(B, 2) latitude and longitude in degrees -> (B, width) unit vectors."""
        point = unit_vectors(lat_lon.double()).float()
        total = torch.stack([branch(point) for branch in self.branches]).sum(0)
        return functional.normalize(total.float(), dim=-1)


class _Branch(nn.Module):
    def __init__(self, config: LocationEncoderConfig, sigma: float, generator: torch.Generator) -> None:
        super().__init__()
        frequencies = sigma * torch.randn(3, config.frequencies, generator=generator)
        self.register_buffer("frequencies", frequencies)
        sizes = [2 * config.frequencies] + [config.hidden] * config.layers
        layers: list[nn.Module] = []
        for incoming, outgoing in pairwise(sizes):
            layers += [nn.Linear(incoming, outgoing), nn.ReLU()]
        self.network = nn.Sequential(*layers, nn.Linear(config.hidden, config.width))

    def forward(self, point: Tensor) -> Tensor:
        # A phase runs to some hundred turns; in bfloat16 it would be off by a good part of one.
        with torch.autocast(point.device.type, enabled=False):
            phase = 2 * torch.pi * (point @ cast(Tensor, self.frequencies))
            waves = torch.cat([phase.cos(), phase.sin()], dim=-1)
        return cast(Tensor, self.network(waves))
