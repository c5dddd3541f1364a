"""Many cells become one shape: the same ground, no side between neighbours, and nothing across the antimeridian."""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from graticule.earth import s2
from graticule.earth.dissolve import dissolved

NEAR_DEG = 0.1
"""Bent sides are drawn by straight pieces: nearer than this to an outline, either answer will do."""
FACES = np.array([(2 * face + 1) << 60 for face in range(6)], dtype=np.uint64)


def shape_of(cells):
    geometry = dissolved(np.asarray(cells, dtype=np.uint64))
    assert geometry["type"] == "MultiPolygon"
    shape = shapely.geometry.shape(geometry)
    assert shape.is_valid
    west, south, east, north = shape.bounds
    assert -180 <= west <= east <= 180
    assert -90 <= south <= north <= 90
    return shape


def disjoint(ids):
    """Without those that lie in another."""
    cells = np.unique(np.asarray(ids, dtype=np.uint64))
    inside = s2.contains(cells[:, None], cells[None, :]) & ~np.eye(len(cells), dtype=bool)
    return cells[~inside.any(axis=0)]


places = st.tuples(
    st.sampled_from([-90.0, -89.9, -45.0, 0.0, 35.264, 45.0, 89.9, 90.0]) | st.floats(-90, 90),
    st.sampled_from([-180.0, -179.99, -90.0, -45.0, 0.0, 45.0, 90.0, 135.0, 179.99, 180.0])
    | st.floats(-180, 180),
    st.integers(0, 6),
)


@settings(deadline=None, max_examples=60)
@given(st.lists(places, min_size=1, max_size=12), st.integers(0, 2**32 - 1))
def test_it_holds_the_same_ground(chosen, seed):
    cells = disjoint([s2.cell_ids([lat], [lon], level=level)[0] for lat, lon, level in chosen])
    shape = shape_of(cells)
    random = np.random.default_rng(seed)
    lat = np.degrees(np.arcsin(random.uniform(-1, 1, 300)))
    lon = random.uniform(-180, 180, 300)
    points = shapely.points(lon, lat)
    inside = s2.contains(cells[:, None], s2.cell_ids(lat, lon)[None, :]).any(axis=0)
    away = shapely.distance(shape.boundary, points) > NEAR_DEG
    np.testing.assert_array_equal(shapely.contains(shape, points)[away], inside[away])


@pytest.mark.parametrize("level", [1, 4, 12, 24])
@pytest.mark.parametrize("place", [(46.0, 7.0), (0.01, 44.99), (80.0, 10.0), (-10.0, 179.999)])
def test_children_make_their_parent(place, level):
    [cell] = s2.cell_ids([place[0]], [place[1]], level=level)
    split = s2.children(s2.children(np.array([cell])).reshape(-1)).reshape(-1)
    whole, parts = shape_of([cell]), shape_of(split)
    assert len(whole.geoms) == len(parts.geoms) == 1
    assert whole.symmetric_difference(parts).area <= 2e-3 * whole.area, "more than what straight pieces lose"


def test_cells_of_mixed_sizes_leave_no_seam():
    children = s2.children(s2.cell_ids([10.0], [20.0], level=3)).reshape(-1)
    mixed = np.concatenate([children[1:], s2.children(children[:1]).reshape(-1)])
    [part] = shape_of(mixed).geoms
    assert not part.interiors


def test_neighbours_on_two_faces_are_one_part():
    cells = s2.cell_ids([5.0, 5.0], [44.99, 45.01], level=5)
    assert cells[0] >> np.uint64(61) != cells[1] >> np.uint64(61)
    assert len(shape_of(cells).geoms) == 1


def test_a_hole_stays_one():
    block = s2.children(s2.children(s2.cell_ids([10.0], [20.0], level=4)).reshape(-1)).reshape(-1)
    centre = np.argmin(np.hypot(*(axis - axis.mean() for axis in s2.centres(block))))
    [part] = shape_of(np.delete(block, centre)).geoms
    assert len(part.interiors) == 1


def test_outer_rings_turn_left():
    [part] = shape_of(s2.cell_ids([10.0], [20.0], level=4)).geoms
    assert part.exterior.is_ccw


def test_all_of_the_earth():
    shape = shape_of(FACES)
    assert shape.area == pytest.approx(360 * 180, rel=1e-6)
    assert len(shape.geoms) == 1
