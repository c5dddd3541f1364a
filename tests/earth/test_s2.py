import itertools

import numpy as np
import pytest
import s2geometry
from hypothesis import example, given
from hypothesis import strategies as st

from graticule.earth import s2
from graticule.earth.distance import haversine_km
from graticule.errors import ConfigError, CoordinateError

latitudes = st.floats(-90, 90)
longitudes = st.floats(-180, 180)
levels = st.integers(0, s2.MAX_LEVEL)


def random_points(count, seed=0):
    rng = np.random.default_rng(seed)
    return np.degrees(np.arcsin(rng.uniform(-1, 1, count))), rng.uniform(-180, 180, count)


def theirs(lat, lon):
    """Leaf ids of points, by the S2 library."""
    latlng, cell = s2geometry.S2LatLng.FromDegrees, s2geometry.S2CellId
    return np.array(
        [cell(latlng(a, b)).id() for a, b in zip(lat.tolist(), lon.tolist(), strict=True)], dtype=np.uint64
    )


def their_centres(ids):
    found = [s2geometry.S2CellId(i).ToLatLng() for i in ids.tolist()]
    return np.array([(p.lat().degrees(), p.lng().degrees()) for p in found]).T


def awkward_points():
    """Poles, the antimeridian, and the edges and corners of the cube, each with its nearest neighbours."""
    corner = np.degrees(np.arctan(np.sqrt(0.5)))
    lats = [-90, -45, -corner, 0, corner, 45, 90]
    lons = [-180, -135, -90, -45, 0, 45, 90, 135, 180]
    edges = [
        (np.degrees(np.arctan(np.cos(np.radians(lon - middle)))), lon)
        for lon in np.linspace(-180, 180, 97)
        for middle in (-180, -90, 0, 90, 180)
        if abs(lon - middle) <= 45
    ]
    points = np.array([*itertools.product(lats, lons), *edges, *((-lat, lon) for lat, lon in edges)])
    up, down = np.nextafter(points, np.inf), np.nextafter(points, -np.inf)
    lat, lon = np.concatenate(
        [np.stack([a[:, 0], b[:, 1]]) for a, b in itertools.product((points, up, down), repeat=2)], axis=1
    )
    return np.clip(lat, -90, 90), np.clip(lon, -180, 180)


def test_ids_of_a_million_points_are_those_of_the_s2_library():
    lat, lon = random_points(1_000_000)
    expected = theirs(lat, lon)
    np.testing.assert_array_equal(s2.cell_ids(lat, lon), expected)
    np.testing.assert_array_equal(s2.cell_ids(lat, lon, level=20), s2.parent(expected, 20))


def test_ids_at_poles_antimeridian_edges_and_corners_are_those_of_the_s2_library():
    lat, lon = awkward_points()
    np.testing.assert_array_equal(s2.cell_ids(lat, lon), theirs(lat, lon))


@pytest.mark.parametrize("level", range(s2.MAX_LEVEL + 1))
def test_every_level_agrees_with_the_s2_library(level):
    ids = s2.cell_ids(*random_points(500, seed=level))
    cells = [s2geometry.S2CellId(i).parent(level) for i in ids.tolist()]
    ours = s2.parent(ids, level)
    assert ours.tolist() == [c.id() for c in cells]
    np.testing.assert_array_equal(s2.level_of(ours), level)
    np.testing.assert_allclose(s2.centres(ours), their_centres(ours), rtol=0, atol=1e-13)
    low, high = s2.id_range(ours)
    assert low.tolist() == [c.range_min().id() for c in cells]
    assert high.tolist() == [c.range_max().id() for c in cells]
    if level < s2.MAX_LEVEL:
        assert s2.children(ours).tolist() == [[c.child(k).id() for k in range(4)] for c in cells]


def test_centres_of_awkward_cells_are_those_of_the_s2_library():
    ids = s2.cell_ids(*awkward_points())
    cells = np.unique(np.concatenate([s2.parent(ids, level) for level in (0, 1, 2, 20, 30)]))
    np.testing.assert_allclose(s2.centres(cells), their_centres(cells), rtol=0, atol=1e-13)


def test_validity_agrees_with_the_s2_library():
    rng = np.random.default_rng(1)
    ids = rng.integers(0, 2**64, 10_000, dtype=np.uint64) << rng.integers(0, 64, 10_000, dtype=np.uint64)
    ids = np.append(ids, np.array([0, 1, 2, 2**60, 2**61, 2**63, 2**64 - 1], dtype=np.uint64))
    expected = [s2geometry.S2CellId(i).is_valid() for i in ids.tolist()]
    assert 0 < sum(expected) < len(expected)
    assert s2.is_valid(ids).tolist() == expected


