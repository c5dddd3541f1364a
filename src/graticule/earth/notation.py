"""Places and distances as people write them."""

from __future__ import annotations

__all__ = ["format_km", "format_place"]


def format_place(latitude: float, longitude: float) -> str:
    """A place in plain words, to a tenth of a degree: `43.1° N, 5.2° E`."""
    north = "N" if latitude >= 0 else "S"
    east = "E" if longitude >= 0 else "W"
    return f"{abs(latitude):.1f}° {north}, {abs(longitude):.1f}° {east}"


def format_km(km: float) -> str:
    """A distance to two or three figures, so that it claims no more than it knows: `8.4 km`, `1,230 km`."""
    if km < 10:
        return f"{km:.1f} km"
    rounded = round(km) if km < 1000 else round(km, -1)
    return f"{rounded:,.0f} km"
