"""CLIP's vision tower, frozen, as an encoder: what GeoCLIP looks at pictures with.

Radford et al. 2021; the network is that of `transformers`. Nothing here reaches for the network: weights come from
a model folder, or from a local copy in the Hugging Face layout.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from graticule.errors import MissingExtraError, ModelFormatError, ModelNotFoundError

__all__ = ["ClipEncoder", "ClipEncoderConfig", "read_config"]

# The mean and spread of the colours, of 1, that CLIP was trained with.
MEAN: Final = (0.48145466, 0.4578275, 0.40821073)
SPREAD: Final = (0.26862954, 0.26130258, 0.27577711)

LONGEST: Final = 50
"""A strip of more squares than this is cut first: enlarged, it might be more than memory holds."""

# What the tower's tensors are called in the Hugging Face layout, in a full CLIP and in a vision tower alone.
PREFIXES: Final = ("vision_model.", "visual_projection.")
COUNTED: Final = "vision_model.embeddings.position_ids"
"""0, 1, 2, ...: older files hold it."""

# Ours -> the name in config.json, and the value that is meant where it is not written.
SETTINGS: Final[dict[str, tuple[str, object]]] = {
    "size": ("image_size", 224),
    "patch": ("patch_size", 32),
    "hidden": ("hidden_size", 768),
    "feed_forward": ("intermediate_size", 3072),
    "layers": ("num_hidden_layers", 12),
    "heads": ("num_attention_heads", 12),
    "activation": ("hidden_act", "quick_gelu"),
    "norm_epsilon": ("layer_norm_eps", 1e-5),
    "width": ("projection_dim", 512),
}


class ClipEncoderConfig(BaseModel):
    """Sizes of the tower; the defaults are ViT-L/14's, which GeoCLIP uses."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["clip"] = "clip"
    size: int = 224
    """Pixels on a side."""
    patch: int = 14
    """Pixels on a side of a patch."""
    hidden: int = 1024
    feed_forward: int = 4096
    layers: int = 24
    heads: int = 16
    activation: Literal["quick_gelu", "gelu"] = "quick_gelu"
    norm_epsilon: float = 1e-5
    width: int = 768
    """Length of a feature vector: CLIP's projected embedding."""


