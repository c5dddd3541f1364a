"""Answers about the pictures of outings, each in the light of the others and of a track."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from graticule.earth import s2
from graticule.earth.density import HALF_WAY_ROUND_KM, Density
from graticule.errors import InputError
from graticule.fusing.chain import fused_masses
from graticule.fusing.partition import common_cells, density_of, needed_cells, spread
from graticule.fusing.track import Track
from graticule.fusing.travel import Ground
from graticule.prediction import MASS, Candidate, Fused, Prediction, Refusal, Result

__all__ = ["LONGEST", "fuse", "outings"]

LONGEST: Final = 32
"""Pictures that are fused at once; a longer outing is cut, each part of it fused for itself."""
_CELLS: Final = 1024
"""Cells that all pictures of an outing together keep as fine as they are, about."""
_TRACK_LEVEL: Final = 13
"""S2 level of the cell that a track puts a picture in: 1.2 km wide."""
_TRACK_HOURS: Final = 1.0
"""A point of a track that is farther away in time tells nothing."""


@dataclass(frozen=True)
class _Shot:
    """A picture of an outing."""

    number: int
    prediction: Prediction
    density: Density
    hours: float
    fix: tuple[float, float, float] | None
    """Where a track was at the time, in degrees, and how many hours off its nearest point is."""


def outings(seconds: Sequence[float | None], *, together_s: float) -> Iterator[list[int]]:
    """The numbers of pictures that were taken together, in the order of time.

    Args:
        seconds: when each was taken, since any moment; None where that is not known, and there it is alone.
        together_s: with no more time between two of them, they were.

    Yields:
        Each number once, at most `LONGEST` of them together.
    """
    known = sorted((when, number) for number, when in enumerate(seconds) if when is not None)
    current: list[int] = []
    last = 0.0
    for when, number in known:
        if current and (when - last > together_s or len(current) == LONGEST):
            yield current
            current = []
        current.append(number)
        last = when
    if current:
        yield current
    yield from ([number] for number, when in enumerate(seconds) if when is None)


def fuse(
    results: Sequence[Result],
    seconds: Sequence[float | None],
    *,
    together_s: float,
    track: Track | None = None,
    doubt: Callable[[Prediction], Prediction] = lambda prediction: prediction,
) -> list[Result]:
    """What becomes of some answers if pictures that were taken together tell of each other.

    Answers with nothing to be fused with stay as they are, and so do refusals.

    Args:
        results: N answers, with their densities.
        seconds: when each picture was taken, since 1970 in UTC if there is a track; None where that is not known.
        together_s: as for `outings`.
        track: where the photographer was.
        doubt: marks each answer that is not sure, once it is fused.

    Raises:
        InputError: an answer has no density, or was confined to a region or chosen by a selector.
    """
    fused = list(results)
    for numbers in outings(seconds, together_s=together_s):
        shots = [
            _shot(number, result, when, track)
            for number in numbers
            if (when := seconds[number]) is not None and not isinstance(result := results[number], Refusal)
        ]
        if len(shots) > 1 or any(shot.fix for shot in shots):
            for shot, prediction in zip(shots, _fused(shots), strict=True):
                fused[shot.number] = prediction
    return [result if isinstance(result, Refusal) else doubt(result) for result in fused]


def _shot(number: int, prediction: Prediction, seconds: float, track: Track | None) -> _Shot:
    if prediction.density is None:
        raise InputError(f"{prediction.path}: this answer has no density to be fused; locate it again.")
    if prediction.region_probability is not None or prediction.selection is not None:
        raise InputError(
            f"{prediction.path}: answers inside a region, or chosen by a selector, can't be fused; leave that out."
        )
    fix = None if track is None else track.at(seconds)
    if fix is not None and fix[2] > _TRACK_HOURS:
        fix = None
    return _Shot(number, prediction, prediction.density, seconds / 3600, fix)


def _fused(shots: Sequence[_Shot]) -> list[Prediction]:
    needed = [needed_cells(shot.density, most=_CELLS // len(shots)) for shot in shots]
    needed += [s2.cell_ids([shot.fix[0]], [shot.fix[1]], level=_TRACK_LEVEL) for shot in shots if shot.fix]
    cells = common_cells(needed)
    ground = Ground(cells)
    masses = fused_masses(
        ground,
        [spread(shot.density, cells) for shot in shots],
        [shot.hours for shot in shots],
        [None if shot.fix is None else ground.from_point(*shot.fix) for shot in shots],
    )
    # Where one of them tells something, it tells it of all.
    known = any(shot.prediction.notice is None or shot.fix for shot in shots)
    return [
        _answer(
            shot,
            density_of(cells, mass),
            Fused(len(shots) - 1, shot.fix is not None),
            notice=None if known else shot.prediction.notice,
        )
        for shot, mass in zip(shots, masses, strict=True)
    ]


def _answer(shot: _Shot, density: Density, fused: Fused, *, notice: str | None) -> Prediction:
    """The prediction that a density gives."""
    points = density.point()
    radii = density.radii_km(points, np.arange(1, 100) / 100)[0]
    circles = tuple(np.minimum(radii, HALF_WAY_ROUND_KM).tolist())
    return replace(
        shot.prediction,
        latitude=float(points[0, 0]),
        longitude=float(points[0, 1]),
        radius_km=circles[round(100 * MASS) - 1],
        circles_km=circles,
        candidates=_candidates(density, shot.prediction.candidates),
        density=density,
        fused=fused,
        notice=notice,
        not_sure=None,
    )


def _candidates(density: Density, before: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """The likeliest cells, as many and as large as before."""
    if not before:
        return ()
    level = int(s2.level_of(np.array([int(before[0].cell.ljust(16, "0"), 16)], dtype=np.uint64))[0])
    cells, shares = (found[0] for found in density.best_cells(level, len(before)))
    real: NDArray[np.bool_] = shares > 0
    lat, lon = s2.centres(cells[real])
    return tuple(
        Candidate(*place, s2.hex_token(cell))
        for place, cell in zip(
            zip(lat.tolist(), lon.tolist(), shares[real].tolist(), strict=True),
            cells[real].tolist(),
            strict=True,
        )
    )
