"""Alignments on disk: in a folder of their own, or as part of a model."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError
from torch import nn

from graticule.alignment.contract import ImageLocationAlignment
from graticule.errors import ConfigError, ModelFormatError
from graticule.registry import ALIGNMENTS
from graticule.store import ModelFolder

__all__ = ["open_alignment"]


def open_alignment(name_or_folder: str | Path) -> tuple[ImageLocationAlignment, str]:
    """Read an alignment.

    Args:
        name_or_folder: of a model, or of what `graticule align` wrote.

    Returns:
        The alignment, and the SHA-256 of the file of its weights.

    Raises:
        ModelNotFoundError: there is none.
        ModelFormatError: its files are damaged, or hold something else.
    """
    folder = ModelFolder.find(name_or_folder)
    try:
        alignment: nn.Module = ALIGNMENTS.build(ALIGNMENTS.settings(folder.config().get("alignment")))
        alignment.load_state_dict(folder.tensors("alignment.safetensors"))
    except (ValidationError, ConfigError, RuntimeError) as error:
        raise ModelFormatError(f"{folder.path}: holds no alignment that can be read ({error}).") from error
    opened: ImageLocationAlignment = alignment.eval().requires_grad_(requires_grad=False)  # type: ignore[assignment]
    return opened, folder.digests["alignment.safetensors"]
