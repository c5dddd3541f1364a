"""Hostile results, journals, tables and tracks, for a short while."""

import pytest
from fuzz.short import short_run
from fuzz.targets import results

FUZZ = results.TARGET


def test_whatever_comes_the_promise_is_kept(record_property):
    record_property("inputs", short_run(FUZZ, examples=150))


def test_without_a_look_at_candidates_it_is_found(monkeypatch):
    candidate = b'"latitude": 48.8, "longitude": 2.3, "probability"'
    line = FUZZ.seeds()[2].replace(candidate, candidate.replace(b"48.8", b"1e19"))
    FUZZ.one(line)
    monkeypatch.setattr("graticule.serving.review._check_point", lambda *_: None)
    with pytest.raises(AssertionError):
        FUZZ.one(line)
