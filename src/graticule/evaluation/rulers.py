"""How distance is told: the two ways of the field, which differ by up to 0.56 %.

Published tables mix them. Whoever compares must use one, and say which.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from graticule.earth.distance import geodesic_km, haversine_km
from graticule.errors import ConfigError

__all__ = ["RULERS", "Ruler", "RulerName", "ruler"]

RulerName: TypeAlias = Literal["haversine", "geodesic"]


@dataclass(frozen=True)
class Ruler:
    """A distance, and what counts as within it.

    Attributes:
        name: What it is called in commands and reports.
        km: From latitudes and longitudes in degrees, of answers and of truths, to km.
        inclusive: Whether a picture exactly as far off as a threshold counts as within it.
        words: What it measures.
    """

    name: RulerName
    km: Callable[..., NDArray[np.float64]]
    inclusive: bool
    words: str

    @property
    def sign(self) -> str:
        """`<` or `<=`."""
        return "<=" if self.inclusive else "<"

    def __str__(self) -> str:
        return f"{self.name} ({self.words}), within means {self.sign}"

    def to_dict(self) -> dict[str, str]:
        """Plain data, for JSON."""
        return {"name": self.name, "measures": self.words, "within": self.sign}


RULERS: Final[Mapping[RulerName, Ruler]] = MappingProxyType(
    {
        "haversine": Ruler(
            "haversine", haversine_km, inclusive=False, words="great circle on a sphere of 6371 km, as OSV-5M"
        ),
        "geodesic": Ruler(
            "geodesic", geodesic_km, inclusive=True, words="shortest way on the WGS84 ellipsoid, as GeoCLIP"
        ),
    }
)


def ruler(name: RulerName) -> Ruler:
    """The ruler of that name.

    Raises:
        ConfigError: There is none.
    """
    if name not in RULERS:
        raise ConfigError(f"distance: there is no {name!r}; choose {' or '.join(RULERS)}.")
    return RULERS[name]
