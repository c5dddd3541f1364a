"""How a polygon cuts S2 cells: which it reaches into, which it fills, and how much of the others it covers.

Seen from the Earth's centre, each face of S2's cube is a flat square of (u, v) in which great circles are straight
lines and cells are rectangles. So the polygon's sides become segments, a cell keeps those that run through it, and
its children get them clipped. A cell without segments is wholly inside or wholly outside, as its centre is.

Cells are open and closer than `SLACK` nothing is told apart: a polygon that only touches a cell does not reach into
it. Nothing is computed before it is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from s2geometry import S2CellId, S2Point_FromRaw, S2Point_ToRaw, S2Polygon

__all__ = ["SLACK", "Cuts", "Part"]

Part: TypeAlias = "NDArray[np.float64] | bool"
"""What of a cell is in the polygon: all, nothing, or what lies to the left of segments (K, 2, 2): end, (u, v)."""

SLACK = 1e-14
"""The polygon must reach this far into a cell, in (u, v): less than 0.1 micrometres on the Earth."""

_KEPT = 1 << 18
"""How many parts are remembered before all are forgotten, to bound a long search's memory."""

_FACE = 1 << 60
"""The last one bit of a face's id."""

# The axes of each face: u, v and outwards (S2 Geometry, `kFaceUVWAxes`).
_FRAMES = np.array(
    [
        [[0, 1, 0], [0, 0, 1], [1, 0, 0]],
        [[-1, 0, 0], [0, 0, 1], [0, 1, 0]],
        [[-1, 0, 0], [0, -1, 0], [0, 0, 1]],
        [[0, 0, -1], [0, -1, 0], [-1, 0, 0]],
        [[0, 0, -1], [1, 0, 0], [0, -1, 0]],
        [[0, 1, 0], [1, 0, 0], [0, 0, -1]],
    ],
    dtype=np.float64,
)
# The planes through the Earth's centre and the edges of the cube.
_PLANES = np.array([[1, 1, 0], [1, -1, 0], [1, 0, 1], [1, 0, -1], [0, 1, 1], [0, 1, -1]], dtype=np.float64)

# Gauss and Legendre's points and weights, moved to [0, 1]: exact to 1e-9 on a whole face, more so within.
_GAUSS_AT, _GAUSS_WEIGHT = (values / 2 for values in np.polynomial.legendre.leggauss(12))
_GAUSS_AT = _GAUSS_AT + 0.5


