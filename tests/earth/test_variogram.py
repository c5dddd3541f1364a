"""Empirical semivariograms: equal to GSTools', alike whichever way pairs are taken, and the same however one turns."""

import gstools
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from graticule.earth.distance import EARTH_RADIUS_KM, haversine_km, latlon_from_vectors, unit_vectors
from graticule.earth.variogram import empirical_semivariogram, lag_edges
from graticule.earth.variogram.pairs import NearPairs
from graticule.errors import ConfigError, CoordinateError, InputError


def points(count, seed=0):
    rng = np.random.default_rng(seed)
    return np.stack([np.degrees(np.arcsin(rng.uniform(-1, 1, count))), rng.uniform(-180, 180, count)], axis=1)


def field(places, width=4, seed=1):
    """Smooth features, with some noise."""
    rng = np.random.default_rng(seed)
    smooth = np.sin(unit_vectors(*places.T) @ rng.normal(size=(3, width)) * 3)
    return smooth + 0.3 * rng.normal(size=smooth.shape) + 2


PLACES = points(300)
FEATURES = field(PLACES)
EDGES = np.linspace(0, 20_016, 13)


def gstools_semivariance(features, places, edges):
    """GSTools averages over components: what is summed over them is as many times that."""
    _, gamma, counts = gstools.vario_estimate(
        tuple(places.T), list(features.T), bin_edges=edges / EARTH_RADIUS_KM, latlon=True, return_counts=True
    )
    width = features.shape[1]
    return gamma * width, np.asarray(counts) // width


@pytest.mark.parametrize("spacing", ["linear", "log", "equal-count"])
@pytest.mark.parametrize("dissimilarity", ["cosine", "euclidean"])
def test_it_is_matherons_estimate_as_gstools_has_it(spacing, dissimilarity):
    edges = lag_edges(PLACES, spacing, bins=9, max_km=15_000)
    found = empirical_semivariogram(FEATURES, PLACES, edges_km=edges, dissimilarity=dissimilarity)
    length = np.linalg.norm(FEATURES, axis=1, keepdims=True) if dissimilarity == "cosine" else 1
    expected, counts = gstools_semivariance(FEATURES / length, PLACES, edges)
    held = counts > 0
    np.testing.assert_array_equal(found.counts, counts[held])
    np.testing.assert_allclose(found.semivariance, expected[held], rtol=1e-9)


def test_counts_lags_and_variances_are_those_of_the_pairs():
    found = empirical_semivariogram(FEATURES, PLACES, edges_km=EDGES, dissimilarity="euclidean")
    i, j = np.triu_indices(len(PLACES), 1)
    km = haversine_km(*PLACES[i].T, *PLACES[j].T)
    unlike = ((FEATURES[i] - FEATURES[j]) ** 2).sum(1) / 2
    for k in range(len(found)):
        own = (km >= found.low_km[k]) & (km < found.high_km[k])
        assert found.counts[k] == own.sum()
        assert found.lag_km[k] == pytest.approx(km[own].mean())
        assert found.variance[k] == pytest.approx(unlike[own].var())
    assert found.counts.sum() == len(i)


def test_many_narrow_lags_find_their_pairs_too():
    # Several edges share the leading bits of their versines: the table alone can't tell them apart.
    edges = np.linspace(0, 20_016, 3000)
    found = empirical_semivariogram(FEATURES, PLACES, edges_km=edges)
    km = haversine_km(*PLACES[:, None].transpose(2, 0, 1), *PLACES.T)[np.triu_indices(len(PLACES), 1)]
    counts = np.histogram(km, edges)[0]
    np.testing.assert_array_equal(found.counts, counts[counts > 0])


def test_lags_without_pairs_are_left_out():
    places = np.array([[0, 0], [0, 1], [0, 90]])
    found = empirical_semivariogram(np.eye(3), places, edges_km=[0, 50, 200, 5000, 15_000])
    np.testing.assert_array_equal(found.low_km, [50, 5000])
    np.testing.assert_array_equal(found.counts, [1, 2])
    np.testing.assert_allclose(found.semivariance, 1)
    assert len(found.to_dict()["lags"]) == 2


def test_one_place_antipodes_and_twins():
    places = np.array([[10, 20], [10, 20], [-10, -160]])
    features = np.float32([[1, 2, 3], [1, 2, 3], [3, 2, 1]]) / 3
    found = empirical_semivariogram(features, places, edges_km=[0, 1, 20_000, 20_016])
    np.testing.assert_array_equal(found.counts, [1, 2])
    assert 0 <= found.semivariance[0] < 1e-6
    np.testing.assert_allclose(found.lag_km, [0, np.pi * EARTH_RADIUS_KM], atol=2e-4)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_narrower_floats_give_nearly_the_same(dtype):
    narrow = torch.from_numpy(FEATURES).to(dtype)
    found = empirical_semivariogram(narrow, torch.from_numpy(PLACES), edges_km=EDGES)
    exact = empirical_semivariogram(narrow.double(), PLACES, edges_km=EDGES)
    np.testing.assert_allclose(found.semivariance, exact.semivariance, rtol=1e-6)


