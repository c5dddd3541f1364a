"""Forged model folders, for a short while."""

import pytest
from fuzz.short import short_run
from fuzz.targets import models

FUZZ = models.TARGET


def test_whatever_comes_the_promise_is_kept(record_property):
    record_property("inputs", short_run(FUZZ, examples=60))


def test_without_a_look_at_texts_it_is_found(monkeypatch):
    number = models._names().index("calibration.json")
    FUZZ.one(bytes([number]) + b"\xff")
    monkeypatch.setattr("graticule.store.ModelFolder.text", lambda self, name: self.data(name).decode())
    with pytest.raises(UnicodeDecodeError):
        FUZZ.one(bytes([number]) + b"\xff")
