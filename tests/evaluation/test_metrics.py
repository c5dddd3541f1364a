import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from graticule.errors import ConfigError, InputError
from graticule.evaluation import metrics
from graticule.evaluation.metrics import THRESHOLDS_KM, bootstrap, geoscore, statistics, summarise

distances = arrays(np.float64, st.integers(1, 40), elements=st.floats(0, 20_015))


def test_geoscore_by_hand():
    np.testing.assert_allclose(geoscore([0, 1492.7, 2985.4]), [5000, 5000 / np.e, 5000 / np.e**2])


def test_figures_by_hand():
    summary = summarise([0, 24.9, 25, 500, 3000])
    assert summary.count == 5
    assert tuple(summary.within) == THRESHOLDS_KM
    assert [figure.value for figure in summary.within.values()] == [0.4, 0.6, 0.6, 0.6, 0.8, 0.8]
    assert summary.median_km.value == 25
    assert summary.mean_km.value == pytest.approx(709.98)
    assert summary.geoscore.value == pytest.approx(geoscore([0, 24.9, 25, 500, 3000]).mean())


def test_a_distance_equal_to_the_threshold_is_not_within_it():
    assert summarise([25], thresholds=[25]).within[25].value == 0


@given(distances)
def test_figures_lie_in_their_ranges_and_intervals_are_ordered(d):
    summary = summarise(d, resamples=20)
    within = [figure.value for figure in summary.within.values()]
    assert within == sorted(within)
    assert 0 <= within[0] <= within[-1] <= 1
    for figure in (*summary.within.values(), summary.median_km, summary.mean_km, summary.geoscore):
        assert figure.low <= figure.high
    assert d.min() <= summary.median_km.value <= d.max()


def test_pictures_all_alike_leave_no_doubt():
    summary = summarise(np.full(50, 100.0))
    for figure in (*summary.within.values(), summary.median_km, summary.mean_km, summary.geoscore):
        assert figure.low == pytest.approx(figure.value)
        assert figure.high == pytest.approx(figure.value)


def test_the_interval_of_a_mean_is_that_of_theory():
    d = np.random.default_rng(0).exponential(500, 2000)
    mean = summarise(d, resamples=2000).mean_km
    error = d.std() / np.sqrt(len(d))
    assert mean.high - mean.value == pytest.approx(1.96 * error, rel=0.1)
    assert mean.value - mean.low == pytest.approx(1.96 * error, rel=0.1)


def test_intervals_hold_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(3)
    held = 0
    for seed in range(200):
        fraction = summarise(rng.uniform(0, 100, 200), thresholds=[30], resamples=200, seed=seed).within[30]
        held += fraction.low <= 0.3 <= fraction.high
    assert 0.90 <= held / 200 <= 0.99


def test_the_seed_decides_the_intervals():
    d = np.random.default_rng(0).exponential(500, 100)
    assert summarise(d, seed=1) == summarise(d, seed=1)
    assert summarise(d, seed=1) != summarise(d, seed=2)


def test_resamples_are_drawn_in_parts_so_that_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(metrics, "_DRAWS", 250)
    seen = []

    def statistic(draw):
        seen.append(draw.shape)
        return draw.mean(axis=-1, keepdims=True)

    assert bootstrap(statistic, 100, resamples=5, seed=0).shape == (5, 1)
    assert seen == [(2, 100), (2, 100), (1, 100)]


def test_statistics_of_many_sets_are_those_of_each():
    d = np.random.default_rng(0).exponential(500, (4, 30))
    np.testing.assert_allclose(
        statistics(d, thresholds=[100]), [statistics(row, thresholds=[100]) for row in d]
    )


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -1])
def test_what_is_no_distance_is_refused_by_index(wrong):
    with pytest.raises(InputError, match="index 1"):
        summarise([0, wrong])


@pytest.mark.parametrize("wrong", [[], [[1.0]], 3.0])
def test_no_distances_are_refused(wrong):
    with pytest.raises(InputError, match="one at least"):
        summarise(wrong)


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(ConfigError, match="resamples"):
        summarise([1], resamples=0)
    with pytest.raises(ConfigError, match="confidence"):
        summarise([1], confidence=95)
