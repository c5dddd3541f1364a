"""What a model's probabilities are worth, over any number of pictures."""

import numpy as np
import pytest
import torch

from graticule.decoding.calibration import Calibration
from graticule.evaluation import probabilistic
from graticule.evaluation.calibration import observe
from graticule.evaluation.probabilistic import (
    KNOWING_NOTHING,
    is_of_locate,
    outcomes,
    probabilities,
    uncalibrated,
)
from graticule.locator import explore


@pytest.fixture(scope="module")
def judged(clear_model):
    """(features, places) of pictures that say nothing."""
    draws = torch.Generator().manual_seed(3)
    features = torch.randn(30, clear_model.config.encoder.width, generator=draws)
    places = np.random.default_rng(3).uniform((-60, -180), (75, 180), (30, 2))
    return features, places


def test_knowing_nothing_is_an_even_spread_over_the_earth():
    assert pytest.approx(np.log(510.06e6), abs=1e-4) == KNOWING_NOTHING


def test_batches_are_put_together_again(clear_model, judged, monkeypatch):
    features, places = judged
    raw = Calibration.none(clear_model.cell_model)
    whole = observe(raw, clear_model.cell_model, clear_model.query_of_features(features), lat_lon=places)
    monkeypatch.setattr(probabilistic, "_BATCH", 7)
    parts = outcomes(clear_model, features, places, calibration=raw)
    np.testing.assert_allclose(parts.nats, whole.nats, rtol=1e-4)
    np.testing.assert_allclose(parts.searched_km2, whole.searched_km2, rtol=1e-4)
    np.testing.assert_array_equal(parts.right, whole.right)
    assert parts.radius_km.shape == (30, 99)
    assert parts.levels == whole.levels


def test_curves_run_as_they_must(clear_model, judged):
    worth = probabilities(outcomes(clear_model, *judged, calibration=uncalibrated(clear_model)))
    assert worth.fitted_on == "nothing"
    assert worth.nll.low < worth.nll.value < worth.nll.high
    assert [row.asked for row in worth.coverage] == [0.5, 0.8, 0.9, 0.95]
    assert len(worth.regions.x) == 99
    assert worth.regions.y == sorted(worth.regions.y)
    assert worth.recall.y == sorted(worth.recall.y)
    assert worth.recall.y[-1] <= 1
    assert worth.risk.curve.x[-1] == 1
    assert worth.risk.curve.y[-1] == pytest.approx(worth.risk.no_area)
    assert worth.risk.best_area <= worth.risk.area
    assert set(worth.level_errors) == set(clear_model.cell_model.scheme.levels)
    # The ground of the median picture lies where the curve passes one half.
    halves = np.interp(np.log(worth.searched_km2), np.log(worth.recall.x), worth.recall.y)
    assert halves == pytest.approx(0.5, abs=0.15)


def test_a_model_as_it_is_has_the_density_that_locate_answers_from(clear_model, judged):
    features, places = judged
    used = uncalibrated(clear_model)
    assert is_of_locate(used)
    query = clear_model.query_of_features(features)
    judged_on, shown = used.density(clear_model.cell_model, query), explore(clear_model, query).density
    seen = outcomes(clear_model, features, places, calibration=used)
    np.testing.assert_allclose(seen.points, shown.point(), rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(judged_on.cells, shown.cells)
    np.testing.assert_allclose(judged_on.mass, shown.mass, rtol=1e-4)
    for other in ({"width": 8}, {"mass": 0.5}):
        other_used = used.model_copy(update=other)
        assert not is_of_locate(other_used)
        changed = other_used.density(clear_model.cell_model, query)
        assert not np.array_equal(changed.cells, shown.cells)
