"""Hostile picture bytes, for a short while."""

import io

import pytest
from fuzz.short import short_run
from fuzz.targets import pictures
from PIL import Image

FUZZ = pictures.TARGET


def test_whatever_comes_the_promise_is_kept(record_property):
    record_property("inputs", short_run(FUZZ, examples=500))


def test_without_the_cap_it_is_found(monkeypatch):
    large = io.BytesIO()
    Image.new("1", (1500, 1000)).save(large, "BMP")
    FUZZ.one(large.getvalue())
    monkeypatch.setattr("graticule.images.open._check_size", lambda *_: None)
    with pytest.raises(AssertionError):
        FUZZ.one(large.getvalue())
