"""Forged folders of an index, for a short while."""

import pytest
import torch
from fuzz.short import short_run
from fuzz.targets import indexes
from safetensors.torch import save

FUZZ = indexes.TARGET


def test_whatever_comes_the_promise_is_kept(record_property):
    record_property("inputs", short_run(FUZZ, examples=120))


def test_without_a_look_at_places_it_is_found(monkeypatch):
    forged = bytes([1]) + save({"lat_lon": torch.full((12, 2), 91.0, dtype=torch.float64)})
    FUZZ.one(forged)
    monkeypatch.setattr("graticule.retrieval.folder.check_places", lambda *_, **__: None)
    with pytest.raises(AssertionError):
        FUZZ.one(forged)
