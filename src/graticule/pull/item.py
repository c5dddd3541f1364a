"""What a pull will fetch: told before anything is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["Item", "Plan"]


@dataclass(frozen=True)
class Item:
    """One thing that a model is made of.

    Attributes:
        what: in a few words.
        source: a URL, a package with its version, or a local path.
        bytes: how many are read from there.
        licence: of the thing.
        local: whether it lies on this machine already.
    """

    what: str
    source: str
    bytes: int
    licence: str
    local: bool = False


@dataclass(frozen=True)
class Plan:
    """What installing a model will take.

    Attributes:
        name: the model's.
        items: what it is made of.
        folder: where it will be installed.
        installed: whether it is there already, so that there is nothing to do.
        clip: a local copy of the backbone to be used instead of the hub's.
        wheel: a local copy of the package to be used instead of the index's.
    """

    name: str
    items: tuple[Item, ...]
    folder: Path
    installed: bool = False
    clip: Path | None = None
    wheel: Path | None = None

    @property
    def total_bytes(self) -> int:
        """What has to come over the network."""
        return 0 if self.installed else sum(item.bytes for item in self.items if not item.local)
