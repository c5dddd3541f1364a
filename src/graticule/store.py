"""Model folders: safetensors parts, a config, and a manifest that binds them together.

    config.json       what the parts are and how they are shaped
    *.safetensors     weights and gallery shards
    manifest.json     the SHA-256 of every other file

Nothing here unpickles anything.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from graticule.errors import InputError, ModelFormatError, ModelNotFoundError

__all__ = ["ModelFolder", "make_folder", "pack", "save_folder", "shipped_models", "unpack", "write_whole"]

FORMAT = 1
Packing = Literal["float16", "int8"]
_SCALE = "/scale"


class ModelFolder:
    """A model on disk, opened for reading: every file is checked against the manifest before it is used."""

    def __init__(self, path: Path) -> None:
        self.path = path
        manifest = self._json("manifest.json")
        if manifest.get("format") != FORMAT or not isinstance(manifest.get("files"), dict):
            raise ModelFormatError(
                f"{path / 'manifest.json'}: format {manifest.get('format')!r} is not the {FORMAT} this version "
                "reads; use the version of Graticule that made the model, or get the model anew."
            )
        self._digests: dict[str, str] = manifest["files"]

    @classmethod
    def find(cls, name_or_folder: str | Path) -> ModelFolder:
        """Open a shipped model by name, or a folder by path.

        Raises:
            ModelNotFoundError: there is neither; the message says how to get one.
        """
        # A shipped name means the shipped model, whatever lies in the working directory; ./name is the folder.
        shipped = shipped_models()
        if isinstance(name_or_folder, str) and name_or_folder in shipped:
            return cls(shipped[name_or_folder])
        folder = Path(name_or_folder)
        if (folder / "manifest.json").is_file():
            return cls(folder)
        raise ModelNotFoundError(
            f"{name_or_folder}: no shipped model has that name (there is: {', '.join(sorted(shipped)) or 'none'}), "
            "and no folder at that path holds a manifest.json. `graticule models list` shows what can be used; "
            "`graticule train` makes a model folder."
        )

    def config(self) -> dict[str, Any]:
        """The model's settings."""
        return _object(self._verified("config.json"), self.path / "config.json")

    def names(self, prefix: str) -> list[str]:
        """The safetensors files whose names begin so, sorted: the shards of a gallery."""
        return sorted(n for n in self._digests if n.startswith(prefix) and n.endswith(".safetensors"))

    def tensors(self, name: str) -> dict[str, Tensor]:
        """The tensors of one file, unpacked to float32."""
        try:
            return unpack(load(self._verified(name)))
        except SafetensorError as error:
            raise ModelFormatError(f"{self.path / name}: not a safetensors file ({error}).") from error

    def _json(self, name: str) -> dict[str, Any]:
        try:
            return _object((self.path / name).read_bytes(), self.path / name)
        except OSError as error:
            raise ModelFormatError(
                f"{self.path / name}: can't be read ({error}); get the model anew."
            ) from error

    def _verified(self, name: str) -> bytes:
        try:
            data = (self.path / name).read_bytes()
        except OSError as error:
            raise ModelFormatError(
                f"{self.path / name}: missing or unreadable; get the model anew."
            ) from error
        if hashlib.sha256(data).hexdigest() != self._digests.get(name):
            raise ModelFormatError(
                f"{self.path / name}: its SHA-256 is not the manifest's: damaged, or of another model. "
                "Get the model anew."
            )
        return data


def _object(data: bytes, path: Path) -> dict[str, Any]:
    try:
        content = json.loads(data)
    except ValueError as error:
        raise ModelFormatError(f"{path}: can't be read ({error}); get the model anew.") from error
    if not isinstance(content, dict):
        raise ModelFormatError(f"{path}: must be a JSON object; get the model anew.")
    return content


def save_folder(
    path: Path,
    config: Mapping[str, Any],
    parts: Mapping[str, Mapping[str, Tensor]],
    *,
    packing: Mapping[str, Packing] | None = None,
    texts: Mapping[str, str] | None = None,
) -> None:
    """Write a model folder; the manifest comes last, so a half-written folder is not a model.

    Args:
        path: the folder; made if need be.
        config: the model's settings.
        parts: file name without ending -> tensors.
        packing: file name -> how its matrices are stored; float16 where not said.
        texts: further files, such as MODEL_CARD.md.
    """
    path.mkdir(parents=True, exist_ok=True)
    (path / "manifest.json").unlink(missing_ok=True)
    files = {f"{n}.safetensors": save(pack(t, (packing or {}).get(n, "float16"))) for n, t in parts.items()}
    files["config.json"] = (json.dumps(config, indent=2) + "\n").encode()
    files |= {name: text.encode() for name, text in (texts or {}).items()}
    for stale in path.glob("*.safetensors"):
        if stale.name not in files:
            stale.unlink()
    for name, data in files.items():
        write_whole(path / name, data)
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(files.items())}
    write_whole(
        path / "manifest.json", (json.dumps({"format": FORMAT, "files": digests}, indent=2) + "\n").encode()
    )


def shipped_models() -> dict[str, Path]:
    """Name -> folder of the models that came with the package."""
    root = Path(str(resources.files("graticule"))) / "models"
    return {p.parent.name: p.parent for p in sorted(root.glob("*/manifest.json"))}


def pack(tensors: Mapping[str, Tensor], packing: Packing) -> dict[str, Tensor]:
    """Make tensors small for storage.

    float16 keeps 11 bits. int8 keeps a matrix's rows (a convolution's filters) each to 1/127 of its largest entry,
    with the rows' scales beside it; vectors and numbers stay float16 or, where float16 would overflow, float32.
    """
    packed: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if not tensor.is_floating_point() or tensor.dtype == torch.float64:
            packed[name] = tensor.contiguous()
        elif packing == "int8" and tensor.ndim > 1:
            rows = tensor.float().flatten(1)
            scale = (rows.abs().amax(1) / 127).clamp(min=1e-12)
            packed[name] = (rows / scale[:, None]).round().to(torch.int8).view(tensor.shape)
            packed[name + _SCALE] = scale
        else:
            half = tensor.half()
            packed[name] = (half if half.isfinite().all() else tensor.float()).contiguous()
    return packed


def unpack(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Undo `pack`: float32 again (float64 and integers as they were)."""
    out: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if name.endswith(_SCALE):
            continue
        scale = tensors.get(name + _SCALE)
        if scale is not None:
            tensor = tensor.float() * scale.view(-1, *[1] * (tensor.ndim - 1))
        out[name] = tensor.float() if tensor.dtype == torch.float16 else tensor
    return out


def make_folder(path: Path) -> None:
    """Make a folder, and those above it.

    Raises:
        InputError: it can't be made or written to.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{path}: this folder can't be made ({error.strerror}); name another.") from error
    if not os.access(path, os.W_OK):
        raise InputError(
            f"{path}: nothing can be written to this folder; name another, or change its permissions."
        )


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that a reader, or a crash, sees the old one or the new one and never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
