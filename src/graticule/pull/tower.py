"""CLIP ViT-L/14 from the model hub, checked against the digests that were published.

Graticule needs the vision tower alone, 1.2 of 1.7 GB. But a part can't be checked against the digest of the whole, and
a hub may be a mirror of strangers: so the whole file is fetched, and nothing of it is read before its digest is right.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from graticule.encoders.clip import ClipEncoderConfig
from graticule.errors import ConfigError, ModelFormatError
from graticule.pull.remote import RemoteFile
from graticule.store import write_whole

__all__ = ["OPENAI", "Published", "fetch_clip", "hub"]

HUB: Final = "https://huggingface.co"
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Published:
    """A CLIP on a hub, at one revision.

    Attributes:
        repository: owner/name.
        revision: the commit.
        sizes: of its vision tower.
        config_bytes: the length of config.json.
        config_sha256: of config.json.
        weights_bytes: the length of model.safetensors.
        weights_sha256: of model.safetensors.
    """

    repository: str
    revision: str
    sizes: ClipEncoderConfig
    config_bytes: int
    config_sha256: str
    weights_bytes: int
    weights_sha256: str


OPENAI: Final = Published(
    repository="openai/clip-vit-large-patch14",
    revision="32bd64288804d66eefd0ccbe215aa642df71cc41",
    sizes=ClipEncoderConfig(),
    config_bytes=4519,
    config_sha256="8a09b467700c58138c29d53c605b34ebc69beaadd13274a8a2af8ad2c2f4032a",
    weights_bytes=1_710_540_580,
    weights_sha256="a2bf730a0c7debf160f7a6b50b3aaf3703e7e88ac73de7a314903141db026dcb",
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


def fetch_clip(
    published: Published, folder: Path, *, progress: Callable[[int, int], None] = lambda done, total: None
) -> None:
    """Make a folder in the Hugging Face layout that holds the published files and no others.

    Called again after an interruption, it goes on from where that one stopped.

    Args:
        published: which CLIP.
        folder: where config.json and model.safetensors go.
        progress: told (done, total) bytes of the weights.

    Raises:
        InputError: the hub can't be reached, or refuses.
        ModelFormatError: it sends something else than that CLIP; of that nothing is kept.
    """
    folder.mkdir(parents=True, exist_ok=True)
    base = f"{hub()}/{published.repository}/resolve/{published.revision}"
    write_whole(folder / "config.json", _fetch_config(f"{base}/config.json", published))
    whole, part = folder / "model.safetensors", folder / "model.safetensors.part"
    if whole.exists():  # an earlier call was stopped after this point: nothing is fetched twice
        whole.replace(part)
    weights = RemoteFile(f"{base}/model.safetensors")
    _check_stated(weights, published)
    _append(weights, part, published.weights_bytes, progress)
    _check_digest(weights, part, published)
    part.replace(whole)


def _fetch_config(url: str, published: Published) -> bytes:
    data = RemoteFile(url).read(0, published.config_bytes)
    if hashlib.sha256(data).hexdigest() != published.config_sha256:
        raise ModelFormatError(
            f"{url}: is not the config.json of {published.repository} that Graticule knows; use another server."
        )
    return data


def _check_stated(weights: RemoteFile, published: Published) -> None:
    """See, before gigabytes are fetched, that the server does not itself say that it has another file."""
    weights.read(0, 1)
    if weights.bytes != published.weights_bytes or weights.linked not in (None, published.weights_sha256):
        raise ModelFormatError(
            f"{weights.url}: {weights.bytes} bytes, SHA-256 {weights.linked or 'not given'}, but the file of "
            f"{published.repository} has {published.weights_bytes}, {published.weights_sha256}; use another server."
        )


def _append(weights: RemoteFile, part: Path, total: int, progress: Callable[[int, int], None]) -> None:
    """Write to a file what it lacks."""
    part.touch()
    with part.open("rb+") as file:
        # Bytes have their places: even two pulls at once would write the same to the same.
        done = min(file.seek(0, os.SEEK_END), total)
        file.truncate(done)
        file.seek(done)
        progress(done, total)
        for piece in weights.stream(done, total):
            file.write(piece)
            done += len(piece)
            progress(done, total)
        file.flush()
        os.fsync(file.fileno())


def _check_digest(weights: RemoteFile, part: Path, published: Published) -> None:
    with part.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != published.weights_sha256:
        part.unlink()
        raise ModelFormatError(
            f"{weights.url}: what came has the SHA-256 {digest}, that of {published.repository} is "
            f"{published.weights_sha256}: damaged or tampered with, and thrown away. Run the command again, or use "
            "another server."
        )
