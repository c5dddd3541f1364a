"""Whom to ask and how: what the user decides, and the sentence that says what will leave the machine."""

from __future__ import annotations

import ipaddress
import math
import os
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args
from urllib.parse import urlsplit

from graticule.errors import ConfigError

__all__ = ["JudgeConfig", "Mode", "what_leaves"]

Mode: TypeAlias = Literal["pool", "free"]
"""Choose one of the candidates, or name a place with the candidates as hints (GeoToken, Table II)."""


@dataclass(frozen=True, kw_only=True)
class JudgeConfig:
    """A judge behind a server that speaks OpenAI's chat completions. There is no server unless one is named.

    Raises:
        ConfigError: a setting makes no sense; the message names it.
    """

    url: str
    """Base of the server's interface, such as http://127.0.0.1:8080/v1."""
    model: str
    """The server's name for the model; it must be able to see pictures."""
    mode: Mode = "pool"
    api_key_env: str | None = None
    """The environment variable that holds the key; without one, no key is sent."""
    attempts: int = 3
    """Failures allowed for a picture, 1 or more."""
    timeout_s: float = 60.0
    """From sending a request to having all of the reply."""
    concurrency: int = 4
    """Pictures under way at once."""
    max_side: int = 512
    """The longest side of what is sent, in pixels."""
    max_answer_tokens: int = 1000
    """Asked of the server: a model that thinks before it answers needs more."""
    first_wait_s: float = 1.0
    """Before the second attempt, about; it doubles with each one more."""
    longest_wait_s: float = 60.0
    """Whatever the server asks for."""
    seed: int = 0
    """Of the jitter of the waits."""
    prompt_price: float | None = None
    """Of a million tokens; costs are known if both prices are given, in their currency."""
    completion_price: float | None = None

    def __post_init__(self) -> None:
        _check_url(self.url)
        if not self.model:
            raise ConfigError("judge model: is empty; give the server's name for the model.")
        if self.mode not in get_args(Mode):
            raise ConfigError(f"judge mode: there is no {self.mode!r}; choose {' or '.join(get_args(Mode))}.")
        for name in ("attempts", "concurrency", "max_side", "max_answer_tokens"):
            if getattr(self, name) < 1:
                raise ConfigError(f"judge {name} is {getattr(self, name)}: it must be 1 or more.")
        if not 0 < self.timeout_s < math.inf:
            raise ConfigError(f"judge timeout_s is {self.timeout_s}: it must be a time above 0.")
        for name in ("first_wait_s", "longest_wait_s", "prompt_price", "completion_price"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < math.inf:
                raise ConfigError(f"judge {name} is {value}: it must be 0 or more.")
        if (self.prompt_price is None) != (self.completion_price is None):
            raise ConfigError("judge prices: give both prompt_price and completion_price, or neither.")

    @property
    def host(self) -> str:
        """The host the pictures go to, with its port if the URL names one."""
        return urlsplit(self.url).netloc

    @property
    def stays_here(self) -> bool:
        """Whether the server is on this machine."""
        name = urlsplit(self.url).hostname or ""
        try:
            return ipaddress.ip_address(name).is_loopback
        except ValueError:
            return name == "localhost"

    @property
    def in_the_clear(self) -> bool:
        """Whether pictures and key would cross a network unencrypted."""
        return urlsplit(self.url).scheme == "http" and not self.stays_here

    def api_key(self) -> str | None:
        """The key, read from the environment variable that was named.

        Raises:
            ConfigError: the variable is not set, or holds what no header can carry.
        """
        if self.api_key_env is None:
            return None
        key = os.environ.get(self.api_key_env, "").strip()
        if not key:
            raise ConfigError(f"judge api_key_env: the environment variable {self.api_key_env} is not set.")
        if not (key.isascii() and key.isprintable()):
            raise ConfigError(f"judge api_key_env: {self.api_key_env} holds characters that no key has.")
        return key


def what_leaves(config: JudgeConfig) -> str:
    """One sentence for the user, before anything is sent: which host gets what."""
    where = f"{config.host} (on this machine)" if config.stays_here else config.host
    how = "unencrypted " if config.in_the_clear else ""
    key = f", and the key in {config.api_key_env}" if config.api_key_env else ""
    return (
        f"{where} gets {how}every picture as a JPEG of at most {config.max_side} pixels a side, without file name, "
        f"EXIF and GPS tags, with the coordinates and probabilities of its candidates{key}."
    )


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, or a bracket left open
        usable = False
    if not usable or any(not character.isprintable() or character.isspace() for character in url):
        raise ConfigError("judge url: give the server's base, such as http://127.0.0.1:8080/v1.")
    if "@" in parts.netloc:
        raise ConfigError("judge url: holds a user name or password; put the key in api_key_env's variable.")
    if parts.query or parts.fragment:
        raise ConfigError("judge url: leave away what follows the path, from '?' or '#' on.")
