"""What an answer shows of a density and its query: circles, candidates, neighbours."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from graticule.decoding.calibration import STEPS, Calibration
from graticule.decoding.constrain import CellMask
from graticule.earth import s2
from graticule.earth.cells import TokenScheme
from graticule.earth.density import HALF_WAY_ROUND_KM, Density
from graticule.prediction import MASS, Candidate, Neighbour
from graticule.tokens.query import Query

__all__ = ["candidates", "circles_km", "neighbours"]


def circles_km(
    found: Density,
    points: NDArray[np.float64],
    calibration: Calibration | None,
    *,
    doubted: NDArray[np.bool_],
) -> list[tuple[float, ...]]:
    """The radii of the circles around one point a picture that hold 1, 2, ... 99 % of the probability.

    Args:
        found: Of B pictures.
        points: The circles' centres, in degrees (B, 2).
        calibration: What their sizes were fitted by, if they were.
        doubted: The pictures (B,) of which nothing is known: no calibration is about them.
    """
    held = found.total > 0
    radii = np.full((len(points), STEPS), HALF_WAY_ROUND_KM)
    as_it_is = held if calibration is None else held & doubted
    if as_it_is.any():
        radii[as_it_is] = found.radii_km(points, np.arange(1, STEPS + 1) / (STEPS + 1))[as_it_is]
    if calibration is not None:
        radii[held & ~doubted] = calibration.radii_km(found, points)[held & ~doubted]
    return [tuple(row) for row in np.minimum(radii, HALF_WAY_ROUND_KM).tolist()]


def neighbours(query: Query) -> list[tuple[Neighbour, ...]]:
    """What each picture was shown beside, most similar first."""
    found = query.neighbours
    if found is None or found.rows is None:
        return [()] * query.batch_size
    columns = (found.lat_lon, found.similarities, found.rows)
    return [
        tuple(
            Neighbour(lat, lon, similarity, row) for (lat, lon), similarity, row in zip(*picture, strict=True)
        )
        for picture in zip(*(column.tolist() for column in columns), strict=True)
    ]


def candidates(
    density: Density, scheme: TokenScheme, top_k: int, mask: CellMask | None
) -> list[tuple[Candidate, ...]]:
    """The likeliest cells of each picture, of the finest level at which the search still holds `MASS`.

    Finer cells were searched too, and say where the point is; but what the search left out there is unknown.
    """
    enough = MASS * density.total * (1 - 1e-9)
    depth = np.zeros(len(enough), dtype=np.int64)
    for d, level in enumerate(scheme.levels):
        depth[(density.mass * (density.levels >= level)).sum(axis=1) >= enough] = d
    shown: list[tuple[Candidate, ...]] = [()] * len(enough)
    for d in np.unique(depth):
        rows = np.flatnonzero(depth == d)
        cells, shares = (part[rows] for part in density.best_cells(scheme.levels[d], top_k))
        real = shares > 0
        places = np.full((*real.shape, 2), np.nan)
        if real.any():
            # Of a cell across the border, the place is one in the region.
            found = cells[real]
            places[real] = np.stack(s2.centres(found), -1) if mask is None else mask.region.points(found)[0]
        for row, there, where, ids, held in zip(rows, real, places, cells, shares, strict=True):
            shown[row] = tuple(
                Candidate(lat, lon, share, s2.hex_token(cell))
                for (lat, lon), share, cell in zip(
                    where[there].tolist(), held[there].tolist(), ids[there].tolist(), strict=True
                )
            )
    return shown
