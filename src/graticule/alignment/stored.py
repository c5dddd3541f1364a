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


def open_alignment(
    name_or_folder: str | Path, *, encoder_digest: str | None = None
) -> tuple[ImageLocationAlignment, str]:
    """Read an alignment.

    Args:
        name_or_folder: of a model, or of what `graticule align` wrote.
        encoder_digest: of the encoder whose features it is to take, as in extract.json; None: it is not known.

    Returns:
        The alignment, and the SHA-256 of the file of its weights.

    Raises:
        ModelNotFoundError: there is none.
        ModelFormatError: its files are damaged, or hold something else.
        ConfigError: it was trained on features of another encoder.
    """
    folder = ModelFolder.find(name_or_folder)
    settings = folder.config()
    trained_on = [settings.get(name) for name in ("encoder_digest", "features_digest")]
    if encoder_digest is not None and any(trained_on) and encoder_digest not in trained_on:
        raise ConfigError(
            f"{name_or_folder}: an alignment for features of another encoder than these, which are of the encoder "
            f"{encoder_digest[:12]}; name the alignment that was trained on them."
        )
    try:
        alignment: nn.Module = ALIGNMENTS.build(ALIGNMENTS.settings(settings.get("alignment")))
        alignment.load_state_dict(folder.tensors("alignment.safetensors"))
    except (ValidationError, ConfigError, RuntimeError) as error:
        raise ModelFormatError(f"{folder.path}: holds no alignment that can be read ({error}).") from error
    opened: ImageLocationAlignment = alignment.eval().requires_grad_(requires_grad=False)  # type: ignore[assignment]
    return opened, folder.digests["alignment.safetensors"]
