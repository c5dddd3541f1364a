"""A fair test of photos: no place and no day is both learned from and judged by.

Photos of a burst, of one street, of one holiday's light are near-duplicates: with some of them learned, the others
are no test. So S2 cells 9 km wide go to one part as a whole, and so do days.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

import numpy as np
from numpy.typing import NDArray

from graticule.earth import s2
from graticule.training.shards import BLOCK_LEVEL

__all__ = ["CALIBRATE", "LEARN", "LEFT_OUT", "TEST", "split_photos"]

LEARN, CALIBRATE, TEST, LEFT_OUT = 0, 1, 2, 3

_LARGEST: Final = 0.1
"""Cells that were visited on one day are kept together up to this share of the photos. Without a limit, a home from
which all journeys begin would join them all."""


def split_photos(
    lat_lon: NDArray[np.float64],
    days: Sequence[date | None],
    *,
    shares: tuple[float, float] = (0.2, 0.2),
    seed: int = 0,
) -> NDArray[np.int64]:
    """Which part each photo belongs to.

    Cells are first grouped by the days that join them, and groups drawn for the test and for calibration; a group
    too large for either is learned from. Where a day still lies in two parts, its photos are left out of the one that
    learns more: the test keeps all of its own.

    Args:
        lat_lon: (N, 2) degrees.
        days: N, None where unknown; such a photo is parted by its place alone.
        shares: of the photos for calibration and for the test, about.
        seed: of the draw.

    Returns:
        (N,) of `LEARN`, `CALIBRATE`, `TEST` and `LEFT_OUT`.
    """
    _, cell = np.unique(s2.cell_ids(*lat_lon.T, level=BLOCK_LEVEL), return_inverse=True)
    day = np.array([-1 if d is None else d.toordinal() for d in days], dtype=np.int64)
    group = _joined_by_days(cell, day)
    size = np.bincount(group)
    part = np.full(len(size), LEARN)
    wanted = {TEST: shares[1] * len(cell), CALIBRATE: shares[0] * len(cell)}
    for candidate in np.random.default_rng(seed).permutation(len(size)):
        for held, room in wanted.items():
            if room > 0 and 0 < size[candidate] <= _most(len(cell)):
                part[candidate] = held
                wanted[held] -= size[candidate]
                break
    parts = part[group]
    for held, learning in ((TEST, (LEARN, CALIBRATE)), (CALIBRATE, (LEARN,))):
        seen = np.isin(day, day[parts == held]) & (day >= 0)
        parts[seen & np.isin(parts, learning)] = LEFT_OUT
    return parts


def _joined_by_days(cell: NDArray[np.int64], day: NDArray[np.int64]) -> NDArray[np.int64]:
    """(N,) numbers of groups: cells of one day together, as long as the group does not get too large."""
    leader = np.arange(cell.max() + 1)
    size = np.bincount(cell)
    for today in np.unique(day[day >= 0]):
        first, *others = np.unique(leader[cell[day == today]])
        for other in others:
            if size[first] + size[other] <= _most(len(cell)):
                leader[leader == other] = first
                size[first] += size[other]
    return leader[cell]


def _most(photos: int) -> float:
    return _LARGEST * photos
