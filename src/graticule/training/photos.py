"""One's own photos as data to learn from: which can be used, where and when they were taken, why others can't."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from graticule.data.truth import Truth, read_truth
from graticule.errors import InputError
from graticule.images.batches import walk
from graticule.images.exif import ExifReading, read_exif

__all__ = ["Photos", "read_photos"]


@dataclass(frozen=True)
class Photos:
    """N photos with known places, and those without.

    Attributes:
        paths: the files, sorted.
        lat_lon: (N, 2) float64, degrees.
        days: when each was taken by the camera's clock; None where it does not say.
        unusable: file -> why it can't be used.
    """

    paths: tuple[Path, ...]
    lat_lon: NDArray[np.float64]
    days: tuple[date | None, ...]
    unusable: dict[Path, str]

    def __len__(self) -> int:
        return len(self.paths)

    def without(self, unreadable: Mapping[Path, str]) -> Photos:
        """The photos but for some: file -> why it can't be used."""
        kept = [row for row, path in enumerate(self.paths) if path not in unreadable]
        return Photos(
            tuple(self.paths[row] for row in kept),
            self.lat_lon[kept],
            tuple(self.days[row] for row in kept),
            {**self.unusable, **unreadable},
        )

    def reasons(self) -> dict[str, int]:
        """Why photos can't be used, and how many, the most first."""
        return dict(Counter(self.unusable.values()).most_common())


def read_photos(folder: Path, truth: Path | None = None) -> Photos:
    """Look for photos in a folder and all below it, and for their places. No picture is decoded, nothing is written.

    Args:
        folder: the photos.
        truth: a CSV of path, latitude, longitude, with paths from `folder`; the GPS in their EXIF if not given. When
            they were taken is read from their EXIF in any case.

    Raises:
        InputError: the folder holds no pictures.
        TableError: the CSV can't be used.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; name the one with your photos.")
    files = walk(folder)
    if files == [folder]:
        raise InputError(f"{folder}: holds no pictures; name the folder with your photos.")
    named = None if truth is None else {row.path: row for row in read_truth(truth, folder)}
    found: dict[Path, tuple[tuple[float, float], date | None]] = {}
    unusable: dict[Path, str] = {}
    for path in sorted({*files, *(named or ())}):
        reading = read_exif(path)
        place = _from_exif(reading) if named is None else _from_table(path, named.get(path))
        if isinstance(place, str):
            unusable[path] = place
        else:
            found[path] = place, None if reading.taken_at is None else reading.taken_at.date()
    places, days = [place for place, _ in found.values()], tuple(day for _, day in found.values())
    return Photos(tuple(found), np.array(places).reshape(-1, 2), days, unusable)


def _from_exif(reading: ExifReading) -> tuple[float, float] | str:
    """The place, or why there is none."""
    if reading.latitude is None or reading.longitude is None:
        return reading.problem or "no GPS in its EXIF"
    return reading.latitude, reading.longitude


def _from_table(path: Path, row: Truth | None) -> tuple[float, float] | str:
    """The place, or why there is none."""
    if row is None:
        return "not named in the table of places"
    if not path.is_file():
        return "named in the table of places, but there is no such file"
    if row.latitude == row.longitude == 0:
        return "its place in the table is (0, 0), which stands for none"
    return row.latitude, row.longitude
