"""Calibration: known distortions are found, and regions keep their word on pictures not seen in fitting."""

import io
import math
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from graticule.decoding.calibration import Calibration
from graticule.earth.cells import TokenScheme
from graticule.errors import ConfigError, InputError
from graticule.evaluation.calibration import (
    COVERAGES,
    calibration_error,
    conformal_quantile,
    coverage_table,
    fit,
    fit_temperature,
    fit_temperatures,
    observe,
    recall_by_area,
    risk_by_coverage,
    wilson,
)
from graticule.figures.calibration import calibration_figure
from graticule.tokens.gallery import GalleryCellModel
from graticule.tokens.query import Query

SCHEME = TokenScheme((0, 2, 4))
PLACES = 200


def world(count, *, seed, temperature=0.25):
    """Pictures whose truths are drawn from a gallery's softmax: a model of that temperature is right."""
    random = np.random.default_rng(0)
    lat_lon = random.uniform((-80, -180), (80, 180), (PLACES, 2))
    vectors = random.normal(size=(PLACES, 5))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    random = np.random.default_rng(seed)
    queries = random.normal(size=(count, 5))
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    # Gumbel's trick: the largest of scores with such noise is a draw from their softmax.
    drawn = (queries @ vectors.T / temperature + random.gumbel(size=(count, PLACES))).argmax(axis=1)

    def model(temperature):
        tensors = torch.from_numpy(lat_lon), torch.from_numpy(vectors)
        return GalleryCellModel(SCHEME, *tensors, temperature=temperature, epsilon=1e-4)

    return model, Query({"location": torch.from_numpy(queries).float()}), lat_lon[drawn]


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


def test_a_model_that_is_right_is_left_alone():
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


@pytest.fixture(scope="module")
def judged():
    """A model four times too sure, as it is and calibrated, on pictures that neither saw."""
    model, query, lat_lon = world(1600, seed=3)
    sure = model(0.0625)
    calibration = fit(sure, query, lat_lon=lat_lon, name="sure", fitted_on="draws", width=64)
    _, fresh, truth = world(800, seed=4)
    raw = observe(Calibration.none(sure, width=64), sure, fresh, lat_lon=truth)
    return calibration, raw, observe(calibration, sure, fresh, lat_lon=truth)


def test_regions_and_circles_cover_what_they_say(judged):
    _, raw, calibrated = judged
    for before, after in zip(coverage_table(raw), coverage_table(calibrated), strict=True):
        assert before.region.high < after.asked
        # 800 pictures fitted and 800 asked: both samples' errors.
        assert after.region.value == pytest.approx(after.asked, abs=4 * math.sqrt(0.25 / 800 * 2))
        assert after.circle.value == pytest.approx(after.asked, abs=4 * math.sqrt(0.25 / 800 * 2))
        assert after.region_km2 > before.region_km2


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


def test_outcomes_agree_among_themselves(judged):
    _, raw, _ = judged
    assert (raw.region_covers[:, :-1] <= raw.region_covers[:, 1:]).all()
    for place, coverage in enumerate(COVERAGES):
        covered = raw.region_covers[:, round(100 * coverage) - 1]
        assert (covered == (raw.searched_km2 <= raw.region_km2[:, place] * (1 + 1e-9))).all()
    assert ((raw.confidence >= 0) & (raw.confidence <= 1 + 1e-9)).all()
    assert (np.diff(raw.right.astype(int), axis=1).sum(axis=1) <= 0).mean() > 0.9


def test_a_handful_of_pictures_promises_nothing():
    model, query, lat_lon = world(6, seed=5)
    calibration = fit(model(0.25), query, lat_lon=lat_lon, name="few", fitted_on="draws")
    assert calibration.regions[-1] == 1.0
    assert calibration.circles[-1] is None
    assert observe(calibration, model(0.25), query, lat_lon=lat_lon).region_covers[:, -1].all()


@pytest.mark.parametrize("places", [np.zeros((2, 2)), np.zeros((1, 2)), np.zeros((3, 3)), np.zeros(6)])
def test_every_picture_has_its_place(places):
    model, query, _ = world(3, seed=5)
    with pytest.raises(InputError, match="3 pictures and places"):
        fit(model(0.25), query, lat_lon=places, name="", fitted_on="")
    with pytest.raises(InputError, match="3 pictures and places"):
        observe(Calibration.none(model(0.25)), model(0.25), query, lat_lon=places)


def test_wilson_s_interval():
    # Newcombe 1998, table I: 81 of 263, and 0 of 20.
    seen = wilson(np.arange(263) < 81)
    assert (seen.value, seen.low, seen.high) == pytest.approx((0.3080, 0.2553, 0.3662), abs=5e-5)
    none = wilson(np.zeros(20))
    assert (none.low, none.high) == pytest.approx((0, 0.1611), abs=5e-5)
    with pytest.raises(InputError, match="no pictures"):
        wilson([])


def test_the_calibration_error():
    assert calibration_error([0.05] * 20, [1] + [0] * 19) == pytest.approx(0)
    assert calibration_error([1.0] * 4, [1, 1, 0, 0]) == pytest.approx(0.5)
    # Half of them 0.1 too sure and half 0.3 too modest do not make up for each other.
    said, was = [0.6] * 10 + [0.2] * 10, [1] * 5 + [0] * 5 + [1] * 5 + [0] * 5
    assert calibration_error(said, was) == pytest.approx(0.2)


def test_recall_grows_with_the_area_searched():
    areas, recall = recall_by_area([30.0, 10.0, 20.0, 40.0])
    assert areas.tolist() == [10, 20, 30, 40]
    assert recall.tolist() == [0.25, 0.5, 0.75, 1.0]


def test_what_abstaining_saves():
    curve = risk_by_coverage([2.0, 1.0, 3.0], [10.0, 20.0, 60.0])
    assert curve.coverage.tolist() == pytest.approx([1 / 3, 2 / 3, 1])
    assert curve.risk.tolist() == [20, 15, 30]
    assert curve.area == pytest.approx(65 / 3)
    assert curve.best_area == pytest.approx((10 + 15 + 30) / 3)
    assert curve.no_area == 30
    with pytest.raises(InputError, match="doubts"):
        risk_by_coverage([1.0], [1.0, 2.0])
    with pytest.raises(InputError, match="doubts"):
        risk_by_coverage([], [])


def test_one_sheet_shows_it_all(judged):
    pytest.importorskip("matplotlib")
    _, raw, calibrated = judged
    out = io.BytesIO()
    calibration_figure({"as it is": raw, "calibrated": calibrated}).savefig(out)
    pixels = np.asarray(Image.open(out).convert("RGB")).astype(int)
    assert pixels.shape == (1100, 1400, 3)
    for colour in ((0x56, 0xB4, 0xE9), (0xFF, 0xB0, 0x00)):
        assert (np.abs(pixels - colour).max(-1) < 20).sum() > 500
    assert "matplotlib.pyplot" not in sys.modules
    with pytest.raises(ConfigError, match="0 outcomes"):
        calibration_figure({})