class Cuts:
    """The cells that a polygon cuts, found as they are asked for and remembered.

    Example:
        >>> from graticule.earth.regions.shapes import box
        >>> cuts = Cuts(box(0, 0, 45, 45))
        >>> cuts.reaches(0x1000000000000000), cuts.reaches(0x3000000000000000)
        (True, False)
    """

    def __init__(self, polygon: S2Polygon) -> None:
        """Take a valid polygon."""
        self._polygon = polygon
        self._faces = _faces(polygon)
        self._parts: dict[int, Part] = {}

    def reaches(self, cell: int) -> bool:
        """Whether the polygon reaches into a cell.

        Args:
            cell: Id of an S2 cell.
        """
        return self.part(cell) is not False

    def part(self, cell: int) -> Part:
        """What of a cell is in the polygon.

        Args:
            cell: Id of an S2 cell.
        """
        if len(self._parts) > _KEPT:
            self._parts.clear()
        return self._part(cell)

    def share(self, cell: int) -> float:
        """How much of a cell's area is in the polygon, 0 to 1.

        Args:
            cell: Id of an S2 cell.
        """
        part = self.part(cell)
        if isinstance(part, bool):
            return float(part)
        return min(1.0, max(0.0, self._area(cell, part) / self._area(cell, True)))

    def descent(self, cell: int) -> Iterator[int]:
        """Ever smaller cells within a cell, each the quarter of the last with most of the polygon's area.

        Args:
            cell: Id of an S2 cell that the polygon reaches into.
        """
        while not cell & 1:
            cell = max(_children(cell), key=lambda child: self._area(child, self.part(child)))
            yield cell

    def _part(self, cell: int) -> Part:
        known = self._parts.get(cell)
        if known is not None:
            return known
        last = cell & -cell
        if last == _FACE:
            self._parts[cell] = self._settled(cell, self._faces[cell >> 61])
        else:
            parent = cell & -(last << 2) | last << 2
            part = self._part(parent)
            if isinstance(part, bool):
                self._parts[cell] = part
            else:
                self._parts.update(self._split(parent, part))
        return self._parts[cell]

    def _split(self, cell: int, segments: NDArray[np.float64]) -> dict[int, Part]:
        """The parts of a cell's four children."""
        clipped = {child: _clipped(segments, *_bounds(child)) for child in _children(cell)}
        parts = {child: self._settled(child, some) for child, some in clipped.items()}
        if all(part is False for part in parts.values()):
            # A sliver between two sides nearer to each other than the slack, along the line between two
            # children: it stays with the child it is in, so that the search never ends on the way.
            inside = segments[0].mean(axis=0)
            child = next(
                child
                for child in parts
                if (inside >= _bounds(child)[0]).all() and (inside <= _bounds(child)[1]).all()
            )
            parts[child] = np.clip(segments, *_bounds(child))
        return parts

    def _settled(self, cell: int, segments: NDArray[np.float64]) -> Part:
        """The segments if there are any; otherwise a cell is as its centre is."""
        return segments if len(segments) else bool(self._polygon.Contains(S2CellId(cell).ToPoint()))

    def _area(self, cell: int, part: Part) -> float:
        """Area of a cell's part, in steradians.

        On the plane of a face, dA = (1 + u^2 + v^2)^(-3/2) du dv, so by Green's theorem the area is the integral of
        H dv along the boundary, H being that of the density from the cell's left side to u. It is zero on
        the left side, and dv is on the lower and upper one: what is left is the segments and the right side.
        """
        if part is False:
            return 0.0
        (left, _), (right, _) = _bounds(cell)
        sides = self._right_side(cell, part)
        lines = sides if part is True else np.concatenate([part, sides])
        start, step = lines[:, 0], lines[:, 1] - lines[:, 0]
        u = np.clip(start[:, :1] + step[:, :1] * _GAUSS_AT, left, right)
        v = start[:, 1:] + step[:, 1:] * _GAUSS_AT
        return float(step[:, 1] @ ((_primitive(u, v) - _primitive(left, v)) @ _GAUSS_WEIGHT))

    def _right_side(self, cell: int, part: Part) -> NDArray[np.float64]:
        """The segments of a cell's right side that are in the polygon, upwards."""
        (_, low), (right, high) = _bounds(cell)
        if part is True:
            return np.array([[[right, low], [right, high]]])
        ends = np.asarray(part).reshape(-1, 2)
        # A little inside, for the polygon's own side may run along the cell's.
        inner = right - 4 * SLACK
        turns = np.unique(np.concatenate([[low, high], ends[ends[:, 0] >= inner, 1]]))
        sides = [
            [[right, start], [right, end]]
            for start, end in pairwise(turns.tolist())
            if self._polygon.Contains(_point(cell >> 61, inner, (start + end) / 2))
        ]
        return np.array(sides).reshape(-1, 2, 2)


def _primitive(u: NDArray[np.float64] | float, v: NDArray[np.float64]) -> NDArray[np.float64]:
    """The integral of (1 + u^2 + v^2)^(-3/2) over u, from 0."""
    across = 1 + v * v
    return np.asarray(u / (across * np.sqrt(across + u * u)))


def _children(cell: int) -> list[int]:
    last = cell & -cell
    return [cell - last + (last >> 2) * place for place in (1, 3, 5, 7)]


def _bounds(cell: int) -> tuple[tuple[float, float], tuple[float, float]]:
    """The least and the greatest (u, v) of a cell."""
    _, i, j, _ = S2CellId(cell).ToFaceIJOrientation()
    width = math.isqrt(cell & -cell)
    i, j = i & -width, j & -width
    return (_line(i), _line(j)), (_line(i + width), _line(j + width))


