"""S2 cell ids of whole arrays: the same 64-bit ids as the S2 Geometry library, in numpy.

S2 splits each face of a cube around the Earth (`cube`) into four, thirty times, and numbers the cells
along a Hilbert curve (`hilbert`):

    bit  63..61   60 .................................. 0
         face     two bits a level, a one bit, then zeros

The place of the last one bit tells the level, so a cell's id lies in the middle of the ids of the cells
inside it, and cells sorted by id lie near each other on the Earth.

Source: S2 Geometry, `s2cell_id.h`.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from graticule.earth import cube, hilbert
from graticule.errors import ConfigError, CoordinateError

__all__ = [
    "MAX_LEVEL",
    "blocks",
    "cell_ids",
    "centres",
    "children",
    "contains",
    "id_range",
    "is_valid",
    "level_of",
    "parent",
]

MAX_LEVEL = hilbert.LEVELS
"""The level of leaf cells, about a centimetre wide. A face of the cube is level 0."""

# A cell's last one bit is at an even place, 2 * (30 - level).
_LAST_BITS = np.uint64(0x1555555555555555)
# Constants of the ids' own type, since a plain integer would turn a single id into a float in numpy 1.
_ONE, _TWO = np.uint64(1), np.uint64(2)
_FACE_SHIFT = np.uint64(61)


def cell_ids(lat: ArrayLike, lon: ArrayLike, *, level: int = MAX_LEVEL) -> NDArray[np.uint64]:
    """The cell that holds each point.

    Longitudes 180 and -180 are one place but, as in S2, may lie in two cells: those on either side of
    the antimeridian.

    Args:
        lat: Latitudes in degrees (N,), in [-90, 90].
        lon: Longitudes in degrees (N,), in [-180, 180].
        level: Level of the cells, 0 (a sixth of the Earth) to 30 (a centimetre).

    Returns:
        Cell ids (N,). Arrays of any other shape are answered in that shape.

    Raises:
        CoordinateError: A latitude or longitude is NaN, infinite or out of range, or the shapes differ.
        ConfigError: There is no such level.
    """
    last = _last_bit(level)
    lat, lon = _points(lat, lon)
    ids = np.empty(lat.size, dtype=np.uint64)
    flat_lat, flat_lon = lat.ravel(), lon.ravel()
    for block in blocks(lat.size):
        ids[block] = _ancestors(_leaves(flat_lat[block], flat_lon[block]), last)
    return ids.reshape(lat.shape)


def centres(ids: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The centre of each cell.

    Args:
        ids: Cell ids (N,), of any levels.

    Returns:
        Latitudes and longitudes in degrees (N,). They are S2's to within the last bit of an arctangent.

    Raises:
        CoordinateError: An id is not a cell's.
    """
    cells = _cells(ids)
    lat, lon = np.empty(cells.size), np.empty(cells.size)
    flat = cells.ravel()
    for block in blocks(cells.size):
        lat[block], lon[block] = _centres(flat[block])
    return lat.reshape(cells.shape), lon.reshape(cells.shape)


def is_valid(ids: ArrayLike) -> NDArray[np.bool_]:
    """Whether each id is a cell's: a face below six, and a last one bit at an even place.

    Args:
        ids: Numbers of 64 bits (N,). Signed ones are read bit for bit, as tables and tensors store ids.

    Returns:
        Booleans (N,).

    Raises:
        CoordinateError: The ids are not integers.
    """
    cells = _integers(ids)
    return np.asarray((cells >> _FACE_SHIFT < cube.FACES) & (_last_bits(cells) & _LAST_BITS != 0))


