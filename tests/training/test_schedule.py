import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from graticule.training.schedule import Schedule

schedules = st.builds(
    Schedule,
    kind=st.sampled_from(["cosine", "linear", "step"]),
    warmup=st.integers(0, 20),
    floor=st.floats(0, 1),
    decay=st.floats(0.1, 1),
    every=st.integers(1, 50),
)


def factors(schedule, *steps, of=100):
    return [schedule.factor(step, of) for step in steps]


@pytest.mark.parametrize("kind", ["cosine", "linear", "step"])
def test_the_rate_rises_in_a_line_to_its_peak(kind):
    schedule = Schedule(kind=kind, warmup=4)
    assert factors(schedule, 0, 1, 2, 3, 4) == [0.25, 0.5, 0.75, 1, 1]


def test_cosine():
    assert factors(Schedule(), 0, 25, 50, 100) == pytest.approx([1, 0.5 + math.sqrt(0.125), 0.5, 0])
    assert factors(Schedule(warmup=20, floor=0.2), 20, 60, 100) == pytest.approx([1, 0.6, 0.2])


def test_linear():
    assert factors(Schedule(kind="linear"), 0, 25, 100) == pytest.approx([1, 0.75, 0])
    assert factors(Schedule(kind="linear", warmup=20, floor=0.2), 20, 60, 100) == pytest.approx([1, 0.6, 0.2])


def test_step():
    schedule = Schedule(kind="step", decay=0.9, every=10, warmup=5)
    assert factors(schedule, 5, 14, 15, 24, 25) == pytest.approx([1, 1, 0.9, 0.9, 0.81])


@given(schedules, st.integers(1, 200))
def test_no_schedule_leaves_its_range_or_rises_after_warmup(schedule, steps):
    after = [schedule.factor(step, steps) for step in range(schedule.warmup, steps + 1)]
    assert all(0 <= factor <= 1 for factor in after)
    assert all(later <= earlier + 1e-12 for earlier, later in pairwise(after))


def test_a_run_shorter_than_its_warmup_is_no_division_by_zero():
    assert factors(Schedule(warmup=10), 0, 9, 10, of=10) == pytest.approx([0.1, 1, 1])


def test_a_misspelt_setting_is_refused():
    with pytest.raises(ValidationError, match="warm_up"):
        Schedule(warm_up=3)
