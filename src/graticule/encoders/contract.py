"""What every image encoder promises."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import Tensor

__all__ = ["ImageEncoder"]


@runtime_checkable
class ImageEncoder(Protocol):
    """Pixels in, features out.

    Attributes:
        size: pixels on a side that `encode` wants.
        width: D, the length of a feature vector.

    An encoder that is particular about how a picture becomes pixels has a method `prepare`, from an RGB image at full
    size to (3, size, size) uint8; for the others `images.open.square_pixels` does.
    """

    size: int
    width: int

    def encode(self, pixels: Tensor) -> Tensor:
        """(B, 3, size, size) uint8 pixels -> (B, D) float32 features; a row depends on its own picture only."""
        ...