def level_of(ids: ArrayLike) -> NDArray[np.int64]:
    """The level of each cell, 0 to 30.

    Args:
        ids: Cell ids (N,).

    Returns:
        Levels (N,).

    Raises:
        CoordinateError: An id is not a cell's.
    """
    # The last one bit is a power of two, so as a float its exponent is its place, exactly.
    _, exponent = np.frexp(_last_bits(_cells(ids)).astype(np.float64))
    return np.asarray(MAX_LEVEL - (exponent - 1) // 2, dtype=np.int64)


def parent(ids: ArrayLike, level: int) -> NDArray[np.uint64]:
    """The cell at a coarser level that holds each cell.

    Args:
        ids: Cell ids (N,), at `level` or finer.
        level: Level of the cells wanted. A cell is its own parent at its own level.

    Returns:
        Cell ids (N,).

    Raises:
        CoordinateError: An id is not a cell's, or the cell is coarser than `level`.
        ConfigError: There is no such level.
    """
    last = _last_bit(level)
    cells = _cells(ids)
    _refuse(cells, _last_bits(cells) > last, f"is coarser than level {level}, so it has no parent there")
    return _ancestors(cells, last)


def children(ids: ArrayLike) -> NDArray[np.uint64]:
    """The four cells each cell splits into, in the order of the Hilbert curve.

    Args:
        ids: Cell ids (N,), none of them a leaf.

    Returns:
        Cell ids (N, 4).

    Raises:
        CoordinateError: An id is not a cell's, or is that of a leaf cell.
    """
    cells = _cells(ids)
    last = _last_bits(cells)
    _refuse(cells, last == 1, "is a leaf cell (level 30), which has no children")
    # A child's last one bit stands two places lower, and children are twice that apart.
    step = (last >> _TWO)[..., None]
    return cells[..., None] - last[..., None] + step * np.array([1, 3, 5, 7], dtype=np.uint64)


def id_range(ids: ArrayLike) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """The first and last leaf cell inside each cell, so that a cell is an interval of sorted leaf ids.

    Args:
        ids: Cell ids (N,).

    Returns:
        The lowest and the highest leaf id (N,), both inside the cell.

    Raises:
        CoordinateError: An id is not a cell's.
    """
    cells = _cells(ids)
    reach = _last_bits(cells) - _ONE
    return cells - reach, cells + reach


def contains(ids: ArrayLike, others: ArrayLike) -> NDArray[np.bool_]:
    """Whether each cell holds the other; a cell holds itself.

    Args:
        ids: Cell ids, of a shape that broadcasts with that of `others`.
        others: Cell ids.

    Returns:
        Booleans, in the broadcast shape.

    Raises:
        CoordinateError: An id is not a cell's.
    """
    low, high = id_range(ids)
    inner = _cells(others)
    return (low <= inner) & (inner <= high)


def hex_token(cell: int) -> str:
    """The name of a cell: its id in hexadecimal without the trailing zeros (`S2CellId::ToToken`)."""
    return f"{int(cell):016x}".rstrip("0") or "X"


def blocks(count: int, size: int = 8192) -> Iterator[slice]:
    """Slices that cover `count` rows, each small enough for its temporaries to stay in cache."""
    return (slice(start, start + size) for start in range(0, count, size))


def _leaves(lat: NDArray[np.float64], lon: NDArray[np.float64]) -> NDArray[np.uint64]:
    """Leaf ids (N,) of points."""
    face, i, j = cube.square_of(lat, lon)
    position = hilbert.position_of(i, j, swapped=face & 1)
    return face.astype(np.uint64) << _FACE_SHIFT | position.astype(np.uint64) << _ONE | _ONE


def _centres(ids: NDArray[np.uint64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Latitudes and longitudes in degrees (N,) of cell centres."""
    last = _last_bits(ids)
    face = (ids >> _FACE_SHIFT).astype(np.int64)
    position = ((ids - last) >> _ONE).astype(np.int64) & (4**MAX_LEVEL - 1)
    # That is the position of the cell's first leaf, in one of its corners. The cell is sqrt(last) leaves
    # wide, a power of two, so dropping the bits below gives its lowest i and j.
    width = np.sqrt(last).astype(np.int64)
    i, j = hilbert.grid_of(position, swapped=face & 1)
    return cube.middle_of(face, i & -width, j & -width, width=width)


def _ancestors(ids: NDArray[np.uint64], last: np.uint64) -> NDArray[np.uint64]:
    """The cells (N,) whose last one bit is `last` that hold each cell (N,)."""
    return ids & ~(last - _ONE) | last


def _last_bits(ids: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The last one bit of each id, as a number; 4^(30 - level) of a cell."""
    return ids & -ids


def _last_bit(level: int) -> np.uint64:
    """The last one bit of every cell at a level."""
    if not 0 <= level <= MAX_LEVEL:
        raise ConfigError(f"level {level} does not exist: S2 levels run from 0 to {MAX_LEVEL}")
    return np.uint64(1 << 2 * (MAX_LEVEL - level))


def _cells(ids: ArrayLike) -> NDArray[np.uint64]:
    """Ids as an array, every one of them a cell's."""
    cells = _integers(ids)
    _refuse(cells, ~is_valid(cells), "is not the id of an S2 cell")
    return cells


def _integers(ids: ArrayLike) -> NDArray[np.uint64]:
    """Ids as an array; floats are refused, for they have room for 53 bits only."""
    if isinstance(ids, np.ndarray) and ids.dtype.kind not in "iu":
        raise CoordinateError(f"cell ids are integers, not {ids.dtype}")
    return np.asarray(ids, dtype=np.uint64)


def _refuse(ids: NDArray[np.uint64], wrong: NDArray[np.bool_], why: str) -> None:
    if wrong.any():
        index = int(np.flatnonzero(wrong)[0])
        raise CoordinateError(f"cell {ids.flat[index]:#018x} at index {index} {why}")


def _points(lat: ArrayLike, lon: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Latitudes and longitudes as arrays of one shape, every one of them a place on Earth."""
    lat, lon = np.asarray(lat, dtype=np.float64), np.asarray(lon, dtype=np.float64)
    if lat.shape != lon.shape:
        raise CoordinateError(f"latitudes {lat.shape} and longitudes {lon.shape} differ in shape")
    for name, values, limit in (("latitude", lat, 90), ("longitude", lon, 180)):
        # Written so that NaN fails it too.
        wrong = ~(np.abs(values) <= limit)
        if wrong.any():
            index = int(np.flatnonzero(wrong)[0])
            raise CoordinateError(
                f"{name} {values.flat[index]} at index {index} is not a number in [-{limit}, {limit}]"
            )
    return lat, lon
