"""CLIP's text tower, frozen: place names as vectors, for alignment to aim at.

Radford et al. 2021; the network and the tokenizer are those of `transformers`. Nothing here reaches for the network:
weights and vocabulary come from a local copy in the Hugging Face layout.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, cast

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from graticule.errors import MissingExtraError, ModelFormatError, ModelNotFoundError

__all__ = ["ClipText"]

# What the tower's tensors are called, in a full CLIP and in a text tower alone.
PREFIXES: Final = ("text_model.", "text_projection.")
COUNTED: Final = "text_model.embeddings.position_ids"
"""0, 1, 2, ...: older files hold it."""

# What is taken from config.json; what it does not write has transformers' default.
SETTINGS: Final = (
    "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
    "max_position_embeddings", "hidden_act", "layer_norm_eps", "bos_token_id", "eos_token_id", "projection_dim",
)  # fmt: skip

TOKENIZER: Final = ("tokenizer.json", "vocab.json", "merges.txt")
"""Files of a tokenizer: the first, or the two others."""

_BATCH: Final = 256


class ClipText:
    """Texts -> CLIP's projected text embeddings, not normalised: what its `get_text_features` gives.

    Attributes:
        width: length of a vector, 768 for ViT-L/14.
    """

    def __init__(
        self,
        tower: nn.Module,
        tokenizer: Any,
        *,
        width: int,
        longest: int,
        device: str | torch.device = "cpu",
    ) -> None:
        """Put the parts together; `from_folder` reads them.

        Args:
            tower: transformers' CLIPTextModelWithProjection.
            tokenizer: its CLIPTokenizerFast.
            width: length of a vector.
            longest: tokens of a text at most; what is beyond is cut off.
            device: where texts are read.
        """
        self._tower = tower.to(device).eval().requires_grad_(requires_grad=False)
        self._device = device
        self._tokenizer = tokenizer
        self._longest = longest
        self.width = width

    @torch.inference_mode()
    def encode(self, texts: Sequence[str]) -> Tensor:
        """Vectors of texts; equal texts are looked at once and have equal vectors.

        Args:
            texts: N of them, in any language and length.

        Returns:
            (N, width) float32, on the CPU.
        """
        place = {text: number for number, text in enumerate(dict.fromkeys(texts))}
        distinct = list(place)
        vectors = [self._encode(distinct[n : n + _BATCH]) for n in range(0, len(distinct), _BATCH)]
        known = torch.cat([torch.empty(0, self.width), *vectors])
        return known[torch.tensor([place[text] for text in texts], dtype=torch.int64)]

    def _encode(self, texts: list[str]) -> Tensor:
        tokens = self._tokenizer(
            texts, padding=True, truncation=True, max_length=self._longest, return_tensors="pt"
        ).to(self._device)
        out = self._tower(input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"])
        return cast(Tensor, out.text_embeds).float().cpu()

    @classmethod
    def from_folder(cls, folder: Path, *, device: str | torch.device = "cpu") -> ClipText:
        """The tower of a local copy in the Hugging Face layout: a full CLIP, or its text tower alone.

        Args:
            folder: holds config.json; model.safetensors, or model.safetensors.index.json with its shards; and
                tokenizer.json, or vocab.json and merges.txt.
            device: where texts are read.

        Raises:
            MissingExtraError: transformers is not installed.
            ModelNotFoundError: the folder lacks these files.
            ModelFormatError: they hold something else, or are damaged.
        """
        settings = _settings(folder / "config.json")
        try:
            from transformers import CLIPTextConfig, CLIPTextModelWithProjection, CLIPTokenizerFast
        except ImportError as error:
            raise MissingExtraError.of("clip", "transformers") from error
        try:
            config = CLIPTextConfig(**settings)
            tower = CLIPTextModelWithProjection(config)
            tower.load_state_dict(_weights(folder), assign=True)
        except (RuntimeError, TypeError, ValueError, KeyError) as error:
            raise ModelFormatError(
                f"{folder}: its tensors are not those of its config.json ({error})."
            ) from error
        tokenizer = _tokenizer(folder, CLIPTokenizerFast)
        if len(tokenizer) > config.vocab_size:
            raise ModelFormatError(
                f"{folder}: its tokenizer knows {len(tokenizer)} tokens, but config.json says {config.vocab_size}; "
                "get both from one model."
            )
        widths = {"width": config.projection_dim, "longest": config.max_position_embeddings}
        return cls(tower, tokenizer, **widths, device=device)

    @staticmethod
    def digest(folder: Path) -> str:
        """SHA-256 of what the tower of a folder is read from, in hexadecimal: where the folder lies is no part of it.

        Raises:
            ModelNotFoundError: the folder lacks these files.
            ModelFormatError: they hold something else.
        """
        digest = hashlib.sha256()
        tokenizer = [folder / name for name in TOKENIZER if (folder / name).is_file()]
        for path in [folder / "config.json", *tokenizer, *_weight_files(folder)]:
            try:
                with path.open("rb") as file:
                    digest.update(path.name.encode() + hashlib.file_digest(file, "sha256").digest())
            except OSError as error:
                raise ModelNotFoundError(
                    f"{path}: can't be read ({error.strerror}); name the folder of a downloaded CLIP."
                ) from error
        return digest.hexdigest()


def _settings(path: Path) -> dict[str, Any]:
    """The text tower's settings, out of the config.json of a CLIP or of a text tower."""
    content = _object(path)
    if content.get("model_type") not in ("clip", "clip_text_model"):
        raise ModelFormatError(f"{path}: model_type is {content.get('model_type')!r}, not clip; name a CLIP.")
    own = content.get("text_config", {})
    if not isinstance(own, dict):
        raise ModelFormatError(f"{path}: text_config must be a JSON object; get it anew.")
    text = {**content, **own}
    # What a full CLIP says of its projection holds for both towers.
    text["projection_dim"] = content.get("projection_dim", text.get("projection_dim", 512))
    return {name: text[name] for name in SETTINGS if name in text}


