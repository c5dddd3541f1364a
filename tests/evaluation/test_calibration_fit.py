"""Teaching a model to keep its word: known distortions are found, and few pictures promise little."""

import math

import numpy as np
import pytest
import torch

from graticule.decoding.calibration import Calibration
from graticule.errors import InputError
from graticule.evaluation.calibration import calibration_error, observe
from graticule.evaluation.calibration_fit import conformal_quantile, fit, fit_temperature, fit_temperatures


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5])
def test_a_known_temperature_is_found(temperature):
    generator = torch.Generator().manual_seed(0)
    right = torch.randn(4000, 8, generator=generator, dtype=torch.float64).log_softmax(-1)
    tokens = torch.multinomial(right.exp(), 1, generator=generator)[:, 0]
    # What is sharper or flatter than right by a factor is mended by that factor.
    distorted = (right * temperature).log_softmax(-1)
    assert fit_temperature(distorted, tokens) == pytest.approx(temperature, rel=0.08)


def test_the_temperature_is_the_likeliest():
    generator = torch.Generator().manual_seed(1)
    log_probs = torch.randn(50, 6, generator=generator, dtype=torch.float64).log_softmax(-1)
    tokens = torch.multinomial((log_probs / 2).softmax(-1), 1, generator=generator)[:, 0]
    best = fit_temperature(log_probs, tokens)

    def likelihood(temperature):
        return (log_probs / temperature).log_softmax(-1).gather(1, tokens[:, None]).sum()

    assert all(likelihood(best) >= likelihood(best * factor) - 1e-9 for factor in (0.9, 0.99, 1.01, 1.1))


def test_the_impossible_does_not_count_for_a_temperature():
    log_probs = torch.tensor([[0.7, 0.3, 0.0], [0.6, 0.4, 0.0], [0.5, 0.5, 0.0]], dtype=torch.float64).log()
    tokens = torch.tensor([0, 1, 2])
    assert fit_temperature(log_probs, tokens) == pytest.approx(fit_temperature(log_probs[:2, :2], tokens[:2]))
    assert math.isfinite(fit_temperature(log_probs[2:], tokens[2:]))


def test_temperatures_stay_in_their_bounds():
    sure = torch.tensor([[0.9, 0.1]], dtype=torch.float64).log()
    assert fit_temperature(sure, torch.tensor([0])) == pytest.approx(0.05)
    assert fit_temperature(sure, torch.tensor([1])) == pytest.approx(20)


def test_a_model_that_is_right_is_left_alone(world):
    model, query, lat_lon = world(1500, seed=1)
    np.testing.assert_allclose(fit_temperatures(model(0.25), query, lat_lon=lat_lon), 1, atol=0.15)


@pytest.mark.parametrize(
    ("count", "coverage", "rank"),
    [(9, 0.9, 9), (9, 0.5, 5), (99, 0.9, 90), (100, 0.9, 91), (1000, 0.95, 951)],
)
def test_the_quantile_of_a_finite_sample(count, coverage, rank):
    scores = np.random.default_rng(0).permutation(np.arange(1.0, count + 1))
    assert conformal_quantile(scores, coverage) == rank


def test_too_few_scores_tell_nothing():
    assert conformal_quantile(np.arange(8.0), 0.9) == math.inf
    assert conformal_quantile([], 0.5) == math.inf


@pytest.mark.parametrize("coverage", [0.5, 0.9])
def test_a_further_score_is_covered_as_often_as_it_should(coverage):
    random = np.random.default_rng(2)
    trials, count = 4000, 30
    scores = random.exponential(size=(trials, count + 1))
    covered = np.mean([row[-1] <= conformal_quantile(row[:-1], coverage) for row in scores])
    exact = math.ceil((count + 1) * coverage) / (count + 1)
    assert covered == pytest.approx(exact, abs=4 * math.sqrt(exact * (1 - exact) / trials))


def test_a_model_too_sure_is_softened(judged):
    calibration, raw, calibrated = judged
    assert all(temperature > 1.5 for temperature in calibration.temperatures)
    assert (calibration.model, calibration.fitted_on, calibration.pictures) == ("sure", "draws", 1600)
    errors = [
        [calibration_error(a, b) for a, b in zip(o.confidence.T, o.right.T, strict=True)]
        for o in (raw, calibrated)
    ]
    assert all(after < before / 2 for before, after in zip(*errors, strict=True))
    assert calibrated.entropy_bits.mean() > raw.entropy_bits.mean()


def test_what_is_learnt_is_ordered(judged):
    calibration, _, calibrated = judged
    assert (np.diff(calibration.regions) >= 0).all()
    assert all(0 < mass <= 1 for mass in calibration.regions)
    assert (np.diff(calibrated.region_km2, axis=1) >= 0).all()
    assert Calibration.from_json(calibration.to_json()) == calibration


def test_a_handful_of_pictures_promises_nothing(world):
    model, query, lat_lon = world(6, seed=5)
    calibration = fit(model(0.25), query, lat_lon=lat_lon, name="few", fitted_on="draws")
    assert calibration.regions[-1] == 1.0
    assert calibration.circles[-1] is None
    assert observe(calibration, model(0.25), query, lat_lon=lat_lon).region_covers[:, -1].all()


@pytest.mark.parametrize("places", [np.zeros((2, 2)), np.zeros((1, 2)), np.zeros((3, 3)), np.zeros(6)])
def test_every_picture_has_its_place(world, places):
    model, query, _ = world(3, seed=5)
    with pytest.raises(InputError, match="3 pictures and places"):
        fit(model(0.25), query, lat_lon=places, name="", fitted_on="")
    with pytest.raises(InputError, match="3 pictures and places"):
        observe(Calibration.none(model(0.25)), model(0.25), query, lat_lon=places)
