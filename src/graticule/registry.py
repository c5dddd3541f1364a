"""The one registry: every name that a setting or a command may choose, and what stands behind it.

A new encoder, alignment, index or cell model is a file of its own and a line here; the suites in `tests/contract`
then ask for a tiny one and hold it to its contract. A member is written `module:Class` and imported when it is asked
for, so that it may need packages that are not everybody's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

from graticule.errors import ConfigError

__all__ = [
    "ALIGNMENTS",
    "CELL_MODELS",
    "ENCODERS",
    "INDEXES",
    "OFFERS",
    "SELECTORS",
    "SOURCES",
    "Offer",
    "Registry",
]


class Registry:
    """Names, and the class behind each.

    Beside a class that is built from settings stands the class of these, named alike with `Config` at its end; its
    field `kind` holds the name.

    Example:
        >>> ENCODERS.find("orbit").__name__
        'OrbitEncoder'
        >>> ENCODERS.settings({"kind": "orbit", "size": 32}).size
        32
    """

    def __init__(self, what: str, members: Mapping[str, str]) -> None:
        """List the members.

        Args:
            what: what they are, for messages.
            members: name -> `module:Class`.
        """
        self.what = what
        self._members = dict(members)

    def __iter__(self) -> Iterator[str]:
        """The names, in the order of the registry."""
        return iter(self._members)

    def find(self, name: str) -> Any:
        """The class of that name.

        Raises:
            ConfigError: there is none; the message lists those there are.
        """
        return self._imported(name, "")

    def settings(self, given: Any) -> Any:
        """Checked settings of the member that `kind` names; settings that are checked already stay as they are.

        Args:
            given: a mapping with `kind`, or settings.

        Raises:
            ConfigError: there is no such kind.
            ValueError: the settings are not that member's (pydantic's ValidationError).
        """
        kind = given.get("kind") if isinstance(given, Mapping) else getattr(given, "kind", None)
        return self._imported(kind, "Config").model_validate(given)

    def build(self, settings: Any) -> Any:
        """What checked settings describe, with fresh weights."""
        return self.find(settings.kind)(settings)

    def _imported(self, name: Any, suffix: str) -> Any:
        if not isinstance(name, str) or name not in self._members:
            raise ConfigError(
                f"{self.what}: there is none called {name!r}; choose {' or '.join(self._members)}."
            )
        module, _, member = self._members[name].partition(":")
        return getattr(import_module(module), member + suffix)


ENCODERS: Final = Registry(
    "encoder",
    {"orbit": "graticule.encoders.orbit:OrbitEncoder", "clip": "graticule.encoders.clip:ClipEncoder"},
)
ALIGNMENTS: Final = Registry(
    "alignment",
    {
        "sphere": "graticule.alignment.model:Alignment",
        "geoclip": "graticule.alignment.geoclip:GeoClipAlignment",
        "spaces": "graticule.alignment.spaces:SpacesAlignment",
    },
)
INDEXES: Final = Registry(
    "index",
    {
        "exact": "graticule.retrieval.exact:ExactIndex",
        "ivfpq": "graticule.retrieval.ivfpq:IvfPqIndex",
    },
)
CELL_MODELS: Final = Registry(
    "cell model",
    {
        "geotoken": "graticule.tokens.geotoken:GeoToken",
        "gallery": "graticule.tokens.gallery:GalleryCellModel",
    },
)
SOURCES: Final = Registry(
    "source",
    {
        "im2gps3k": "graticule.data.sources.im2gps3k:Im2Gps3k",
        "yfcc4k": "graticule.data.sources.yfcc4k:Yfcc4k",
        "mp16": "graticule.data.sources.mp16:Mp16",
        "osv5m": "graticule.data.sources.osv5m:Osv5m",
        "folder": "graticule.data.sources.folder:Folder",
    },
)
SELECTORS: Final = Registry(
    "selector",
    {
        "log-probability": "graticule.decoding.select.probability:LogProbability",
        "similarity": "graticule.decoding.select.similarity:Similarity",
        "minimum-risk": "graticule.decoding.select.risk:MinimumRisk",
        "reward": "graticule.decoding.select.reward:Reward",
        "judge": "graticule.decoding.select.judged:Judged",
        "fusion": "graticule.decoding.select.fusion:Fused",
    },
)


@dataclass(frozen=True)
class Offer:
    """A model that does not come with the package and can be fetched.

    Attributes:
        domain: the pictures it knows, in a few words.
        licence: of its weights.
        disk_bytes: about what it takes on disk.
    """

    domain: str
    licence: str
    disk_bytes: int


OFFERS: Final[Mapping[str, Offer]] = {
    "geoclip": Offer(domain="street-level photos", licence="MIT", disk_bytes=860_000_000)
}
