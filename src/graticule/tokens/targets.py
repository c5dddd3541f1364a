"""Distance-aware answers for training: a near miss is a smaller mistake than a far one.

A one-hot answer calls the cell next door as wrong as the antipode's. Here the truth is spread over the
children of its cell by distance, within a fraction of their size or the imagery's own resolution.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from graticule.earth.cells import TokenScheme
from graticule.earth.distance import EARTH_KM2, EARTH_RADIUS_KM, unit_vectors
from graticule.earth.s2 import blocks
from graticule.errors import ConfigError

__all__ = ["soft_targets"]


def soft_targets(
    scheme: TokenScheme, lat_lon: NDArray[np.float64], *, scale: float = 0.25, floor_km: float = 0.0
) -> list[NDArray[np.float32]]:
    """The answer at each step, given the true prefix: softmax over its children of -d / tau_t.

    d is the great-circle distance from a child's centre to the truth, and tau_t = hypot(scale * s_t,
    floor_km), where s_t is the side of a square of a level-t cell's mean area: 9220 km / 2**level.

    Args:
        scheme: T tokens, the t-th out of V_t.
        lat_lon: `(N, 2)` degrees.
        scale: Softness as a fraction of the size of the cells to choose from; 0 for none.
        floor_km: How finely the picture can tell places apart, whatever the cells' size.

    Returns:
        T arrays `(N, V_t)`, each row summing to one. `torch.from_numpy` makes targets for `GeoToken.loss`.

    Raises:
        ConfigError: A softness is negative, or both are zero.
        CoordinateError: A point does not exist.
    """
    if scale < 0 or floor_km < 0 or not scale + floor_km > 0:
        raise ConfigError(f"soft targets need a positive scale or floor_km, not {scale} and {floor_km}.")
    lat, lon = lat_lon[:, 0], lat_lon[:, 1]
    tokens, truth = scheme.encode(lat, lon), unit_vectors(lat, lon)
    targets = []
    for step, (level, size) in enumerate(zip(scheme.levels, scheme.vocabulary, strict=True)):
        tau_km = math.hypot(scale * _cell_size_km(level), floor_km)
        # Many points share a coarse cell: find the children's centres once for each.
        parents, row = _unique_rows(tokens[:, :step], scheme.vocabulary[:step])
        step_targets = np.empty((len(lat_lon), size), dtype=np.float32)
        centres = _child_centres(scheme, parents, size)
        for block in blocks(len(lat_lon), 65536 // size + 1):
            nearby = centres[row[block]]  # (n, V, 3)
            chord = np.linalg.norm(nearby - truth[block, None], axis=-1)
            distance_km = 2 * EARTH_RADIUS_KM * np.arcsin(np.minimum(chord / 2, 1))
            weights = np.exp((distance_km.min(axis=1, keepdims=True) - distance_km) / tau_km)
            step_targets[block] = weights / weights.sum(axis=1, keepdims=True)
        targets.append(step_targets)
    return targets


def _cell_size_km(level: int) -> float:
    return math.sqrt(EARTH_KM2 / (6 * 4**level))


def _unique_rows(
    prefixes: NDArray[np.int64], vocabulary: tuple[int, ...]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The different prefixes `(P, t)`, and which of them each row is `(N,)`."""
    number = np.zeros(len(prefixes), dtype=np.int64)
    for token, size in zip(prefixes.T, vocabulary, strict=True):
        number = number * size + token
    _, first, row = np.unique(number, return_index=True, return_inverse=True)
    return prefixes[first], row


def _child_centres(scheme: TokenScheme, parents: NDArray[np.int64], size: int) -> NDArray[np.float64]:
    """Unit vectors to the centres of the children of cells: `(P, t)` tokens to `(P, V, 3)`."""
    children = np.empty((len(parents), size, parents.shape[1] + 1), dtype=np.int64)
    children[..., :-1] = parents[:, None]
    children[..., -1] = np.arange(size)
    lat, lon = scheme.centres(children)
    return unit_vectors(lat, lon)
