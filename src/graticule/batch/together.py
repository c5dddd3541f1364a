"""Pictures of a batch that are answered in the light of each other, by `graticule.fusing`."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, timedelta
from pathlib import Path
from typing import Final

from graticule.errors import InputError
from graticule.fusing.fuse import fuse, outings
from graticule.fusing.track import Track
from graticule.images.exif import ExifReading, read_exif
from graticule.prediction import Prediction, Result

__all__ = ["Together", "duration", "in_time_order"]

_UNITS_S: Final = {"d": 86400.0, "h": 3600.0, "min": 60.0, "s": 1.0}
_LONGEST_S: Final = 36525 * _UNITS_S["d"]


@dataclass(frozen=True)
class Together:
    """Which pictures of a batch, in the order of time, were taken together."""

    seconds: Sequence[float | None]
    """When each was taken, since 1970; those of which that is not known come last."""
    together_s: float
    track: Track | None = None
    min_confidence: float | None = None
    """With `confidence_km`, as for `Geolocator.locate`, which must not be asked for them then."""
    confidence_km: float | None = None

    def borders(self, group: int) -> Iterator[int]:
        """Where groups of whole outings end, each of so many pictures or a few more."""
        start = end = 0
        for numbers in outings(self.seconds, together_s=self.together_s):
            end += len(numbers)
            if end - start >= group:
                yield end
                start = end
        if end > start:
            yield end

    def fused(self, results: Sequence[Result], start: int) -> list[Result]:
        """The results of a group that begins with picture `start`, fused."""
        return fuse(
            results,
            self.seconds[start : start + len(results)],
            together_s=self.together_s,
            track=self.track,
            doubt=self._doubt,
        )

    def _doubt(self, prediction: Prediction) -> Prediction:
        if self.min_confidence is None or self.confidence_km is None:
            return prediction
        return prediction.doubted(self.min_confidence, self.confidence_km)


def in_time_order(
    paths: Sequence[Path],
    *,
    clock_offset: timedelta | None = None,
    zone_needed: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[list[Path], list[float | None]]:
    """Pictures sorted by the time in their EXIF, and these times: seconds since 1970. Those without come last.

    Args:
        paths: of the pictures.
        clock_offset: how far cameras were ahead of UTC; else what each says, and none where it says nothing.
        zone_needed: they must say it, because they are held against a clock in UTC.
        progress: told (done, total).

    Raises:
        InputError: a zone is needed, and a picture does not say its own.
    """
    times = []
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1), "graticule-exif") as pool:
        for done, (path, reading) in enumerate(zip(paths, pool.map(read_exif, paths), strict=True), start=1):
            if zone_needed and clock_offset is None and reading.taken_at and reading.utc_offset is None:
                raise InputError(
                    f"{path}: does not say its time zone, and a track is in UTC: give the clock's offset, such as 2h."
                )
            times.append(_seconds(reading, clock_offset))
            progress(done, len(paths))
    order = sorted(
        range(len(paths)), key=lambda number: (times[number] is None, times[number] or 0.0, number)
    )
    return [paths[number] for number in order], [times[number] for number in order]


def duration(text: str) -> timedelta:
    """A time as people write it: `10min`, `2h`, `-1h30min`, `90s`, `1.5d`.

    Raises:
        InputError: it is written otherwise, or longer than anybody means.
    """
    match = re.fullmatch(r"([+-]?)((?:\d+(?:\.\d+)?(?:d|h|min|s))+)", text.replace(" ", ""))
    if match is None:
        raise InputError(f"{text!r} is no length of time: write it as 10min, 2h or -1h30min.")
    parts = re.findall(r"([\d.]+)(d|h|min|s)", match[2])
    seconds = sum(float(number) * _UNITS_S[unit] for number, unit in parts)
    if seconds > _LONGEST_S:
        raise InputError(f"{text!r} is too long: give a hundred years at most.")
    return timedelta(seconds=-seconds if match[1] == "-" else seconds)


def _seconds(reading: ExifReading, clock_offset: timedelta | None) -> float | None:
    if reading.taken_at is None:
        return None
    offset = reading.utc_offset if clock_offset is None else clock_offset
    # In numbers: a clock may say a moment of the year 1, before which there is no date.
    return reading.taken_at.replace(tzinfo=UTC).timestamp() - (offset or timedelta()).total_seconds()