def _line(number: int) -> float:
    """The u or v of a line between leaf cells (`S2::STtoUV`)."""
    s = number * 0.5**30
    farther = max(s, 1 - s)
    return math.copysign((4 * farther * farther - 1) / 3, s - 0.5)


def _point(face: int, u: float, v: float) -> object:
    """The S2Point at (u, v) of a face."""
    x, y, z = (_FRAMES[face] * [[u], [v], [1.0]]).sum(axis=0).tolist()
    size = math.sqrt(x * x + y * y + z * z)
    return S2Point_FromRaw(x / size, y / size, z / size)


def _clipped(
    segments: NDArray[np.float64], low: tuple[float, float], high: tuple[float, float]
) -> NDArray[np.float64]:
    """The segments (K, 2, 2) that run through a rectangle, cut off at its sides."""
    for axis in (0, 1):
        segments = segments[_within(segments, axis, low[axis], high[axis])]
        along, across = segments[..., axis], segments[..., 1 - axis]
        cut = np.clip(along, low[axis], high[axis])
        run = along[:, 1:] - along[:, :1]
        slope = (across[:, 1:] - across[:, :1]) / np.where(run == 0, 1, run)
        both = (cut, across + slope * (cut - along))
        segments = np.stack([both[axis], both[1 - axis]], axis=-1)
    # What the second cut left may be no longer within the first.
    return segments[_within(segments, 0, low[0], high[0])]


def _within(segments: NDArray[np.float64], axis: int, low: float, high: float) -> NDArray[np.bool_]:
    """Which segments reach between two lines, by more than the slack."""
    along = segments[..., axis]
    reach: NDArray[np.bool_] = (along.min(axis=1) < high - SLACK) & (along.max(axis=1) > low + SLACK)
    return reach


def _faces(polygon: S2Polygon) -> list[NDArray[np.float64]]:
    """A polygon's sides as segments (K, 2, 2) on each face, its inside to their left."""
    sides = _sides(polygon)
    for plane in _PLANES:
        sides = _cut_at(sides, plane)
    middle = sides.sum(axis=1)
    outwards = np.argmax(middle @ _FRAMES[:, 2].T, axis=1)
    faces = []
    for face, frame in enumerate(_FRAMES):
        seen = sides[outwards == face] @ frame.T
        segments = seen[..., :2] / seen[..., 2:]
        faces.append(_clipped(segments, (-1.0, -1.0), (1.0, 1.0)))
    return faces


def _sides(polygon: S2Polygon) -> NDArray[np.float64]:
    """A polygon's sides (K, 2, 3) as vectors from start to end."""
    sides = [np.empty((0, 2, 3))]
    for number in range(polygon.num_loops()):
        loop = polygon.loop(number)
        if loop.num_vertices() < 3:  # everything or nothing, without a boundary
            continue
        corners = np.array([S2Point_ToRaw(loop.vertex(place)) for place in range(loop.num_vertices())])
        # S2 keeps holes counterclockwise too.
        corners = corners[::-1] if loop.is_hole() else corners
        sides.append(np.stack([corners, np.roll(corners, -1, axis=0)], axis=1))
    return np.concatenate(sides)


def _cut_at(sides: NDArray[np.float64], plane: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sides (K, 2, 3), those that cross a plane in two."""
    height = sides @ plane
    crossing = height[:, 0] * height[:, 1] < 0
    if not crossing.any():
        return sides
    start, end = sides[crossing, 0], sides[crossing, 1]
    above = np.abs(height[crossing])
    there = (start * above[:, 1:] + end * above[:, :1]) / above.sum(axis=1, keepdims=True)
    # Exactly on the plane, since rounding may leave it beside.
    there -= np.outer(there @ plane / 2, plane)
    halves = [np.stack([start, there], axis=1), np.stack([there, end], axis=1)]
    return np.concatenate([sides[~crossing], *halves])
