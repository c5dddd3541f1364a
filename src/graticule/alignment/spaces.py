"""Three spaces for one picture: how it looks, where it could be, and what the place could be called.

GeoToken describes a picture by three vectors of the form of G3's geo-alignment (Jia et al., NeurIPS 2024): the
backbone's own embedding, one aligned with places, one aligned with texts. Neither paper's weights could be had; the
sizes are theirs, what is between them is a reconstruction (docs/alignment.md).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import ValidationError
from torch import Tensor, nn
from torch.nn import functional

from graticule.alignment.location import LocationEncoderConfig
from graticule.alignment.loss import info_nce
from graticule.alignment.model import Alignment, AlignmentConfig, head
from graticule.errors import ConfigError, ModelFormatError
from graticule.store import ModelFolder, save_folder

__all__ = ["SpacesAlignment", "SpacesAlignmentConfig", "text_loss"]

SAME_NAME = 1 - 1e-4
"""Texts with vectors more alike than this cosine are one text; how they were batched moves a vector's last digits."""


class SpacesAlignmentConfig(AlignmentConfig):
    """Sizes of the three spaces; the defaults are the papers', with ViT-L/14 as backbone."""

    kind: Literal["spaces"] = "spaces"  # type: ignore[assignment]
    feature_width: int = 768
    """Length of the encoder's features, which are the image vectors."""
    hidden: int | None = 768
    """Width of the heads' hidden layers; None: the heads are linear."""
    location: LocationEncoderConfig = LocationEncoderConfig(width=768)
    text_width: int | None = None
    """Length of the text tower's vectors, 768 in the papers; None: there is no text and no text-aligned head."""

    @property
    def widths(self) -> dict[str, int]:
        """Name of each space there is -> length of its vectors."""
        text = {} if self.text_width is None else {"text": self.text_width}
        return {"image": self.feature_width, "location": self.width, **text}


class SpacesAlignment(Alignment):
    """Frozen features -> unit vectors of the image, location and text space; coordinates -> the location space.

    The image vector is the feature itself: with nothing to aim at, a head of its own would have nothing to learn. The
    two others are Linear, ReLU, Linear on the feature, each with a temperature of its own.
    """

    config: SpacesAlignmentConfig

    def __init__(self, config: SpacesAlignmentConfig | None = None) -> None:
        config = config or SpacesAlignmentConfig()
        super().__init__(config)
        if config.text_width is not None:
            self.text_head = head(config.feature_width, config.hidden, config.text_width)
            self.log_text_scale = nn.Parameter(torch.tensor(math.log(config.initial_scale)))

    @property
    def text_scale(self) -> Tensor:
        """What multiplies the cosines of pictures and texts, at most 200."""
        return self.log_text_scale.exp().clamp(max=200.0)

    def texts(self, features: Tensor) -> Tensor:
        """(B, feature_width) features -> (B, text_width) unit vectors: the text-aligned vectors of pictures."""
        return functional.normalize(self.text_head(features).float(), dim=-1)

    def vectors(self, features: Tensor) -> dict[str, Tensor]:
        """What GeoToken is told of pictures, as `Query.vectors`.

        Args:
            features: (B, feature_width).

        Returns:
            Unit vectors "image" (B, feature_width), "location" (B, D) and, where there is a text-aligned head,
            "text" (B, text_width).
        """
        found = {"image": functional.normalize(features.float(), dim=-1), "location": self.images(features)}
        return found if self.config.text_width is None else {**found, "text": self.texts(features)}

    def index_vectors(self, features: Tensor, names: Sequence[str]) -> Tensor:
        """What a gallery is searched by: the vector of one space, or those of several end to end.

        Each part counts the same: the cosine of two such vectors is the mean of the cosines of their parts. A gallery
        and its queries need the same names in the same order.

        Args:
            features: (B, feature_width).
            names: some of "image", "location" and "text", each once.

        Returns:
            (B, sum of the parts' widths) unit vectors.

        Raises:
            ConfigError: there is no such space, or none is named, or one twice.
        """
        known = self.config.widths
        if not names or len(set(names)) != len(names) or not set(names) <= set(known):
            raise ConfigError(
                f"index vectors of {', '.join(names) or 'nothing'}: name some of {', '.join(known)}, each once."
            )
        vectors = self.vectors(features)
        return torch.cat([vectors[name] for name in names], dim=-1) / math.sqrt(len(names))

    def save(self, folder: Path, *, about: Mapping[str, Any], card: str) -> None:
        """Write a folder that `from_folder` reads.

        Args:
            folder: made if need be.
            about: what else config.json shall tell, such as the settings of the training.
            card: the text of MODEL_CARD.md.
        """
        config = {**about, "alignment": self.config.model_dump(mode="json")}
        save_folder(folder, config, {"alignment": self.state_dict()}, texts={"MODEL_CARD.md": card})

    @classmethod
    def from_folder(cls, folder: Path) -> SpacesAlignment:
        """Read what `save` wrote: weights are those written, to the digits that float16 keeps.

        Raises:
            ModelNotFoundError: the folder is not a model's.
            ModelFormatError: it is damaged, or holds something else.
        """
        stored = ModelFolder.find(folder)
        try:
            alignment = cls(SpacesAlignmentConfig.model_validate(stored.config().get("alignment")))
            alignment.load_state_dict(stored.tensors("alignment.safetensors"))
        except (ValidationError, RuntimeError) as error:
            raise ModelFormatError(f"{folder}: not an alignment in three spaces ({error}).") from error
        return alignment.eval().requires_grad_(requires_grad=False)


def text_loss(images: Tensor, texts: Tensor, *, scale: Tensor) -> Tensor:
    """Symmetric InfoNCE between pictures and the texts of their places.

    Pictures without a text take no part. Pictures with one text between them are not each other's wrong answers:
    a place name says nothing against another picture of the same place.

    Args:
        images: (B, D) unit vectors, text-aligned.
        texts: (B, D) of the text tower, of any length; a row of zeros where there is no text.
        scale: multiplies the cosines.

    Returns:
        The mean loss over the pictures with text and both directions; 0 without any.
    """
    named = texts.any(dim=1)
    if not named.any():
        return images.sum() * 0
    images, names = images[named], functional.normalize(texts[named].float(), dim=-1)
    with torch.autocast(images.device.type, enabled=False):
        same = (names @ names.T > SAME_NAME).fill_diagonal_(fill_value=False)

    def leave_out_same(logits: Tensor) -> Tensor:
        return logits.masked_fill(same, -math.inf)

    to_texts = info_nce(images, names, scale=scale, reweigh=leave_out_same)
    to_images = info_nce(names, images, scale=scale, reweigh=leave_out_same)
    return (to_texts + to_images) / 2
