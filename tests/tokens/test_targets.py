import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graticule.earth.cells import TokenScheme
from graticule.earth.distance import haversine_km
from graticule.errors import ConfigError
from graticule.tokens.targets import soft_targets

SCHEME = TokenScheme((0, 2, 4, 6, 8, 10))


def anywhere(count, seed=0):
    random = np.random.default_rng(seed)
    lat = np.degrees(np.arcsin(random.uniform(-1, 1, count)))
    return np.stack([lat, random.uniform(-180, 180, count)], axis=-1)


def cell_centres(points):
    lat, lon = SCHEME.centres(SCHEME.encode(points[:, 0], points[:, 1]))
    return np.stack([lat, lon], axis=-1)


@settings(deadline=None, max_examples=20)
@given(scale=st.floats(0.001, 10), floor_km=st.floats(0, 1000), seed=st.integers(0, 100))
def test_every_row_sums_to_one(scale, floor_km, seed):
    for target, size in zip(
        soft_targets(SCHEME, anywhere(20, seed), scale=scale, floor_km=floor_km),
        SCHEME.vocabulary,
        strict=True,
    ):
        assert target.shape == (20, size)
        assert np.isfinite(target).all()
        np.testing.assert_allclose(target.sum(axis=1), 1, atol=1e-5)


def test_the_true_child_weighs_most_at_the_centre_of_its_cell():
    points = cell_centres(anywhere(500))
    answer = SCHEME.encode(points[:, 0], points[:, 1])[:, -1]
    target = soft_targets(SCHEME, points)[-1]
    assert (target.argmax(axis=1) == answer).all()
    # On the border of two cells their centres are about as near: only there may another win.
    points = anywhere(2000)
    agree = soft_targets(SCHEME, points)[3].argmax(axis=1) == SCHEME.encode(points[:, 0], points[:, 1])[:, 3]
    assert agree.mean() > 0.9


def test_a_smaller_scale_tends_to_one_hot():
    points = cell_centres(anywhere(200))
    target = soft_targets(SCHEME, points, scale=0.001)[-1]
    np.testing.assert_allclose(target.max(axis=1), 1, atol=1e-6)


def test_a_floor_softens_fine_cells_and_leaves_coarse_ones():
    points = anywhere(200)
    plain, floored = soft_targets(SCHEME, points), soft_targets(SCHEME, points, floor_km=30)
    np.testing.assert_allclose(floored[0], plain[0], atol=1e-3)
    assert floored[-1].max() < 0.2 < plain[-1].max(axis=1).min()


def test_weights_follow_the_formula():
    points = anywhere(5)
    tokens = SCHEME.encode(points[:, 0], points[:, 1])
    children = np.repeat(tokens[:, None, :3], 16, axis=1)
    children[..., 2] = np.arange(16)
    lat, lon = SCHEME.centres(children)
    tau = np.hypot(0.5 * np.sqrt(4 * np.pi * 6371**2 / (6 * 4**4)), 20)
    expected = np.exp(-haversine_km(points[:, :1], points[:, 1:], lat, lon) / tau)
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(soft_targets(SCHEME, points, scale=0.5, floor_km=20)[2], expected, atol=1e-6)


def test_points_are_independent_of_their_company():
    points = anywhere(300)
    for together, alone in zip(soft_targets(SCHEME, points), soft_targets(SCHEME, points[7:8]), strict=True):
        np.testing.assert_array_equal(together[7:8], alone)


def test_no_points_give_no_rows():
    assert [t.shape for t in soft_targets(SCHEME, np.empty((0, 2)))] == [(0, 6), *[(0, 16)] * 5]


@pytest.mark.parametrize(("scale", "floor_km"), [(0, 0), (-1, 5), (1, -5), (float("nan"), 0)])
def test_impossible_softness_is_refused(scale, floor_km):
    with pytest.raises(ConfigError):
        soft_targets(SCHEME, anywhere(1), scale=scale, floor_km=floor_km)
