"""Model folders: safetensors parts, a config, and a manifest that binds them together.

    config.json       what the parts are and how they are shaped
    *.safetensors     weights and gallery shards
    manifest.json     the SHA-256 of every other file

Nothing here unpickles anything.
"""

from __future__ import annotations

import hashlib
import json
import math
import mmap
import os
import re
import stat
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Literal, TypeVar

import torch
from safetensors.torch import save, save_file
from torch import Tensor

from graticule.errors import InputError, ModelFormatError, ModelNotFoundError
from graticule.registry import OFFERS

__all__ = [
    "ModelFolder",
    "add_texts",
    "default_model",
    "installed_models",
    "make_folder",
    "models_folder",
    "pack",
    "save_folder",
    "save_tensors",
    "shipped_models",
    "sweep",
    "unpack",
    "write_manifest",
    "write_whole",
]

Part = TypeVar("Part")

FORMAT = 1
Packing = Literal["float16", "int8", "float32", "exact"]
_SCALE = "/scale"
_LONGEST_HEADER = 100_000_000
_MOST_AXES = 16
"""Of a tensor: to multiply thousands of numbers of thousands of digits takes minutes."""
_NAME = re.compile(r"[\w. -]+")
"""Of a file of a folder: a path could lead out of it."""
_SHA256 = re.compile(r"[0-9a-f]{64}")
_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