class ClipEncoder(nn.Module):
    """Pictures -> CLIP's projected embeddings, not normalised: what its `get_image_features` gives.

    `encoder.to(torch.bfloat16)` computes with three digits, where the machine is faster so; features are float32
    whatever the weights are.
    """

    large: ClassVar[bool] = True
    """Random weights take seconds to draw: a model that has weights of its own does without."""

    def __init__(self, config: ClipEncoderConfig | None = None) -> None:
        """A tower with random weights.

        Raises:
            MissingExtraError: transformers is not installed.
        """
        super().__init__()
        self.config = config = config or ClipEncoderConfig()
        self.size, self.width = config.size, config.width
        self.tower = _tower(config)

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, 3, size, size) float pixels in [0, 1] -> (B, width) features."""
        mean, spread = (pixels.new_tensor(colours).view(3, 1, 1) for colours in (MEAN, SPREAD))
        return cast(Tensor, self.tower((pixels - mean) / spread).image_embeds)

    @torch.inference_mode()
    def encode(self, pixels: Tensor) -> Tensor:
        """(B, 3, size, size) uint8 -> (B, width) float32."""
        return self.forward(pixels.float() / 255).float()

    def prepare(self, image: Image.Image) -> NDArray[np.uint8]:
        """Make a picture ready as CLIP's own processor does: the shorter edge resized, then the centred square.

        Args:
            image: RGB, at its full size: decoding it smaller changes the pixels.

        Returns:
            (3, size, size) uint8.
        """
        short = min(image.size)
        image = _centre(image, *(min(edge, LONGEST * short) for edge in image.size))
        width, height = (int(self.size * edge / short) for edge in image.size)
        resized = image.resize((width, height), Image.Resampling.BICUBIC)
        return np.ascontiguousarray(np.asarray(_centre(resized, self.size, self.size)).transpose(2, 0, 1))

    @classmethod
    def from_folder(cls, folder: Path) -> ClipEncoder:
        """The tower of a local copy in the Hugging Face layout: a full CLIP, or its vision tower alone.

        Only the tower's tensors are read.

        Args:
            folder: holds config.json, and model.safetensors or model.safetensors.index.json with its shards.

        Raises:
            MissingExtraError: transformers is not installed.
            ModelNotFoundError: the folder lacks these files.
            ModelFormatError: they hold something else, or are damaged.
        """
        config = read_config(_read(folder / "config.json"), name=str(folder / "config.json"))
        # Random weights would take ten times as long to draw as the true ones take to read.
        with torch.device("meta"):
            encoder = cls(config)
        try:
            encoder.tower.load_state_dict(_read_tower(folder), assign=True)
        except RuntimeError as error:
            raise ModelFormatError(
                f"{folder}: its tensors are not those of its config.json ({error})."
            ) from error
        return encoder.eval().requires_grad_(requires_grad=False)


def _is_of_tower(name: str) -> bool:
    """Whether a tensor of a CLIP, named as in the Hugging Face layout, is a weight of the vision tower."""
    return name.startswith(PREFIXES) and name != COUNTED


def read_config(data: bytes, *, name: str) -> ClipEncoderConfig:
    """The sizes of the tower, out of the config.json of a CLIP or of a vision tower.

    Args:
        data: the JSON.
        name: what messages call it.

    Raises:
        ModelFormatError: it is not such a config.
    """
    settings = _object(data, name)
    # What a full CLIP says of its projection holds for both towers. What is not written has transformers' default.
    vision = {**settings, **settings.get("vision_config", {})}
    vision["projection_dim"] = settings.get("projection_dim", vision.get("projection_dim", 512))
    if settings.get("model_type") not in ("clip", "clip_vision_model"):
        raise ModelFormatError(
            f"{name}: model_type is {settings.get('model_type')!r}, not clip; name a CLIP."
        )
    try:
        return ClipEncoderConfig(
            **{ours: vision.get(theirs, usual) for ours, (theirs, usual) in SETTINGS.items()}
        )
    except ValidationError as error:
        raise ModelFormatError(f"{name}: not the config of a CLIP that can be used ({error}).") from error


def _centre(image: Image.Image, width: int, height: int) -> Image.Image:
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))


def _tower(config: ClipEncoderConfig) -> nn.Module:
    try:
        from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection
    except ImportError as error:
        raise MissingExtraError.of("clip", "transformers") from error
    sizes = {theirs: getattr(config, ours) for ours, (theirs, _) in SETTINGS.items()}
    tower: nn.Module = CLIPVisionModelWithProjection(CLIPVisionConfig(**sizes))
    # Not a weight, so no file holds it: it must be there even if the weights are yet to come (device "meta").
    numbers = torch.arange((config.size // config.patch) ** 2 + 1, device="cpu")[None]
    tower.get_submodule("vision_model.embeddings").register_buffer("position_ids", numbers, persistent=False)
    return tower


def _read_tower(folder: Path) -> dict[str, Tensor]:
    whole, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if whole.is_file():
        files = [whole]
    elif index.is_file():
        shards = _object(_read(index), str(index)).get("weight_map", {})
        files = sorted({folder / Path(shard).name for name, shard in shards.items() if _is_of_tower(name)})
    elif any(folder.glob("*.bin")):
        raise ModelNotFoundError(
            f"{folder}: holds weights as pickles (.bin) only, and loading those can run code; "
            "get the model's safetensors."
        )
    else:
        raise ModelNotFoundError(
            f"{folder}: holds no model.safetensors; name the folder of a downloaded CLIP."
        )
    tensors: dict[str, Tensor] = {}
    for file in files:
        try:
            with safe_open(file, framework="pt") as opened:
                names = filter(_is_of_tower, opened.keys())
                tensors |= {name: opened.get_tensor(name).float() for name in names}
        except (OSError, SafetensorError) as error:
            raise ModelFormatError(f"{file}: can't be read ({error}); get it anew.") from error
    return tensors


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelNotFoundError(
            f"{path}: can't be read ({error.strerror}); name the folder of a downloaded CLIP."
        ) from error


def _object(data: bytes, name: str) -> dict[str, Any]:
    try:
        content = json.loads(data)
    except ValueError as error:
        raise ModelFormatError(f"{name}: not JSON ({error}); get it anew.") from error
    if not isinstance(content, dict):
        raise ModelFormatError(f"{name}: must be a JSON object; get it anew.")
    return content
