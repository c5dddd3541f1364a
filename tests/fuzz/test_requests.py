"""Hostile requests, for a short while."""

import pytest
from fuzz.short import short_run
from fuzz.targets import requests

FUZZ = requests.TARGET


def test_whatever_comes_the_promise_is_kept(record_property):
    record_property("inputs", short_run(FUZZ, examples=300))


def test_without_a_look_at_numbers_it_is_found(monkeypatch):
    [right] = [seed for seed in FUZZ.seeds() if b'"top_k"\r\n\r\n3' in seed]
    wrong = right.replace(b"\r\n\r\n3", b"\r\n\r\nx")
    FUZZ.one(wrong)
    monkeypatch.setattr("graticule.serving.asked._top_k", int)
    with pytest.raises(ValueError, match="invalid literal"):
        FUZZ.one(wrong)
