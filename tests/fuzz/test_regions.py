"""Hostile regions, for a short while."""

import pytest
from fuzz.short import short_run
from fuzz.targets import regions

FUZZ = regions.TARGET


def test_whatever_comes_the_promise_is_kept(record_property):
    record_property("inputs", short_run(FUZZ, examples=120))


def test_without_a_look_at_numbers_it_is_found(monkeypatch):
    lie = b'{"type": "Polygon", "coordinates": [[[0, 0], [2, 0], ["x", 2], [0, 0]]]}'
    FUZZ.one(lie)
    monkeypatch.setattr("graticule.earth.regions.geojson._is_number", lambda value: True)
    with pytest.raises(TypeError):
        FUZZ.one(lie)
