"""Where a receiver was: the points of a GPX file with their times."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from graticule.earth.distance import latlon_from_vectors, unit_vectors
from graticule.errors import InputError, TableError

__all__ = ["Track", "read_gpx"]

_MOST_BYTES: Final = 256 << 20


@dataclass(frozen=True)
class Track:
    """Points in the order of time.

    Attributes:
        seconds: (N,) since 1970, growing.
        lat_lon: (N, 2) degrees.
    """

    seconds: NDArray[np.float64]
    lat_lon: NDArray[np.float64]

    @property
    def digest(self) -> str:
        """What tells it from other tracks."""
        return hashlib.sha256(self.seconds.tobytes() + self.lat_lon.tobytes()).hexdigest()

    def at(self, seconds: float) -> tuple[float, float, float]:
        """Latitude and longitude in degrees at a time, and how many hours away the nearest point's time is.

        Between two points it is on the straight way, before the first and after the last it is these.
        """
        vectors = unit_vectors(self.lat_lon[:, 0], self.lat_lon[:, 1])
        there = np.array([np.interp(seconds, self.seconds, column) for column in vectors.T])
        lat, lon = latlon_from_vectors(there if there.any() else vectors[0])
        return float(lat), float(lon), float(np.abs(self.seconds - seconds).min() / 3600)


def read_gpx(path: Path) -> Track:
    """Read the tracks of a GPX file, 1.0 or 1.1, as one; points without a time are passed over.

    Raises:
        InputError: it can't be read, or is too large.
        TableError: it is no GPX file, or no point of it has a time.
    """
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import ParseError, fromstring

    try:
        if path.stat().st_size > _MOST_BYTES:
            raise InputError(f"{path}: is larger than {_MOST_BYTES >> 20} MB, which no track is.")
        root = fromstring(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: can't be read ({error.strerror}). Check the path.") from error
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise TableError(f"{path}: is no GPX file ({error}). Export the track as GPX.") from error
    points = sorted(filter(None, map(_point, root.findall(".//{*}trkpt"))))
    if not points:
        raise TableError(f"{path}: no track point in it has a place and a time. Export the track with times.")
    table = np.array(points)
    _, first = np.unique(table[:, 0], return_index=True)
    return Track(table[first, 0], table[first, 1:])


def _point(element: Any) -> tuple[float, float, float] | None:
    """Seconds since 1970, latitude and longitude of a trkpt; None if one is missing or can't be."""
    try:
        when = datetime.fromisoformat(element.findtext("{*}time").strip())
        lat, lon = float(element.get("lat")), float(element.get("lon"))
    except (AttributeError, TypeError, ValueError):
        return None
    if not (abs(lat) <= 90 and abs(lon) <= 180):
        return None
    # The standard says UTC, and some writers leave the Z out.
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp(), lat, lon
