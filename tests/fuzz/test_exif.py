"""Hostile metadata, for a short while."""

import pytest
from fuzz.short import short_run
from fuzz.targets import exif

FUZZ = exif.TARGET


def test_whatever_comes_the_promise_is_kept(record_property):
    record_property("inputs", short_run(FUZZ, examples=300))


def test_without_doubt_it_is_found(monkeypatch):
    monkeypatch.setattr("graticule.images.exif._place", lambda tags: (0.0, 0.0))
    with pytest.raises(AssertionError):
        FUZZ.one(FUZZ.seeds()[0])