def _weight_files(folder: Path) -> list[Path]:
    """Those that the tower's weights lie in."""
    index = folder / "model.safetensors.index.json"
    if (folder / "model.safetensors").is_file() or not index.is_file():
        return [folder / "model.safetensors"]
    shards = _object(index).get("weight_map", {})
    return sorted({folder / Path(shard).name for name, shard in shards.items() if _is_of_tower(name)})


def _weights(folder: Path) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    for file in _weight_files(folder):
        if not file.is_file():
            raise ModelNotFoundError(f"{file}: is not there; name the folder of a downloaded CLIP.")
        try:
            with safe_open(file, framework="pt") as opened:
                names = filter(_is_of_tower, opened.keys())
                tensors |= {name: opened.get_tensor(name).float() for name in names}
        except (OSError, SafetensorError) as error:
            raise ModelFormatError(f"{file}: can't be read ({error}); get it anew.") from error
    return tensors


def _is_of_tower(name: str) -> bool:
    return name.startswith(PREFIXES) and name != COUNTED


def _tokenizer(folder: Path, kind: Any) -> Any:
    whole, *parts = ((folder / name).is_file() for name in TOKENIZER)
    if not whole and not all(parts):
        raise ModelNotFoundError(
            f"{folder}: holds neither tokenizer.json nor vocab.json with merges.txt; get the model's tokenizer too."
        )
    try:
        return kind.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # the library underneath raises bare Exceptions
        raise ModelFormatError(f"{folder}: its tokenizer can't be read ({error}); get it anew.") from error


def _object(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise ModelNotFoundError(
            f"{path}: can't be read ({error.strerror}); name the folder of a downloaded CLIP."
        ) from error
    except ValueError as error:
        raise ModelFormatError(f"{path}: not JSON ({error}); get it anew.") from error
    if not isinstance(content, dict):
        raise ModelFormatError(f"{path}: must be a JSON object; get it anew.")
    return content
