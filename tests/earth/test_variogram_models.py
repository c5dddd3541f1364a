"""Models: their limits, slopes and ranges; and fits that find a known model again."""

import json
import sys

import gstools
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from graticule.earth.distance import haversine_km
from graticule.earth.variogram import (
    KINDS,
    MonotoneModel,
    ParametricModel,
    VariogramModel,
    best,
    empirical_semivariogram,
    fit_model,
    fit_models,
    fit_variogram,
    lag_edges,
)
from graticule.earth.variogram.empirical import Empirical
from graticule.errors import ConfigError, InputError, MissingExtraError

MODELS = [
    ParametricModel("spherical", 0.1, 0.5, 700.0),
    ParametricModel("exponential", 0.1, 0.5, 700.0),
    ParametricModel("gaussian", 0.1, 0.5, 700.0),
    ParametricModel("stable", 0.1, 0.5, 700.0, 0.6),
    ParametricModel("stable", 0.1, 0.5, 700.0, 2.0),
    *(ParametricModel("matern", 0.1, 0.5, 700.0, shape) for shape in (0.5, 1.5, 2.5)),
    MonotoneModel((5.0, 100.0, 900.0), (0.1, 0.4, 0.6)),
    MonotoneModel((5.0,), (0.3,)),
]
each_model = pytest.mark.parametrize("model", MODELS, ids=lambda m: f"{m.kind}-{getattr(m, 'shape', '')}")


@each_model
@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0, 20_016), min_size=2, max_size=20))
def test_gamma_rises_from_the_nugget_towards_nugget_and_sill(model, lags):
    gamma = model.gamma(np.sort(lags))
    assert (np.diff(gamma) >= -1e-15).all()
    assert (gamma >= model.nugget - 1e-12).all()
    assert (gamma <= model.nugget + model.sill + 1e-12).all()


@each_model
def test_limits_and_range(model):
    assert model.gamma(0) == pytest.approx(model.nugget)
    assert model.gamma(1e9) == pytest.approx(model.nugget + model.sill)
    assert model.gamma(model.practical_range_km) == pytest.approx(model.nugget + 0.95 * model.sill)


@each_model
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_tensors_keep_their_shape_and_type(model, dtype):
    lags = torch.tensor([[0, 3, 50], [800, 2000, 20_000]], dtype=dtype)
    gamma = model.gamma(lags)
    assert gamma.dtype == dtype
    assert gamma.shape == lags.shape
    np.testing.assert_allclose(gamma.double(), model.gamma(lags.double().numpy()), rtol=5e-3)


@each_model
def test_gradients(model):
    lags = torch.tensor([3.0, 80.0, 400.0, 5000.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(model.gamma, lags)
    zero = torch.zeros(3, requires_grad=True)
    (0 * model.gamma(zero)).sum().backward()
    assert zero.grad.isfinite().all()


@each_model
def test_models_round_trip_through_json(model):
    assert VariogramModel.from_dict(json.loads(json.dumps(model.to_dict()))) == model


@pytest.mark.parametrize(
    ("kind", "peer", "options", "rescale"),
    [
        ("spherical", gstools.Spherical, {}, 1),
        ("exponential", gstools.Exponential, {}, 1),
        ("stable", gstools.Stable, {"alpha": 0.6}, 1),
        ("matern", gstools.Matern, {"nu": 1.5}, 2**0.5),
        ("matern", gstools.Matern, {"nu": 2.5}, 2**0.5),
    ],
)
def test_curves_are_those_of_gstools(kind, peer, options, rescale):
    shape = next(iter(options.values()), None)
    theirs = peer(dim=1, var=0.5, nugget=0.1, len_scale=700, rescale=rescale, **options)
    lags = np.array([1.0, 50, 300, 699, 1500, 4000])
    np.testing.assert_allclose(
        ParametricModel(kind, 0.1, 0.5, 700.0, shape).gamma(lags), theirs.variogram(lags)
    )


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"kind": "cubic", "nugget": 0, "sill": 1, "length_km": 1},
        {"kind": "exponential", "nugget": -1, "sill": 1, "length_km": 1},
        {"kind": "exponential", "nugget": 0, "sill": 1, "length_km": 0},
        {"kind": "exponential", "nugget": 0, "sill": 1, "length_km": 1, "shape": 1},
        {"kind": "stable", "nugget": 0, "sill": 1, "length_km": 1, "shape": 2.1},
        {"kind": "matern", "nugget": 0, "sill": 1, "length_km": 1, "shape": 1},
        {"kind": "monotone", "lags_km": [1, 2], "values": [2, 1]},
        {"kind": "monotone", "lags_km": [], "values": []},
        {"kind": "monotone"},
    ],
)
def test_models_that_make_no_sense(content):
    with pytest.raises(ConfigError):
        VariogramModel.from_dict(content)


def test_who_is_valid_on_a_sphere():
    assert [model.valid_on_sphere for model in MODELS[:8]] == [
        True,
        True,
        False,
        True,
        False,
        True,
        False,
        False,
    ]


