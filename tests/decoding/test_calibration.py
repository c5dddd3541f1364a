"""Calibrations as they are applied and stored; how they are fitted is tested beside their fitting."""

import numpy as np
import pytest
import torch

from graticule.decoding.calibration import Calibrated, Calibration
from graticule.decoding.density import density
from graticule.earth.cells import TokenScheme
from graticule.errors import ConfigError, ModelFormatError
from graticule.tokens.gallery import GalleryCellModel
from graticule.tokens.query import Query

SCHEME = TokenScheme((0, 2, 3))
EARTH_HALF_ROUND_KM = np.pi * 6371


def model(epsilon=0.01):
    lat_lon = np.random.default_rng(0).uniform((-90, -180), (90, 180), (30, 2))
    vectors = torch.randn(30, 6, generator=torch.Generator().manual_seed(0))
    return GalleryCellModel(SCHEME, torch.from_numpy(lat_lon), vectors, temperature=0.4, epsilon=epsilon)


def query(count=3):
    return Query({"location": torch.randn(count, 6, generator=torch.Generator().manual_seed(1))})


def fitted(**changes):
    return Calibration.none(model()).model_copy(update=changes)


def test_temperatures_of_one_change_nothing():
    plain, same = density(model(), query()), Calibration.none(model()).density(model(), query())
    # Cells without a picture of the gallery are equally dense: rounding may change their order.
    assert np.array_equal(np.sort(plain.cells), np.sort(same.cells))
    np.testing.assert_allclose(plain.mass, same.mass, rtol=1e-9)


def test_each_token_has_its_temperature():
    plain = model()
    warm = Calibrated(plain, (1.0, 2.0, 0.5))
    assert warm.scheme is plain.scheme
    state, token = plain.begin(query()), torch.zeros(3, 1, dtype=torch.int64)
    for temperature in warm.temperatures:
        before, after = plain.next_log_probs(state), warm.next_log_probs(state)
        torch.testing.assert_close(after, (before / temperature).log_softmax(-1))
        torch.testing.assert_close(after.exp().sum(-1), torch.ones_like(after[..., 0]))
        assert torch.equal(before.argmax(-1), after.argmax(-1))
        state = warm.advance(state, token, token)


def test_the_impossible_stays_impossible():
    warm = Calibrated(model(epsilon=0), (3.0, 3.0, 3.0))
    log_probs = warm.next_log_probs(warm.begin(query()))
    assert not log_probs.isnan().any()
    assert torch.equal(
        log_probs.isinf(), model(epsilon=0).next_log_probs(model(epsilon=0).begin(query())).isinf()
    )


@pytest.mark.parametrize(
    "temperatures", [(1.0,), (1.0, 0.0, 1.0), (1.0, float("inf"), 1.0), (1, float("nan"), 1)]
)
def test_temperatures_that_make_no_sense(temperatures):
    with pytest.raises(ConfigError, match="temperatures"):
        Calibrated(model(), temperatures)


def test_it_comes_back_from_json_as_it_was():
    before = fitted(temperatures=(0.1, 1 / 3, 2.0), circles=(1 / 7,) * 98 + (None,), fitted_on="views")
    assert Calibration.from_json(before.to_json()) == before


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"model": "orbit"}'])
def test_what_is_no_calibration_is_refused(text):
    with pytest.raises(ModelFormatError, match=r"calibration\.json: not a calibration"):
        Calibration.from_json(text)


def test_regions_are_asked_for_at_the_mass_that_was_found():
    steps = tuple(min(1.0, 0.5 + 0.01 * step) for step in range(99))
    found = density(model(), query())
    calibration = fitted(regions=steps)
    for coverage, mass in ((0.01, 0.5), (0.07, 0.56), (0.29, 0.78), (0.291, 0.79), (0.8, 1.0), (0.999, 1.0)):
        assert np.array_equal(calibration.credible(found, coverage), found.credible(mass))


def test_circles_are_scaled():
    found = density(model(), query())
    points = found.point()
    calibration = fitted(circles=(0.25,) * 89 + (0.5,) * 9 + (None,))
    np.testing.assert_allclose(
        calibration.radius_km(found, points, coverage=0.5), found.radius_km(points, mass=0.5) / 4
    )
    np.testing.assert_allclose(calibration.radius_km(found, points), found.radius_km(points, mass=0.9) / 2)
    for unknown in (0.99, 0.995):
        assert (calibration.radius_km(found, points, coverage=unknown) == EARTH_HALF_ROUND_KM).all()


def test_circles_never_shrink_as_more_is_asked_of_them():
    found = density(model(), query())
    radii = fitted(circles=(1.0,) * 89 + (0.01,) * 10).radii_km(found, found.point())
    assert (np.diff(radii, axis=1) >= 0).all()
    assert (radii[:, 95] == radii[:, 88]).all()


def test_no_circle_is_larger_than_the_earth():
    found = density(model(), query())
    assert (fitted(circles=(1e9,) * 99).radius_km(found, found.point()) == EARTH_HALF_ROUND_KM).all()


@pytest.mark.parametrize("coverage", [0, 1, -0.5, float("nan")])
def test_coverages_lie_between_nothing_and_everything(coverage):
    found = density(model(), query())
    with pytest.raises(ConfigError, match="coverage is"):
        fitted().credible(found, coverage)
    with pytest.raises(ConfigError, match="coverage is"):
        fitted().radius_km(found, found.point(), coverage=coverage)
