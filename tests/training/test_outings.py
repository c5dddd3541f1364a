"""A fair test: no place and no day on two sides."""

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graticule.earth import s2
from graticule.training.outings import CALIBRATE, LEARN, LEFT_OUT, TEST, split_photos
from graticule.training.shards import BLOCK_LEVEL

START = date(2020, 1, 1)
HOME, ELSEWHERE = (48.2, 16.37), (47.0, 11.0)


def journeys(count, *, seed=0, home_share=0.5):
    """Photos of someone who is at home on most days, and begins every journey there."""
    random = np.random.default_rng(seed)
    places, days = [], []
    day = START
    while len(places) < count:
        day += timedelta(days=1)
        places += [HOME] * random.integers(1, 6)
        if random.random() > home_share:
            somewhere = np.array(ELSEWHERE) + random.uniform(-5, 5, 2)
            for _ in range(random.integers(1, 4)):
                places += [tuple(somewhere + random.normal(0, 0.01, 2)) for _ in range(random.integers(1, 6))]
                days += [day] * (len(places) - len(days))
                day += timedelta(days=1)
        days += [day] * (len(places) - len(days))
    return np.array(places[:count]), days[:count]


def check_fair(lat_lon, days, parts):
    cells = s2.cell_ids(*lat_lon.T, level=BLOCK_LEVEL)
    kept = parts != LEFT_OUT
    for cell in np.unique(cells[kept]):
        assert len(set(parts[kept & (cells == cell)])) == 1, "a place is on two sides"
    for day in set(days) - {None}:
        same = np.array([d == day for d in days])
        assert len(set(parts[kept & same])) <= 1, "a day is on two sides"


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(20, 300), st.booleans())
def test_no_place_and_no_day_is_in_two_parts(seed, count, undated):
    random = np.random.default_rng(seed)
    lat_lon = (
        np.array(ELSEWHERE) + random.integers(0, 6, (count, 2)) * 0.3 + random.normal(0, 0.01, (count, 2))
    )
    days = [START + timedelta(days=int(d)) for d in random.integers(0, 30, count)]
    if undated:
        days = [None if random.random() < 0.5 else day for day in days]
    check_fair(lat_lon, days, split_photos(lat_lon, days, seed=seed % 100))


def test_the_parts_have_about_the_shares_asked_for():
    random = np.random.default_rng(0)
    lat_lon = np.stack([random.uniform(-60, 70, 2000), random.uniform(-180, 180, 2000)], axis=1)
    parts = split_photos(lat_lon, [None] * 2000)
    assert np.bincount(parts).tolist() == pytest.approx([1200, 400, 400], abs=20)


def test_one_home_does_not_join_all_journeys():
    lat_lon, days = journeys(1000)
    parts = split_photos(lat_lon, days)
    check_fair(lat_lon, days, parts)
    at_home = (lat_lon == HOME).all(axis=1)
    assert set(parts[at_home]) <= {LEARN, LEFT_OUT}, "what is most of the photos is learned from"
    for part in (CALIBRATE, TEST):
        assert 0.1 < (parts == part).mean() < 0.3
    assert (parts == LEFT_OUT).mean() < 0.25


def test_the_test_keeps_all_of_its_photos():
    """Days in conflict cost the parts that learn, never the one that judges."""
    lat_lon, days = journeys(600, seed=1)
    dated, undated = split_photos(lat_lon, days), split_photos(lat_lon, [None] * len(days))
    assert (dated == TEST).sum() >= 0.9 * 0.2 * len(days)
    assert not (undated == LEFT_OUT).any()


def test_the_split_depends_on_the_seed_alone():
    lat_lon, days = journeys(500)
    assert (split_photos(lat_lon, days, seed=3) == split_photos(lat_lon, days, seed=3)).all()
    assert (split_photos(lat_lon, days, seed=3) != split_photos(lat_lon, days, seed=4)).any()


def test_photos_of_one_place_are_all_learned_from():
    parts = split_photos(np.array([HOME] * 300), [None] * 300)
    assert (parts == LEARN).all()
