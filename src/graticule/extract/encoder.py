"""Which encoder makes the features: that of a model, or a local CLIP; known by a digest before it is opened."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graticule.encoders.contract import ImageEncoder, encoder_digest
from graticule.errors import ModelFormatError, ModelNotFoundError
from graticule.registry import ENCODERS
from graticule.restoring import restored
from graticule.store import ModelFolder

__all__ = ["StoredEncoder", "find_encoder"]

_WEIGHTS = "encoder.safetensors"


@dataclass(frozen=True)
class StoredEncoder:
    """An encoder that lies on disk and is not opened yet.

    Attributes:
        name: what finds it again: a model's name, or the absolute path of a folder.
        digest: SHA-256 over its settings and the files of its weights, in hexadecimal.
        width: F, the length of a feature vector.
    """

    name: str
    digest: str
    width: int
    _read: Callable[[], ImageEncoder]

    def open(self) -> ImageEncoder:
        """Read the weights; an encoder that has a faster form, which can't be saved, comes in that.

        Raises:
            ModelFormatError: they are damaged, or of another design than the settings.
            MissingExtraError: the encoder needs a package that is not installed.
        """
        encoder = self._read()
        faster = getattr(encoder, "for_inference", None)
        return encoder if faster is None else faster()


def find_encoder(name_or_folder: str) -> StoredEncoder:
    """The encoder of a shipped or installed model, of a model folder, or a local CLIP in the Hugging Face layout.

    Its weights are hashed and not loaded.

    Raises:
        ModelNotFoundError: there is none.
        ModelFormatError: its files are missing, damaged, or hold something else.
    """
    try:
        model = ModelFolder.find(name_or_folder)
    except ModelNotFoundError:
        if (Path(name_or_folder) / "config.json").is_file():
            return _of_clip(Path(name_or_folder).resolve())
        raise
    try:
        settings = ENCODERS.settings(model.config().get("encoder"))
    except ValueError as error:  # ConfigError, or pydantic's ValidationError
        raise ModelFormatError(f"{model.path / 'config.json'}: encoder: {error}") from error
    by_path = model.path == Path(name_or_folder)
    return StoredEncoder(
        str(model.path.resolve()) if by_path else name_or_folder,
        _digest(settings, [model.path / _WEIGHTS]),
        settings.width,
        lambda: _opened(model, settings),
    )


def _opened(model: ModelFolder, settings: Any) -> Any:
    encoder = restored(ENCODERS.find(settings.kind), settings, model, "encoder")
    return encoder.eval().requires_grad_(requires_grad=False)


def _of_clip(folder: Path) -> StoredEncoder:
    from graticule.encoders.clip import ClipEncoder, read_config

    config = folder / "config.json"
    settings = read_config(config.read_bytes(), name=str(config))
    whole = folder / "model.safetensors"
    files = [whole] if whole.is_file() else sorted(folder.glob("*.safetensors"))
    return StoredEncoder(
        str(folder), _digest(settings, files), settings.width, lambda: ClipEncoder.from_folder(folder)
    )


def _digest(settings: Any, files: list[Path]) -> str:
    return encoder_digest(settings, map(_file_digest, files))


def _file_digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelFormatError(f"{path}: missing or unreadable; get the model anew.") from error
