"""GeoCLIP's alignment, as published: CLIP features and coordinates in one space.

Vivanco Cepeda, Nayak and Shah, "GeoCLIP", NeurIPS 2023, sec. 3. Other than `graticule.alignment.model`, whose form
it lent, it reads places off a flat map: the Equal Earth projection.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Literal, cast

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn
from torch.nn import functional

from graticule.errors import ModelFormatError

__all__ = ["GeoClipAlignment", "GeoClipAlignmentConfig", "equal_earth"]

# The polynomial of the projection: Savric, Patterson and Jenny 2018, "The Equal Earth map projection", eq. 5.
A1, A2, A3, A4 = 1.340264, -0.081106, 0.000893, 0.003796
MAP_SCALE = 66.50336
"""GeoCLIP multiplies the map's coordinates by this, then divides by 180: longitude spans about -1 to 1."""

# The package's names of a branch's parts: the frequencies, the hidden layers, and the last layer.
PUBLISHED_NAME = re.compile(r"^LocEnc(\d+)\.(capsule\.0\.b|capsule\.(\d+)|head\.0)(?=\.|$)")


class GeoClipAlignmentConfig(BaseModel):
    """Sizes of the alignment; the defaults are the published ones."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["geoclip"] = "geoclip"
    feature_width: int = 768
    """Length of the encoder's features, and of the image head's hidden layer."""
    sigmas: tuple[float, ...] = (1.0, 16.0, 256.0)
    """Standard deviation of each branch's frequencies, in cycles per half a map."""
    frequencies: int = 256
    hidden: int = 1024
    layers: int = 3
    """Hidden layers of each branch."""
    width: int = 512
    """Length of a vector of the common space."""
    initial_scale: float = 1 / 0.07
    """What multiplies a cosine at the start of training."""


class GeoClipAlignment(nn.Module):
    """An image head and a location encoder that meet in one space."""

    def __init__(self, config: GeoClipAlignmentConfig | None = None, *, seed: int = 0) -> None:
        super().__init__()
        self.config = config = config or GeoClipAlignmentConfig()
        self.image_head = nn.Sequential(
            nn.Linear(config.feature_width, config.feature_width),
            nn.ReLU(),
            nn.Linear(config.feature_width, config.width),
        )
        generator = torch.Generator().manual_seed(seed)
        self.branches = nn.ModuleList(_Branch(config, sigma, generator) for sigma in config.sigmas)
        self.log_scale = nn.Parameter(torch.tensor(math.log(config.initial_scale)))

    @property
    def scale(self) -> Tensor:
        """What multiplies the cosines."""
        return self.log_scale.exp()

    def images(self, features: Tensor) -> Tensor:
        """(B, feature_width) features -> (B, width) unit vectors."""
        return functional.normalize(self.image_head(features).float(), dim=-1)

    def locations(self, lat_lon: Tensor) -> Tensor:
        """(B, 2) degrees -> (B, width) unit vectors."""
        point = equal_earth(lat_lon.float())
        total = torch.stack([branch(point) for branch in self.branches]).sum(0)
        return functional.normalize(total.float(), dim=-1)

    @classmethod
    def from_published(
        cls, image_head: Mapping[str, Tensor], location: Mapping[str, Tensor], *, log_scale: Tensor
    ) -> GeoClipAlignment:
        """The alignment with the weights of the `geoclip` package, which keeps them in three files.

        Args:
            image_head: `image_encoder_mlp_weights`.
            location: `location_encoder_weights`.
            log_scale: `logit_scale_weights`, a number.

        Raises:
            ModelFormatError: a weight is missing, unexpected or of the wrong shape.
        """
        state = {f"image_head.{name}": weight for name, weight in image_head.items()} | {
            "log_scale": log_scale
        }
        for name, weight in location.items():
            renamed = PUBLISHED_NAME.sub(_our_name, name)
            state[renamed] = weight.T if renamed.endswith(".frequencies") else weight
        alignment = cls()
        try:
            alignment.load_state_dict(state)
        except RuntimeError as error:
            raise ModelFormatError(f"these are not GeoCLIP's published weights ({error}).") from error
        return alignment.eval().requires_grad_(requires_grad=False)


def equal_earth(lat_lon: Tensor) -> Tensor:
    """(B, 2) degrees -> (B, 2) x and y on the Equal Earth map, scaled as GeoCLIP scales them.

    The precision is the input's. The published weights were made with float32, and the finest branch turns the last
    bits into phases: the order of operations is theirs, so that the rounding is too.
    """
    lat, lon = torch.deg2rad(lat_lon).unbind(-1)
    theta = torch.asin(math.sqrt(3) / 2 * lat.sin())
    slope = 9 * A4 * theta**8 + 7 * A3 * theta**6 + 3 * A2 * theta**2 + A1
    x = 2 * math.sqrt(3) * lon * theta.cos() / (3 * slope)
    y = A4 * theta**9 + A3 * theta**7 + A2 * theta**3 + A1 * theta
    return torch.stack([x, y], dim=-1) * MAP_SCALE / 180


class _Branch(nn.Module):
    """Random Fourier features of one frequency band (Tancik et al. 2020), and a network that reads them."""

    def __init__(self, config: GeoClipAlignmentConfig, sigma: float, generator: torch.Generator) -> None:
        super().__init__()
        frequencies = sigma * torch.randn(2, config.frequencies, generator=generator, device="cpu")
        self.register_buffer("frequencies", frequencies)
        sizes = [2 * config.frequencies] + [config.hidden] * config.layers
        layers: list[nn.Module] = []
        for incoming, outgoing in pairwise(sizes):
            layers += [nn.Linear(incoming, outgoing), nn.ReLU()]
        self.network = nn.Sequential(*layers, nn.Linear(config.hidden, config.width))

    def forward(self, point: Tensor) -> Tensor:
        phase = (2 * torch.pi * point) @ cast(Tensor, self.frequencies)
        return cast(Tensor, self.network(torch.cat([phase.cos(), phase.sin()], dim=-1)))


def _our_name(match: re.Match[str]) -> str:
    branch, part, place = match.groups()
    if part == "capsule.0.b":
        return f"branches.{branch}.frequencies"
    # The network begins after the frequencies, and ends with the head.
    layer = 2 * GeoClipAlignmentConfig().layers if place is None else int(place) - 1
    return f"branches.{branch}.network.{layer}"
