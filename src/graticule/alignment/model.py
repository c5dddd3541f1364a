"""Pictures and places in one space."""

from __future__ import annotations

import math
from typing import Literal, cast

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn
from torch.nn import functional

from graticule.alignment.location import LocationEncoder, LocationEncoderConfig

__all__ = ["Alignment", "AlignmentConfig"]


class AlignmentConfig(BaseModel):
    """Sizes of the alignment."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["sphere"] = "sphere"
    """Places are read off the sphere, not off a map."""
    feature_width: int = 512
    """Length of the encoder's features."""
    hidden: int | None = None
    """Width of the image head's hidden layer; None: the head is linear, for encoders trained together with it."""
    location: LocationEncoderConfig = LocationEncoderConfig()
    initial_scale: float = 1 / 0.07
    """What multiplies a cosine at the start of training (GeoCLIP)."""

    @property
    def width(self) -> int:
        """Length of a vector of the common space."""
        return self.location.width


class Alignment(nn.Module):
    """A head that carries picture features to where the location encoder puts their places."""

    def __init__(self, config: AlignmentConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or AlignmentConfig()
        self.image_head = head(config.feature_width, config.hidden, config.location.width)
        self.location_encoder = LocationEncoder(config.location)
        self.log_scale = nn.Parameter(torch.tensor(math.log(config.initial_scale)))

    @property
    def scale(self) -> Tensor:
        """What multiplies the cosines, at most 200."""
        return self.log_scale.exp().clamp(max=200.0)

    def images(self, features: Tensor) -> Tensor:
        """(B, feature_width) features -> (B, D) unit vectors: the location-aligned vectors of pictures."""
        return functional.normalize(self.image_head(features).float(), dim=-1)

    def locations(self, lat_lon: Tensor) -> Tensor:
        """(B, 2) degrees -> (B, D) unit vectors."""
        return cast(Tensor, self.location_encoder(lat_lon))


def head(incoming: int, hidden: int | None, outgoing: int) -> nn.Module:
    """A linear layer, or two with a ReLU between."""
    if hidden is None:
        return nn.Linear(incoming, outgoing)
    return nn.Sequential(nn.Linear(incoming, hidden), nn.ReLU(), nn.Linear(hidden, outgoing))
