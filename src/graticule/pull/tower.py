"""The vision tower of CLIP ViT-L/14 from the model hub: that tower's tensors and no others.

A safetensors file begins with a table that says where each tensor lies. So the table is read first, then only the
bytes of the tower: 1.2 of 1.7 GB.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import torch

from graticule.encoders.clip import ClipEncoder, ClipEncoderConfig, is_of_tower
from graticule.errors import ConfigError, ModelFormatError
from graticule.pull.remote import RemoteFile
from graticule.store import write_whole

__all__ = ["OPENAI", "Published", "fetch_tower", "hub"]

HUB: Final = "https://huggingface.co"
_WIDEST_HEADER: Final = 10_000_000
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
_BYTES: Final = {"F32": 4, "F16": 2, "BF16": 2}


@dataclass(frozen=True)
class Published:
    """A CLIP on a hub, at one revision.

    Attributes:
        repository: owner/name.
        revision: the commit.
        sizes: of its vision tower.
        config_bytes: the length of config.json.
        config_sha256: of config.json.
        weights_sha256: of the whole model.safetensors.
        weights_bytes: its length.
        tower_bytes: of the part that is fetched.
    """

    repository: str
    revision: str
    sizes: ClipEncoderConfig
    config_bytes: int
    config_sha256: str
    weights_sha256: str
    weights_bytes: int
    tower_bytes: int


OPENAI: Final = Published(
    repository="openai/clip-vit-large-patch14",
    revision="32bd64288804d66eefd0ccbe215aa642df71cc41",
    sizes=ClipEncoderConfig(),
    config_bytes=4519,
    config_sha256="8a09b467700c58138c29d53c605b34ebc69beaadd13274a8a2af8ad2c2f4032a",
    weights_sha256="a2bf730a0c7debf160f7a6b50b3aaf3703e7e88ac73de7a314903141db026dcb",
    weights_bytes=1_710_540_580,
    tower_bytes=1_215_864_832,
)


def hub() -> str:
    """The hub's address: HF_ENDPOINT where it is set, as for other tools that use it.

    Raises:
        ConfigError: it is not an address.
    """
    address = (os.environ.get("HF_ENDPOINT") or HUB).rstrip("/")
    parts = urlsplit(address)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise ConfigError(
            f"HF_ENDPOINT is {address!r}: it must begin with https://, or be http:// of this machine; mend or unset it."
        )
    return address


def fetch_tower(
    published: Published, folder: Path, *, progress: Callable[[int, int], None] = lambda done, total: None
) -> str:
    """Make a folder in the Hugging Face layout that holds the tower alone.

    Called again after an interruption, it goes on from where that one stopped.

    Args:
        published: which CLIP.
        folder: where config.json and model.safetensors go.
        progress: told (done, total) bytes.

    Returns:
        The SHA-256 of the tower's bytes as they came.

    Raises:
        InputError: the hub can't be reached, or refuses.
        ModelFormatError: it sends something else than that CLIP.
    """
    folder.mkdir(parents=True, exist_ok=True)
    base = f"{hub()}/{published.repository}/resolve/{published.revision}"
    write_whole(folder / "config.json", _fetch_config(f"{base}/config.json", published))
    weights = RemoteFile(f"{base}/model.safetensors")
    table, start = _fetch_table(weights, published)
    wanted = sorted(
        ((name, entry) for name, entry in table.items() if is_of_tower(name)),
        key=lambda item: item[1]["data_offsets"][0],
    )
    _check_table(wanted, published, weights.url)
    header = _header(wanted)
    runs = _runs(
        [(start + first, start + end) for _, entry in wanted for first, end in [entry["data_offsets"]]]
    )
    whole, part = folder / "model.safetensors", folder / "model.safetensors.part"
    if whole.exists():  # an earlier call was stopped after this point: nothing is fetched twice
        whole.replace(part)
    _append(weights, runs, part, header=header, progress=progress)
    part.replace(whole)
    return _digest(whole, skip=len(header))


def _fetch_config(url: str, published: Published) -> bytes:
    data = RemoteFile(url).read(0, published.config_bytes)
    if hashlib.sha256(data).hexdigest() != published.config_sha256:
        raise ModelFormatError(
            f"{url}: is not the config.json of {published.repository} that Graticule knows; use another server."
        )
    return data


def _fetch_table(weights: RemoteFile, published: Published) -> tuple[dict[str, Any], int]:
    """The table of the tensors, and where the first byte after it lies."""
    length = int.from_bytes(weights.read(0, 8), "little")
    if weights.bytes != published.weights_bytes or weights.linked not in (None, published.weights_sha256):
        raise ModelFormatError(
            f"{weights.url}: {weights.bytes} bytes, SHA-256 {weights.linked or 'not given'}, but the file of "
            f"{published.repository} has {published.weights_bytes}, {published.weights_sha256}; use another server."
        )
    if length > _WIDEST_HEADER:
        raise ModelFormatError(f"{weights.url}: not a safetensors file; use another server.")
    try:
        table = json.loads(weights.read(8, 8 + length))
        table.pop("__metadata__", None)
        ends = [entry["data_offsets"][1] for entry in table.values()]
    except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        raise ModelFormatError(
            f"{weights.url}: not a safetensors file ({error}); use another server."
        ) from error
    if max(ends, default=0) != published.weights_bytes - 8 - length:
        raise ModelFormatError(f"{weights.url}: its table does not match its length; use another server.")
    return table, 8 + length


def _check_table(wanted: list[tuple[str, dict[str, Any]]], published: Published, url: str) -> None:
    """See, before a gigabyte is fetched, that the tensors are those of the tower."""
    with torch.device("meta"):
        tower = ClipEncoder(published.sizes).tower
    expected = {name: list(tensor.shape) for name, tensor in tower.state_dict().items()}
    found = {name: entry["shape"] for name, entry in wanted}
    sound = all(
        end - first == math.prod(entry["shape"]) * _BYTES.get(entry["dtype"], 0)
        for _, entry in wanted
        for first, end in [entry["data_offsets"]]
    )
    if found != expected or not sound:
        different = sorted(n for n in found.keys() | expected.keys() if found.get(n) != expected.get(n))
        raise ModelFormatError(
            f"{url}: its vision tower is not that of {published.repository} ({', '.join(different[:3]) or 'sizes'}); "
            "use another server."
        )


def _header(wanted: list[tuple[str, dict[str, Any]]]) -> bytes:
    """The beginning of a safetensors file that holds the wanted tensors one after another."""
    table, at = {}, 0
    for name, entry in wanted:
        first, end = entry["data_offsets"]
        table[name] = {**entry, "data_offsets": [at, at + end - first]}
        at += end - first
    text = json.dumps(table, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _runs(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans joined where one begins as the last ends: fewer requests."""
    runs: list[tuple[int, int]] = []
    for first, end in spans:
        if runs and runs[-1][1] == first:
            runs[-1] = (runs[-1][0], end)
        else:
            runs.append((first, end))
    return runs


def _append(
    weights: RemoteFile,
    runs: list[tuple[int, int]],
    part: Path,
    *,
    header: bytes,
    progress: Callable[[int, int], None],
) -> None:
    """Write the header and the runs to a file that may hold a beginning of just that already.

    A commit's file never changes, so a beginning with the same table is of the same bytes.
    """
    total = sum(end - first for first, end in runs)
    part.touch()
    with part.open("rb+") as file:
        if file.read(len(header)) != header:
            file.seek(0)
            file.truncate()
            file.write(header)
        # Bytes have their places: even two pulls at once would write the same to the same.
        done = min(file.seek(0, os.SEEK_END) - len(header), total)
        file.truncate(len(header) + done)
        file.seek(0, os.SEEK_END)
        progress(done, total)
        left = done
        for first, end in runs:
            if left >= end - first:
                left -= end - first
                continue
            for piece in weights.stream(first + left, end):
                file.write(piece)
                done += len(piece)
                progress(done, total)
            left = 0
        file.flush()
        os.fsync(file.fileno())


def _digest(path: Path, *, skip: int) -> str:
    with path.open("rb") as file:
        file.seek(skip)
        return hashlib.file_digest(file, "sha256").hexdigest()