def exact(model, bins=20):
    """An empirical semivariogram that lies on a model: lags of one block of points."""
    edges = np.concatenate([[0], np.geomspace(10, 9000, bins)])
    lags = (edges[:-1] + edges[1:]) / 2
    gamma, counts = model.gamma(lags), np.geomspace(1e3, 1e6, bins).round()
    sums = np.stack([counts, counts * gamma, counts * gamma**2, counts * lags])[:, :, None, None]
    return Empirical(edges[:-1], edges[1:], "cosine", 1000, False, sums)


@pytest.mark.parametrize("weights", ["equal", "count", "cressie"])
@pytest.mark.parametrize("model", MODELS[:8], ids=lambda m: f"{m.kind}-{m.shape}")
def test_a_fit_finds_the_curve_it_lies_on(model, weights):
    fit = fit_model(exact(model), model.kind, weights=weights, replicates=0)
    for name in ("nugget", "sill", "practical_range_km"):
        assert getattr(fit.model, name) == pytest.approx(getattr(model, name), rel=1e-4)
    assert fit.error < 1e-6
    assert fit.reaches_sill


def test_the_best_model_is_the_one_it_lies_on_with_the_fewest_parameters():
    fits = fit_models(exact(MODELS[1]))
    assert [fit.model.kind for fit in fits] == list(KINDS)
    assert best(fits).model.kind == "exponential"
    with pytest.raises(ConfigError, match="parametric"):
        best(fits[-1:])


def test_a_curve_that_never_levels_off_says_so():
    edges = np.linspace(0, 1000, 11)
    lags = (edges[:-1] + edges[1:]) / 2
    sums = np.stack([np.ones(10), lags, lags**2, lags])[:, :, None, None]
    fit = fit_model(
        Empirical(edges[:-1], edges[1:], "euclidean", 100, False, sums), "exponential", replicates=0
    )
    assert not fit.reaches_sill


def test_a_flat_curve_is_all_nugget():
    fit = fit_model(exact(MonotoneModel((1.0,), (0.4,))), "exponential", replicates=0)
    assert fit.model.gamma([1, 9000]) == pytest.approx([0.4, 0.4])


def test_the_monotone_fit_is_isotonic_regression():
    fit = fit_model(exact(MODELS[4]), "monotone", weights="count", replicates=0)
    np.testing.assert_allclose(fit.model.values, fit.empirical.semivariance)
    assert fit.aicc is None


def test_a_random_field_gives_its_model_back():
    rng = np.random.default_rng(0)
    places = np.stack([rng.uniform(30, 60, 500), rng.uniform(0, 40, 500)], axis=1)
    truth = ParametricModel("exponential", 0.2, 1.0, 250.0)
    km = haversine_km(*places[:, None].transpose(2, 0, 1), *places.T)
    covariance = 1.2 - truth.gamma(km) + 0.2 * np.eye(len(places))
    features = np.linalg.cholesky(covariance) @ rng.normal(size=(500, 200)) / np.sqrt(200)
    fit = fit_variogram(
        features, places, model="exponential", dissimilarity="euclidean", bins=15, replicates=40
    )
    for name, off in (("nugget", 0.05), ("sill", 0.1), ("practical_range_km", 120)):
        assert getattr(fit.model, name) == pytest.approx(getattr(truth, name), abs=off)
        low, high = fit.intervals[name]
        assert low <= getattr(fit.model, name) <= high
    assert json.loads(json.dumps(fit.to_dict()))["model"]["kind"] == "exponential"


def test_too_few_lags_and_unknown_names():
    places = np.array([[0, 0], [0, 1], [0, 3]])
    few = empirical_semivariogram(np.eye(3), places, edges_km=lag_edges(places, max_km=500))
    with pytest.raises(InputError, match="6"):
        fit_model(few, "exponential")
    with pytest.raises(ConfigError, match="cubic"):
        fit_model(few, "cubic")
    with pytest.raises(ConfigError, match="heavy"):
        fit_model(exact(MODELS[1]), "exponential", weights="heavy")


def test_without_scipy_the_extra_is_named(monkeypatch):
    from graticule.earth.variogram import fit

    fit._optimize.cache_clear()
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(MissingExtraError, match=r"graticule\[variogram\]"):
        fit_model(exact(MODELS[1]), "monotone")


def test_a_curve_that_never_rises_has_its_range_at_the_first_lag():
    assert MonotoneModel((1.0, 2.0), (0.3, 0.3)).practical_range_km == 1.0


@pytest.mark.parametrize("seed", range(12))
def test_replicates_too_poor_for_a_fit_are_left_out(seed):
    draws = np.random.default_rng(seed)
    places = draws.uniform([40, 0], [50, 10], (6, 2))
    try:
        fit = fit_variogram(
            draws.normal(size=(6, 4)), places, model="exponential", spacing="linear", bins=12, max_km=2000
        )
    except InputError:
        return  # fewer than six lags hold pairs
    assert np.isfinite(fit.model.practical_range_km)
