"""What every image encoder promises."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Protocol, runtime_checkable

from pydantic import BaseModel
from torch import Tensor

__all__ = ["ImageEncoder", "encoder_digest"]


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


def encoder_digest(settings: BaseModel, weights: Iterable[str]) -> str:
    """What tells encoders apart: features of two can be compared only if this is the same.

    Args:
        settings: the encoder's, of which how pictures are prepared follows.
        weights: the SHA-256 of each file of its weights, in hexadecimal, in the order of their names.

    Returns:
        SHA-256 over both, in hexadecimal.
    """
    digest = hashlib.sha256(json.dumps(settings.model_dump(mode="json"), sort_keys=True).encode())
    for file in weights:
        digest.update(bytes.fromhex(file))
    return digest.hexdigest()
