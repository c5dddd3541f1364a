"""The cube S2 wraps the Earth in: points <-> a face of it and the square of that face.

A point is projected from the Earth's centre onto the face of the cube it is seen through, at (u, v) in
[-1, 1]; a quadratic then bends u and v to s and t in [0, 1], so that equal squares of (s, t) have about
equal areas on the Earth; and the face is cut into 2^30 x 2^30 squares (i, j).

Every float operation here is done in the order the C++ library does it, so results are equal to the
last bit where numpy's `sin` and `cos` are those of the C library, as in numpy's own float64 builds. A
build that rounds them otherwise moves only points within some nanometres of a square's side.

Source: S2 Geometry, `s2coords.h` and `s2latlng.h`, with the quadratic projection.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from graticule.earth.hilbert import LEVELS

__all__ = ["FACES", "middle_of", "square_of"]

FACES = 6

# Seen from each face, the axes x, y, z (0, 1, 2) and their signs: outwards, then along u, then along v.
_AXES = np.array([[0, 1, 2], [1, 0, 2], [2, 0, 1], [0, 2, 1], [1, 2, 0], [2, 1, 0]])
_SIGNS = np.array([[1.0, 1, 1], [1, -1, 1], [1, -1, -1], [-1, -1, -1], [-1, -1, 1], [-1, 1, 1]])

_RADIANS = np.pi / 180
_DEGREES = 180 / np.pi


def square_of(
    lat: NDArray[np.float64], lon: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The square each point lies in.

    Args:
        lat: Latitudes in degrees (N,).
        lon: Longitudes in degrees (N,).

    Returns:
        The face in [0, 6), and i and j in [0, 2^30), each (N,).
    """
    theta, phi = lat * _RADIANS, lon * _RADIANS
    across = np.cos(theta)
    point = np.stack([np.cos(phi) * across, np.sin(phi) * across, np.sin(theta)])
    x, y, z = np.abs(point)
    # On an edge or corner of the cube the later axis wins, as in S2.
    axis = np.where(x > y, np.where(x > z, 0, 2), np.where(y > z, 1, 2))
    rows = np.arange(len(lat))
    face = axis + 3 * (point[axis, rows] < 0)
    outwards, u, v = (_SIGNS[face, k] * point[_AXES[face, k], rows] for k in range(3))
    return face, _grid(u / outwards), _grid(v / outwards)


def middle_of(
    face: NDArray[np.int64], i: NDArray[np.int64], j: NDArray[np.int64], *, width: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The point in the middle of each block of `width` x `width` squares.

    Args:
        face: Faces (N,), in [0, 6).
        i: Lowest i of the block (N,).
        j: Lowest j of the block (N,).
        width: Squares along a side of the block (N,).

    Returns:
        Latitudes and longitudes in degrees (N,).
    """
    u, v = _unbend(2 * i + width), _unbend(2 * j + width)
    point = np.empty((3, len(face)))
    rows = np.arange(len(face))
    for k, along in enumerate((np.ones_like(u), u, v)):
        point[_AXES[face, k], rows] = _SIGNS[face, k] * along
    # Adding zero makes a negative zero positive, so that a centre on the antimeridian is always at 180.
    x, y, z = point + 0.0
    return np.arctan2(z, np.sqrt(x * x + y * y)) * _DEGREES, np.arctan2(y, x) * _DEGREES


def _grid(u: NDArray[np.float64]) -> NDArray[np.int64]:
    """Row or column (N,) of the square at u (N,)."""
    root = 0.5 * np.sqrt(1 + 3 * np.abs(u))
    s = np.where(u >= 0, root, 1 - root)
    grid: NDArray[np.int64] = np.minimum((s * 2**LEVELS).astype(np.int64), 2**LEVELS - 1)
    return grid


def _unbend(halves: NDArray[np.int64]) -> NDArray[np.float64]:
    """Distance from the face's middle, u (N,), of a distance from its side in half squares (N,)."""
    s = halves * 0.5 ** (LEVELS + 1)
    # The formula is that of the half nearer to 1; the other half is its mirror image.
    farther = np.maximum(s, 1 - s)
    u: NDArray[np.float64] = np.copysign((1 / 3) * (4 * farther * farther - 1), s - 0.5)
    return u
