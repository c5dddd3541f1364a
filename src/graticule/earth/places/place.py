"""What is said of a place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from graticule.earth.notation import format_km

__all__ = ["Place", "listed"]

NEAR_KM: Final = 10.0
"""How far off a town is still near: GeoNames has one point for all of it."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a point lies, in words.

    `str` says all of it: "Antofagasta, Chile, near Calama", "off the coast of Chile, 31 km from Tocopilla",
    "an area claimed by India and Pakistan, near Srinagar", "at sea, 340 km from Hilo, United States".
    """

    country: str | None
    """ISO 3166-1 alpha-2, XK for Kosovo. None at sea, and where it is disputed."""
    country_name: str | None
    """In the language asked. Off a coast it is the nearest country's."""
    region: str | None
    """The first-level division, in the language asked where it has a name there."""
    town: str | None
    """The nearest town, as GeoNames writes it."""
    town_km: float | None
    """How far off it is."""
    town_country: str | None = None
    """The name of the country the town is in, where that is another one than the place's and nothing is disputed."""
    claimed_by: tuple[str, ...] = ()
    """Those that hold or claim a disputed place; nobody elsewhere."""
    coast_km: float | None = None
    """How far off the coast it is, where that is near; None on land and farther out."""

    def __str__(self) -> str:
        return ", ".join(part for part in (self._where(), self._town()) if part)

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values, the words under `text`."""
        return {
            "text": str(self),
            "country": self.country,
            "country_name": self.country_name,
            "region": self.region,
            "town": self.town,
            "town_km": self.town_km,
            "claimed_by": list(self.claimed_by),
        }

    def _where(self) -> str:
        if self.claimed_by:
            land = f"an area claimed by {listed(self.claimed_by)}"
        elif self.country_name is None:
            return "at sea"
        else:
            own = self.region if self.region not in (self.country_name, self.town) else None
            land = ", ".join(part for part in (own, self.country_name) if part)
        return land if self.coast_km is None else f"off the coast of {land}"

    def _town(self) -> str:
        if self.town is None or self.town_km is None:
            return ""
        town = self.town if self.town_country is None else f"{self.town}, {self.town_country}"
        return f"near {town}" if self.town_km <= NEAR_KM else f"{format_km(self.town_km)} from {town}"


def listed(names: tuple[str, ...]) -> str:
    """Names in a sentence: `A`, `A and B`, `A, B and C`."""
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