class ModelFolder:
    """A model or an index on disk, for reading: every file is checked against the manifest before it is used."""

    def __init__(self, path: Path, *, what: str = "model") -> None:
        """Open a folder; `what` it is of is what messages call it."""
        self.path = path
        self._what = what
        manifest = self._json("manifest.json")
        if manifest.get("format") != FORMAT or not isinstance(manifest.get("files"), dict):
            raise ModelFormatError(
                f"{path / 'manifest.json'}: format {manifest.get('format')!r} is not the {FORMAT} this version "
                f"reads; use the version of Graticule that made the {what}, or get the {what} anew."
            )
        self._digests: dict[str, str] = manifest["files"]
        for name, digest in self._digests.items():
            if not (_NAME.fullmatch(name) and isinstance(digest, str) and _SHA256.fullmatch(digest)):
                raise ModelFormatError(
                    f"{path / 'manifest.json'}: {name[:100]!r} is no file with its SHA-256; get the {what} anew."
                )

    @classmethod
    def find(cls, name_or_folder: str | Path) -> ModelFolder:
        """Open a shipped or else an installed model by name, or else a folder by path.

        Raises:
            ModelNotFoundError: there is none; the message says how to get one.
        """
        # A name means the model of that name, whatever lies in the working directory; ./name is the folder.
        named = installed_models() | shipped_models()
        if isinstance(name_or_folder, str) and name_or_folder in named:
            return cls(named[name_or_folder])
        folder = Path(name_or_folder)
        if (folder / "manifest.json").is_file():
            return cls(folder)
        if name_or_folder in OFFERS:
            raise ModelNotFoundError(
                f"{name_or_folder}: not installed yet; `graticule models pull {name_or_folder}` gets it."
            )
        raise ModelNotFoundError(
            f"{name_or_folder}: no model has that name (there is: {', '.join(sorted(named)) or 'none'}), "
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
        """The tensors of one file, unpacked to float32.

        They are views of the very bytes that were checked: a large part is in memory once.
        """
        return self._tensors(name, self._verified(name), unpack)

    def text(self, name: str) -> str | None:
        """A further file of the model, such as calibration.json; None if it has none of that name."""
        if name not in self._digests:
            return None
        try:
            return self._verified(name).decode()
        except UnicodeDecodeError as error:
            raise ModelFormatError(
                f"{self.path / name}: is no text in UTF-8; get the {self._what} anew."
            ) from error

    def mapped(self, name: str) -> dict[str, Tensor]:
        """The tensors of one file as they are stored, left on disk: pages come in as they are read, and go again.

        They must not be written to. What was checked is the file that is mapped, whatever takes its name later.
        """
        try:
            with (self.path / name).open("rb") as file:
                self._check(name, hashlib.file_digest(file, "sha256").hexdigest())
                data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            raise ModelFormatError(
                f"{self.path / name}: missing or unreadable; get the {self._what} anew."
            ) from error
        return self._tensors(name, data, dict)

    def data(self, name: str) -> bytearray:
        """The bytes of one file."""
        return self._verified(name)

    @property
    def digests(self) -> Mapping[str, str]:
        """File name -> the SHA-256 that the manifest says it has."""
        return self._digests

    def disk_bytes(self) -> int:
        """What the files of the model take on disk."""
        return sum((self.path / name).stat().st_size for name in self._digests if (self.path / name).exists())

    def _json(self, name: str) -> dict[str, Any]:
        try:
            return _object((self.path / name).read_bytes(), self.path / name)
        except OSError as error:
            raise ModelFormatError(
                f"{self.path / name}: can't be read ({error}); get the {self._what} anew."
            ) from error

    def _verified(self, name: str) -> bytearray:
        try:
            with (self.path / name).open("rb") as file:
                data = bytearray(os.fstat(file.fileno()).st_size)
                del data[file.readinto(data) :]
        except OSError as error:
            raise ModelFormatError(
                f"{self.path / name}: missing or unreadable; get the {self._what} anew."
            ) from error
        except MemoryError as error:
            raise ModelFormatError(
                f"{self.path / name}: larger than the memory; get the {self._what} anew, or use a larger machine."
            ) from error
        self._check(name, hashlib.sha256(data).hexdigest())
        return data

    def _check(self, name: str, digest: str) -> None:
        if digest != self._digests.get(name):
            raise ModelFormatError(
                f"{self.path / name}: its SHA-256 is not the manifest's: damaged, or of another {self._what}. "
                f"Get the {self._what} anew."
            )

    def _tensors(
        self, name: str, data: bytearray | mmap.mmap, then: Callable[[dict[str, Tensor]], dict[str, Tensor]]
    ) -> dict[str, Tensor]:
        try:
            return then(_views(data))
        except (ValueError, KeyError, TypeError, RuntimeError) as error:
            raise ModelFormatError(f"{self.path / name}: not a safetensors file ({error}).") from error


def _object(data: bytes | bytearray, path: Path) -> dict[str, Any]:
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ModelFormatError(f"{path}: can't be read ({error}); get the model anew.") from error
    if not isinstance(content, dict):
        raise ModelFormatError(f"{path}: must be a JSON object; get the model anew.")
    return content


def _views(data: bytearray | mmap.mmap) -> dict[str, Tensor]:
    """The tensors of a safetensors file, as views of its bytes.

    The library's own reader would copy each. Format: https://github.com/huggingface/safetensors#format; what it
    demands is demanded here: tensors lie one after another and fill the file.

    Raises:
        ValueError, KeyError, TypeError, RuntimeError: the bytes are something else.
    """
    begin = 8 + int.from_bytes(data[:8], "little")
    if len(data) < 8 or begin > min(len(data), _LONGEST_HEADER):
        raise ValueError("the header is longer than the file")
    header = json.loads(data[8:begin])
    if not isinstance(header, dict):
        raise ValueError("the header is no object")
    header.pop("__metadata__", None)
    tensors: dict[str, Tensor] = {}
    at = 0
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        dtype, shape, (first, last) = _DTYPES[entry["dtype"]], entry["shape"], entry["data_offsets"]
        if len(shape) > _MOST_AXES:
            raise ValueError(f"{name!r} has {len(shape)} axes")
        count = math.prod(shape)
        if first != at or count < 0 or last - first != count * dtype.itemsize:
            raise ValueError(f"{name!r} is not where the header says")
        tensors[name] = _view(data, dtype, count, begin + first).view(shape)
        at = last
    if at != len(data) - begin:
        raise ValueError("bytes are left over")
    return tensors


def _view(data: bytearray | mmap.mmap, dtype: torch.dtype, count: int, offset: int) -> Tensor:
    if not count:
        return torch.empty(0, dtype=dtype)
    with warnings.catch_warnings():
        # torch has no tensors that can't be written to, and says so of those mapped from a file.
        warnings.filterwarnings("ignore", message="The given buffer is not writable")
        return torch.frombuffer(data, dtype=dtype, count=count, offset=offset)


def save_folder(
    path: Path,
    config: Mapping[str, Any] | Callable[[Mapping[str, str]], Mapping[str, Any]],
    parts: Mapping[str, Mapping[str, Tensor]],
    *,
    packing: Mapping[str, Packing] | None = None,
    texts: Mapping[str, str] | None = None,
    written: Mapping[str, str] | None = None,
) -> None:
    """Write a model folder; the manifest comes last, so a half-written folder is not a model.

    Args:
        path: the folder; made if need be.
        config: the model's settings; or what makes them of the parts' digests, file name -> SHA-256.
        parts: file name without ending -> tensors.
        packing: file name -> how its matrices are stored; float16 where not said.
        texts: further files, such as MODEL_CARD.md.
        written: file name -> SHA-256 of what already lies there, because it is too large for memory.
    """
    path.mkdir(parents=True, exist_ok=True)
    (path / "manifest.json").unlink(missing_ok=True)
    for stale in path.glob("*.safetensors"):
        if stale.stem not in parts and stale.name not in (written or {}):
            stale.unlink()

    def files() -> Iterator[tuple[str, bytes]]:
        """One at a time: a part may be large."""
        for name, tensors in parts.items():
            yield f"{name}.safetensors", save(pack(tensors, (packing or {}).get(name, "float16")))
        settings = config(digests) if callable(config) else config
        yield "config.json", (json.dumps(settings, indent=2) + "\n").encode()
        for name, text in (texts or {}).items():
            yield name, text.encode()

    digests = dict(written or {})
    for name, data in files():
        write_whole(path / name, data)
        digests[name] = hashlib.sha256(data).hexdigest()
    write_manifest(path, digests)


def add_texts(path: Path, texts: Mapping[str, str]) -> None:
    """Put further files into a model folder, or others in their place; all else stays as it is.

    Stopped half-way, it leaves a model that lacks them.

    Raises:
        ModelNotFoundError: there is no model at that path.
        ModelFormatError: its manifest is damaged.
        InputError: nothing can be written there.
    """
    digests = ModelFolder.find(path)._digests
    make_folder(path)
    # Forgotten first: an old digest beside a new file would make the model a damaged one.
    digests = {name: digest for name, digest in digests.items() if name not in texts}
    write_manifest(path, digests)
    for name, text in texts.items():
        write_whole(path / name, text.encode())
        digests[name] = hashlib.sha256(text.encode()).hexdigest()
    write_manifest(path, digests)


def save_tensors(path: Path, tensors: Mapping[str, Tensor], *, metadata: dict[str, str] | None = None) -> str:
    """Write a safetensors file from where the tensors lie, without a copy of all in memory; it appears whole.

    Returns:
        Its SHA-256.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        # The library lets the owner alone read what it writes; others may read it as they may any new file.
        part.touch()
        permissions = stat.S_IMODE(part.stat().st_mode)
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, part, metadata=metadata)
        part.chmod(permissions)
        with part.open("rb") as file:
            os.fsync(file.fileno())
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return digest


def write_manifest(path: Path, digests: Mapping[str, str]) -> None:
    """Make a folder readable: file name -> SHA-256 of every file but the manifest itself."""
    manifest = {"format": FORMAT, "files": dict(sorted(digests.items()))}
    write_whole(path / "manifest.json", (json.dumps(manifest, indent=2) + "\n").encode())


def shipped_models() -> dict[str, Path]:
    """Name -> folder of the models that came with the package."""
    return _models_in(Path(str(resources.files("graticule"))) / "models")


def models_folder() -> Path:
    """Where models that are fetched are installed: GRATICULE_MODELS, or else the platform's place for user data."""
    chosen = os.environ.get("GRATICULE_MODELS")
    if chosen:
        return Path(chosen).expanduser()
    if sys.platform == "darwin":
        data = Path.home() / "Library" / "Application Support"
    elif sys.platform == "win32":
        data = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    else:
        # The XDG base directory specification: a path that is not absolute is to be ignored.
        data = Path(os.environ.get("XDG_DATA_HOME") or "")
        data = data if data.is_absolute() else Path.home() / ".local" / "share"
    return data / "graticule" / "models"


def installed_models() -> dict[str, Path]:
    """Name -> folder of the models in `models_folder`."""
    return _models_in(models_folder())


def default_model() -> str:
    """The model that answers where none is named: geoclip, once it is installed.

    Raises:
        ModelNotFoundError: it is not, and what came with the package would answer most photos with nonsense.
    """
    if "geoclip" in installed_models():
        return "geoclip"
    raise ModelNotFoundError(
        "no model is named, and geoclip, which knows photos taken on the ground, is not installed: "
        "`graticule models pull geoclip` gets it. The model orbit is here, but it knows only views of the Earth from "
        "above, 300 to 1200 km wide; name it to use it."
    )


def _models_in(folder: Path) -> dict[str, Path]:
    return {path.parent.name: path.parent for path in sorted(folder.glob("*/manifest.json"))}


def pack(tensors: Mapping[str, Tensor], packing: Packing) -> dict[str, Tensor]:
    """Make tensors small for storage.

    float16 keeps 11 bits of a number, float32 all 24; exact is float16 for tensors that lose nothing by it and float32
    for the others. int8 keeps a matrix's rows (a convolution's filters) each to 1/127 of its largest entry, with the
    rows' scales beside it, and vectors and numbers as float16. What overflows float16 stays float32.
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
            packed[name] = (tensor.half() if _fits_half(tensor, packing) else tensor.float()).contiguous()
    return packed


def _fits_half(tensor: Tensor, packing: Packing) -> bool:
    half = tensor.half()
    if packing == "exact":
        return torch.equal(half.float(), tensor.float())
    return packing != "float32" and bool(half.isfinite().all())


def unpack(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Undo `pack`: float32 again (float64 and integers as they were).

    Raises:
        ValueError: scales are not those of a matrix's rows; a few bytes of others could fill the memory.
    """
    out: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if name.endswith(_SCALE):
            continue
        scale = tensors.get(name + _SCALE)
        if scale is not None:
            if tensor.ndim < 2 or scale.shape != tensor.shape[:1]:
                raise ValueError(f"{name!r} has not one scale for each of its rows")
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


def sweep(folder: Path) -> None:
    """Delete what `write_whole` and `save_tensors` leave if they are killed, `.NAME.PROCESS.tmp`, and nothing else."""
    for stale in folder.glob(".*.tmp"):
        if re.fullmatch(r"\..+\.\d+\.tmp", stale.name):
            stale.unlink(missing_ok=True)


def write_whole(path: Path, data: bytes | memoryview) -> None:
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
