"""What a judge may say, for a short while."""

import pytest
from fuzz.short import short_run
from fuzz.targets import judge

FUZZ = judge.TARGET


def test_whatever_comes_the_promise_is_kept(record_property):
    record_property("inputs", short_run(FUZZ, examples=400))


def test_without_a_look_at_places_it_is_found(monkeypatch):
    monkeypatch.setattr("graticule.decoding.judge.parse.checked", lambda lat, lon: (lat, lon))
    with pytest.raises(AssertionError):
        FUZZ.one(b'{"lat": 95, "lon": 200}')