@given(latitudes, longitudes, levels)
@example(90.0, 0.0, 30)
@example(-90.0, 180.0, 30)
@example(0.0, 180.0, 30)
@example(0.0, -180.0, 30)
def test_the_centre_of_a_cell_is_in_the_cell_and_near_its_points(lat, lon, level):
    cell = s2.cell_ids(lat, lon, level=level)
    centre = s2.centres(cell)
    if level < s2.MAX_LEVEL:  # there the rounding of degrees is near the width of a cell
        assert s2.cell_ids(*centre, level=level) == cell
    # A face reaches 54.7 degrees from its middle; each level halves that, or a little more, by distortion.
    assert haversine_km(lat, lon, *centre) < 9000 / 2**level + 1e-8


@given(latitudes, longitudes, levels, levels)
def test_parents_contain_their_descendants_and_only_those(lat, lon, a, b):
    coarse, fine = min(a, b), max(a, b)
    cell = s2.cell_ids(lat, lon, level=fine)
    above = s2.parent(cell, coarse)
    assert s2.level_of(above) == coarse
    assert above == s2.cell_ids(lat, lon, level=coarse)
    assert s2.contains(above, cell)
    assert s2.contains(cell, above) == (coarse == fine)


@given(latitudes, longitudes, st.integers(0, s2.MAX_LEVEL - 1))
def test_children_divide_their_parent(lat, lon, level):
    cell = s2.cell_ids([lat], [lon], level=level)
    children = s2.children(cell)
    assert (s2.parent(children, level) == cell).all()
    assert s2.contains(cell[:, None], children).all()
    low, high = s2.id_range(children[0])
    assert (low[1:] - high[:-1] == 2).all(), "leaf ids are odd, so neighbouring ranges are two apart"
    assert (low[0], high[-1]) == tuple(int(end[0]) for end in s2.id_range(cell))


def test_shapes_are_kept():
    lat, lon = random_points(12)
    ids = s2.cell_ids(lat, lon, level=9)
    np.testing.assert_array_equal(
        s2.cell_ids(lat.reshape(3, 4), lon.reshape(3, 4), level=9), ids.reshape(3, 4)
    )
    assert s2.centres(ids.reshape(3, 4))[0].shape == (3, 4)
    assert s2.children(ids.reshape(3, 4)).shape == (3, 4, 4)
    assert s2.cell_ids(48.8584, 2.2945).shape == ()
    assert s2.cell_ids([], []).shape == (0,)
    assert s2.centres(np.empty(0, dtype=np.uint64))[0].shape == (0,)


def test_blocks_do_not_show():
    lat, lon = random_points(20_000)
    ids = s2.cell_ids(lat, lon)
    np.testing.assert_array_equal(
        np.concatenate([s2.cell_ids(lat[k::7], lon[k::7]) for k in range(7)]),
        np.concatenate([ids[k::7] for k in range(7)]),
    )


def test_signed_ids_are_read_bit_for_bit():
    ids = s2.cell_ids(*random_points(100))
    np.testing.assert_array_equal(s2.parent(ids.view(np.int64), 10), s2.parent(ids, 10))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 90.0000001, -91])
def test_a_latitude_off_the_earth_is_refused_by_index_and_value(value):
    with pytest.raises(CoordinateError, match=rf"latitude {float(value)} at index 2"):
        s2.cell_ids([0, 1, value, value], [0, 1, 2, 3])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 180.0000001, 360])
def test_a_longitude_off_the_earth_is_refused_by_index_and_value(value):
    with pytest.raises(CoordinateError, match=rf"longitude {float(value)} at index 1"):
        s2.cell_ids([0, 1, 2], [0, value, 2])


def test_points_that_do_not_pair_up_are_refused():
    with pytest.raises(CoordinateError, match="differ in shape"):
        s2.cell_ids([0, 1], [0])


@pytest.mark.parametrize("level", [-1, 31])
def test_a_level_that_does_not_exist_is_refused(level):
    with pytest.raises(ConfigError, match=f"level {level} does not exist"):
        s2.cell_ids([0], [0], level=level)
    with pytest.raises(ConfigError, match=f"level {level} does not exist"):
        s2.parent(s2.cell_ids([0], [0]), level)


@pytest.mark.parametrize(
    "call", [s2.centres, s2.level_of, s2.children, s2.id_range, lambda ids: s2.parent(ids, 0)]
)
@pytest.mark.parametrize("wrong", [0, 2, 2**64 - 1])
def test_an_id_that_is_no_cell_is_refused(call, wrong):
    with pytest.raises(CoordinateError, match="at index 1 is not the id"):
        call(np.array([s2.cell_ids(1, 2, level=5), wrong], dtype=np.uint64))


def test_ids_kept_as_floats_are_refused():
    with pytest.raises(CoordinateError, match="integers, not float64"):
        s2.centres(np.array([1.0]))


def test_a_cell_has_no_finer_parent_and_a_leaf_no_children():
    with pytest.raises(CoordinateError, match="coarser than level 6"):
        s2.parent(s2.cell_ids([0], [0], level=5), 6)
    with pytest.raises(CoordinateError, match="leaf"):
        s2.children(s2.cell_ids([0], [0]))
