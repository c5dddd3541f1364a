"""What a model's probabilities are worth, over any number of pictures."""

import numpy as np
import pytest
import torch

from graticule.decoding.calibration import Calibration
from graticule.decoding.density import density
from graticule.earth.cells import TokenScheme
from graticule.evaluation import probabilistic
from graticule.evaluation.calibration import observe
from graticule.evaluation.probabilistic import KNOWING_NOTHING, nats_per_km2, outcomes, probabilities
from graticule.tokens.gallery import GalleryCellModel
from graticule.tokens.query import Query

PLACES = np.array([[48.0, 2.0], [-30.0, 140.0], [10.0, -70.0]])


@pytest.fixture(scope="module")
def judged(clear_model):
    """(features, places) of pictures that say nothing."""
    draws = torch.Generator().manual_seed(3)
    features = torch.randn(30, clear_model.config.encoder.width, generator=draws)
    places = np.random.default_rng(3).uniform((-60, -180), (75, 180), (30, 2))
    return features, places


def gallery_cells(*, epsilon, temperature=0.05):
    """A gallery of three places whose pictures are the axes."""
    return GalleryCellModel(
        TokenScheme((0, 3, 6)),
        torch.from_numpy(PLACES),
        torch.eye(3),
        temperature=temperature,
        epsilon=epsilon,
    )


def test_the_likelihood_is_the_probability_of_the_true_cell_over_its_area():
    model = gallery_cells(epsilon=1e-3)
    query = Query({"location": torch.eye(3)})
    lost = nats_per_km2(model, query, lat_lon=PLACES)
    found = density(model, query, mass=1.0, width=4)
    rows = np.arange(3)
    column = found.holding(*PLACES.T)
    assert (found.levels[rows, column] == 6).all()
    expected = -np.log(found.mass[rows, column] / found.area_km2[rows, column])
    np.testing.assert_allclose(lost, expected, rtol=1e-5)
    wrong = nats_per_km2(model, query, lat_lon=PLACES[[1, 2, 0]])
    assert (wrong > lost + 3).all()


def test_knowing_nothing_costs_what_it_says():
    model = gallery_cells(epsilon=1 - 1e-12)
    lost = nats_per_km2(model, Query({"location": torch.eye(3)}), lat_lon=PLACES)
    np.testing.assert_allclose(lost, KNOWING_NOTHING, atol=0.5)
    assert pytest.approx(20.0497, abs=1e-3) == KNOWING_NOTHING


def test_batches_are_put_together_again(clear_model, judged, monkeypatch):
    features, places = judged
    raw = Calibration.none(clear_model.cell_model)
    whole = observe(raw, clear_model.cell_model, clear_model.query_of_features(features), lat_lon=places)
    monkeypatch.setattr(probabilistic, "_BATCH", 7)
    parts = outcomes(clear_model, features, places, calibration=raw)
    np.testing.assert_allclose(parts.searched_km2, whole.searched_km2, rtol=1e-4)
    np.testing.assert_array_equal(parts.right, whole.right)
    assert parts.radius_km.shape == (30, 99)
    assert parts.levels == whole.levels


def test_curves_run_as_they_must(clear_model, judged):
    worth = probabilities(clear_model, *judged)
    assert worth.fitted_on == "nothing"
    assert worth.impossible == 0
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


def test_a_truth_held_impossible_is_counted_and_makes_no_mean(clear_model, judged, monkeypatch):
    lost = np.full(30, 12.0)
    lost[4] = np.inf
    monkeypatch.setattr(probabilistic, "_likelihoods", lambda *given: lost)
    worth = probabilities(clear_model, *judged)
    assert worth.nll is None
    assert worth.median_nll == 12
    assert worth.impossible == 1
