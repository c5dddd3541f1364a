"""What a server may be told: where it listens, what it answers with, and how much it takes."""

from __future__ import annotations

import os

from pydantic import BaseModel, ConfigDict, Field

from graticule.errors import ConfigError
from graticule.images.open import MAX_PIXELS

__all__ = ["LOOPBACK", "MIB", "Limits", "Settings", "key_in"]

MIB = 1 << 20
LOOPBACK = ("127.0.0.1", "::1", "localhost")


class Limits(BaseModel):
    """How much a server takes, from one client and from all of them.

    Memory is bounded by `held_bytes` for what was uploaded, and by `queued` for what was decoded.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    pictures: int = Field(default=64, ge=1)
    """In one request."""
    request_bytes: int = Field(default=128 * MIB, ge=1)
    """A request's whole body, all of its pictures together."""
    pixels: int = Field(default=MAX_PIXELS, ge=1)
    """Width times height of a picture, as its file declares them."""
    geojson_bytes: int = Field(default=MIB, ge=1)
    """A region that is given as GeoJSON."""
    geojson_positions: int = Field(default=5_000, ge=4)
    """Corners of all such regions of a request: what is cut by them is work."""
    regions: int = Field(default=20, ge=1)
    """United in one request, in words or drawn."""
    requests: int = Field(default=256, ge=1)
    """Being received or answered at a time."""
    client_requests: int = Field(default=64, ge=1)
    """The same, from one address."""
    connections: int = Field(default=512, ge=1)
    """Open at a time, idle ones too."""
    queued: int = Field(default=512, ge=1)
    """Pictures of all requests that wait for an answer."""
    header_s: float = Field(default=10, gt=0)
    """From the first byte of a request to the end of its headers."""
    idle_s: float = Field(default=15, gt=0)
    """Between two pieces of a body."""
    receive_s: float = Field(default=120, gt=0)
    """For a whole body."""
    answer_s: float = Field(default=60, gt=0)
    """From the end of a request's body to its answer."""
    drain_s: float = Field(default=20, gt=0)
    """What requests in progress are given when the server is told to stop."""

    @property
    def held_bytes(self) -> int:
        """The bodies of all requests that are being received or answered."""
        return 4 * self.request_bytes


class Settings(BaseModel):
    """How a server is run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = "127.0.0.1"
    """The address to listen at; another than loopback is reached by other machines."""
    port: int = Field(default=8765, ge=0, le=65535)
    """0 takes any that is free."""
    api_key: str | None = Field(default=None, min_length=1, repr=False)
    """What clients must show, if anything."""
    allowed_hosts: tuple[str, ...] = ()
    """Further names that requests may call this server by."""
    batch_size: int = Field(default=64, ge=1)
    """Pictures answered together, of whichever clients."""
    gather_s: float = Field(default=0.003, ge=0)
    """How long a batch that is not full waits for more."""
    limits: Limits = Limits()

    @property
    def reached_by_others(self) -> bool:
        """Whether other machines may connect."""
        return self.host not in LOOPBACK


def key_in(variable: str | None) -> str | None:
    """The key that an environment variable holds; None if no variable is named.

    Raises:
        ConfigError: The variable is not set, or holds what no header can carry.
    """
    if variable is None:
        return None
    key = os.environ.get(variable, "").strip()
    if not key:
        raise ConfigError(f"--api-key-env: the environment variable {variable} is not set.")
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigError(f"--api-key-env: {variable} holds characters that a key can't have.")
    return key
