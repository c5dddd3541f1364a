"""The nearest of many places."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from graticule.earth.distance import EARTH_RADIUS_KM, unit_vectors
from graticule.errors import MissingExtraError

__all__ = ["nearest"]


def nearest(
    lat_lon: NDArray[np.float64], among: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Which place is nearest, on the sphere.

    Args:
        lat_lon: (N, 2) degrees.
        among: (M, 2) degrees, one at least.

    Returns:
        Rows of `among` (N,), and how far they are in km (N,).

    Raises:
        MissingExtraError: scipy is not installed.
    """
    try:
        from scipy.spatial import cKDTree
    except ImportError as error:
        raise MissingExtraError.of("evaluation", "scipy") from error
    # The shortest chord is that of the shortest way.
    tree = cKDTree(unit_vectors(among[:, 0], among[:, 1]))
    chord, rows = tree.query(unit_vectors(lat_lon[:, 0], lat_lon[:, 1]))
    return rows, 2 * EARTH_RADIUS_KM * np.arcsin(np.minimum(chord / 2, 1))
