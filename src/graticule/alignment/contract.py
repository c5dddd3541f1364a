"""What every alignment promises."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import Tensor

__all__ = ["ImageLocationAlignment"]


@runtime_checkable
class ImageLocationAlignment(Protocol):
    """Pictures and places as unit vectors of one space, alike where a picture was taken at the place."""

    @property
    def scale(self) -> Tensor:
        """What multiplies the cosines before a softmax."""
        ...

    def images(self, features: Tensor) -> Tensor:
        """(B, F) encoder features -> (B, D) unit vectors."""
        ...

    def locations(self, lat_lon: Tensor) -> Tensor:
        """(B, 2) degrees -> (B, D) unit vectors."""
        ...
