import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from graticule.errors import InputError
from graticule.evaluation.comparison import Difference, paired_difference
from graticule.evaluation.metrics import summarise


def all_of(comparison):
    return [*comparison.within.values(), comparison.median_km, comparison.mean_km, comparison.geoscore]


@given(arrays(np.float64, (2, 25), elements=st.floats(0, 20_015)))
def test_differences_are_those_of_the_summaries_and_turn_round_with_the_systems(pair):
    a, b = pair
    forth, back = paired_difference(a, b, resamples=20), paired_difference(b, a, resamples=20)
    one, other = summarise(a, resamples=1), summarise(b, resamples=1)
    assert forth.median_km.value == pytest.approx(one.median_km.value - other.median_km.value)
    assert forth.geoscore.value == pytest.approx(one.geoscore.value - other.geoscore.value)
    for there, again in zip(all_of(forth), all_of(back), strict=True):
        assert there.value == pytest.approx(-again.value)
        assert (there.low, there.high) == pytest.approx((-again.high, -again.low), abs=1e-6)


def test_a_system_does_not_differ_from_itself():
    d = np.random.default_rng(0).exponential(500, 100)
    for difference in all_of(paired_difference(d, d)):
        assert (difference.value, difference.low, difference.high) == (0, 0, 0)
        assert not difference.clear_of_zero


def test_pairing_sees_a_small_gain_that_separate_intervals_hide():
    b = np.random.default_rng(0).lognormal(5, 2, 500)
    a = 0.9 * b
    one, other = summarise(a).geoscore, summarise(b).geoscore
    assert one.low < other.high, "taken apart, the two are not told from each other"
    comparison = paired_difference(a, b)
    assert comparison.count == 500
    assert comparison.geoscore.clear_of_zero
    assert comparison.geoscore.low > 0
    assert comparison.median_km.high < 0


def test_clear_of_zero():
    assert Difference(1, 0.5, 2).clear_of_zero
    assert Difference(-1, -2, -0.5).clear_of_zero
    assert not Difference(1, -0.5, 2).clear_of_zero
    assert not Difference(0, 0, 0).clear_of_zero


def test_systems_that_saw_different_pictures_are_refused():
    with pytest.raises(InputError, match="3 and 2 distances"):
        paired_difference([1, 2, 3], [1, 2])