def test_a_common_offset_costs_no_digits():
    far = (FEATURES + 1000).astype(np.float32)
    found = empirical_semivariogram(far, PLACES, edges_km=EDGES, dissimilarity="euclidean")
    exact = empirical_semivariogram(far.astype(float), PLACES, edges_km=EDGES, dissimilarity="euclidean")
    np.testing.assert_allclose(found.semivariance, exact.semivariance, rtol=1e-5)


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 2**31), st.permutations(range(40)))
def test_neither_order_nor_where_on_earth_matters(seed, order):
    places, features = points(40, seed), np.random.default_rng(seed).normal(size=(40, 3))
    turn, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    turned = np.stack(latlon_from_vectors(unit_vectors(*places.T) @ turn), axis=1)
    here, there = (
        empirical_semivariogram(f, p, edges_km=EDGES)
        for f, p in ((features, places), (features[order], turned[order]))
    )
    np.testing.assert_array_equal(here.counts, there.counts)
    np.testing.assert_allclose(here.semivariance, there.semivariance, rtol=1e-9)
    np.testing.assert_allclose(here.lag_km, there.lag_km, rtol=1e-9)


@pytest.mark.parametrize("reach_km", [0.01, 50, 3000, 20_100])
def test_near_pairs_are_all_that_are_within_reach_once(reach_km):
    places = np.concatenate(
        [points(60, 3), points(1, 4) + np.random.default_rng(5).uniform(0, 0.5, (30, 2)) - 0.25]
    )
    near = NearPairs(unit_vectors(*places.clip([-90, -180], [90, 180]).T), reach_km)
    i, j = near[np.arange(near.total)]
    found = set(map(frozenset, zip(i.tolist(), j.tolist(), strict=True)))
    assert len(found) == near.total
    assert (i != j).all()
    one, other = np.triu_indices(len(places), 1)
    km = haversine_km(*places[one].T, *places[other].T)
    within = np.flatnonzero(km <= reach_km)
    assert set(map(frozenset, np.stack([one, other], axis=1)[within].tolist())) <= found


def test_drawn_pairs_agree_with_all_pairs():
    edges = np.array([0, 500, 1000, 2000, 5000, 10_000.0])
    places = points(1200, 7)
    features = field(places)
    every = empirical_semivariogram(features, places, edges_km=edges)
    drawn = empirical_semivariogram(features, places, edges_km=edges, pairs=10_000)
    assert drawn.sampled
    error = np.sqrt(every.variance / drawn.counts)
    assert (np.abs(drawn.semivariance - every.semivariance) < 4 * error).all()
    assert drawn.counts[-1] == 2000
    again = empirical_semivariogram(features, places, edges_km=edges, pairs=10_000)
    np.testing.assert_array_equal(drawn.semivariance, again.semivariance)


def test_where_few_pairs_are_near_all_are_taken():
    every = empirical_semivariogram(FEATURES, PLACES, edges_km=EDGES)
    drawn = empirical_semivariogram(FEATURES, PLACES, edges_km=EDGES, pairs=12 * 44_850)
    np.testing.assert_array_equal(drawn.counts, every.counts)
    np.testing.assert_allclose(drawn.semivariance, every.semivariance, rtol=1e-12)
    np.testing.assert_allclose(drawn.sums.sum((1, 2, 3)), every.sums.sum((1, 2, 3)))


def test_the_bootstrap_is_seeded_and_straddles_the_estimate():
    found = empirical_semivariogram(FEATURES, PLACES, edges_km=EDGES)
    again = found.bootstrap(100, seed=3)
    np.testing.assert_array_equal(again, found.bootstrap(100, seed=3))
    assert (np.nanmin(again, 0) < found.semivariance).all()
    assert (np.nanmax(again, 0) > found.semivariance).all()


def test_edges():
    linear = lag_edges(PLACES, "linear", bins=4, max_km=100)
    np.testing.assert_allclose(linear, [0, 25, 50, 75, 100])
    np.testing.assert_allclose(lag_edges(PLACES, "log", bins=3, max_km=100, min_km=1), [0, 1, 10, 100])
    equal = lag_edges(PLACES, "equal-count", bins=10, max_km=8000)
    counts = empirical_semivariogram(FEATURES, PLACES, edges_km=equal).counts
    assert counts.min() > 0.99 * counts.max()
    assert 9_000 < lag_edges(PLACES)[-1] < 10_008


@pytest.mark.parametrize(
    ("error", "words", "given"),
    [
        (CoordinateError, "row 1", {"lat_lon": [[0, 0], [91, 0], [0, 1]]}),
        (CoordinateError, "longitude", {"lat_lon": [[0, 0], [0, np.nan], [0, 1]]}),
        (CoordinateError, "two or more", {"lat_lon": [[0, 0]]}),
        (CoordinateError, "shape", {"lat_lon": [0, 0, 0]}),
        (InputError, "rows", {"features": np.ones((2, 3))}),
        (InputError, "row 2", {"features": [[1.0], [1.0], [np.nan]]}),
        (InputError, "row 1 is zero", {"features": [[1.0], [0.0], [1.0]]}),
        (InputError, "floating", {"features": np.ones((3, 2), int)}),
        (InputError, "shape", {"features": np.ones(3)}),
        (InputError, "apart", {"edges_km": [5000, 6000]}),
        (ConfigError, "rise", {"edges_km": [0, 5, 5]}),
        (ConfigError, "two edges", {"edges_km": [5]}),
        (ConfigError, "manhattan", {"dissimilarity": "manhattan"}),
        (ConfigError, "pairs", {"pairs": 0}),
    ],
)
def test_what_is_wrong_is_named(error, words, given):
    good = {"features": np.eye(3), "lat_lon": [[0, 0], [0, 1], [1, 0]], "edges_km": [0, 1000]}
    settings = good | given
    with pytest.raises(error, match=words):
        empirical_semivariogram(settings.pop("features"), settings.pop("lat_lon"), **settings)


@pytest.mark.parametrize("given", [{"spacing": "cubic"}, {"bins": 0}, {"max_km": -1}, {"min_km": 9e9}])
def test_edges_that_make_no_sense(given):
    with pytest.raises(ConfigError):
        lag_edges(PLACES, **given)
