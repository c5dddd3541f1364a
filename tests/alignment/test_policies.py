"""What each policy does to a pair, against the formulas written out; and what no policy may do."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from graticule.alignment.loss import info_nce
from graticule.alignment.policies import POLICIES, Pairs, PolicyConfig, pairs_of, reweigh
from graticule.earth.distance import haversine_km
from graticule.errors import ConfigError


class Gamma:
    """An exponential semivariogram with round numbers."""

    practical_range_km = 300.0

    def gamma(self, h_km):
        return 0.1 + 0.7 * (1 - torch.exp(-h_km / 100))


def case(batch=4, queued=6, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shape = (batch, batch + queued)
    negative = torch.ones(shape, dtype=torch.bool).fill_diagonal_(False)
    distance = 2000 * torch.rand(shape, generator=generator) ** 2
    pairs = Pairs(distance, torch.rand(shape, generator=generator), negative)
    return 10 * torch.randn(shape, generator=generator), pairs


def apply(name, logits, pairs, **settings):
    config = PolicyConfig(name=name, **settings)
    return reweigh(logits, pairs, config, variogram=Gamma(), generator=torch.Generator().manual_seed(7))


@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize("seed", range(3))
def test_positives_are_untouched_and_the_rest_is_a_number(name, seed):
    logits, pairs = case(seed=seed)
    before = logits.clone()
    new = apply(name, logits, pairs)
    assert torch.equal(logits, before)
    assert torch.equal(new[~pairs.negative], logits[~pairs.negative])
    assert not new.isnan().any()
    assert (new < math.inf).all()


@pytest.mark.parametrize("name", POLICIES)
def test_every_policy_says_what_it_does(name):
    assert len(POLICIES[name].about) > 10


@pytest.mark.parametrize("name", sorted(set(POLICIES) - {"p1"}))
def test_what_is_reweighed_still_teaches(name):
    logits, pairs = case()
    logits.requires_grad_()
    new = apply(name, logits, pairs, rho_km=300.0)
    new[new > -math.inf].sum().backward()
    assert logits.grad[pairs.negative].abs().sum() > 0
    assert logits.grad.isfinite().all()


# The formulas of the documents, pair by pair. h in km, d dissimilarity, g = gamma(h), z the logit.
FORMULAS = {
    "none": lambda h, d, g, z: z,
    "semivariogram": lambda h, d, g, z: z + (-4 if h <= 300 else 4) * max(0, g - d),
    "constant": lambda h, d, g, z: z + (-4 if h <= 300 else 4) * max(0, 0.8 - d),
    "distance-mask": lambda h, d, g, z: -math.inf if h <= 300 else z,
    "p1": lambda h, d, g, z: abs(d - g),
    "p5": lambda h, d, g, z: z * math.exp(max(0, d - g)) if h <= 300 else z,
}
# With weights that are 1 on average over the row: their logarithms before that.
NORMALISED = {
    "p2": lambda h, d, g, z: min(max(abs(d - g), 0.2), 0.5) * z,
    "p3": lambda h, d, g, z: max(0, d - g) * z if h <= 300 else 0.0,
    "feature-hard": lambda h, d, g, z: 4 * (1 - d),
}


def test_every_policy_has_its_formula_here():
    assert set(POLICIES) == {*FORMULAS, *NORMALISED, "shuffled"}


def rows(logits, pairs):
    expected = Gamma().gamma(pairs.distance_km)
    for row in range(len(logits)):
        columns = torch.nonzero(pairs.negative[row]).flatten().tolist()
        parts = (pairs.distance_km, pairs.dissimilarity, expected, logits)
        yield row, columns, [[float(part[row, c]) for part in parts] for c in columns]


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 999))
@pytest.mark.parametrize("name", FORMULAS)
def test_a_policy_is_its_formula(name, seed):
    logits, pairs = case(seed=seed)
    new = apply(name, logits, pairs, rho_km=300.0)
    for row, columns, values in rows(logits, pairs):
        expected = [FORMULAS[name](*value) for value in values]
        assert new[row, columns].tolist() == pytest.approx(expected, rel=1e-4, abs=1e-4)


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 999))
@pytest.mark.parametrize("name", NORMALISED)
def test_weights_are_one_on_average(name, seed):
    logits, pairs = case(seed=seed)
    new = apply(name, logits, pairs, rho_km=300.0)
    for row, columns, values in rows(logits, pairs):
        weights = np.exp([NORMALISED[name](*value) for value in values])
        expected = logits[row, columns].numpy() + np.log(weights / weights.mean())
        assert new[row, columns].numpy() == pytest.approx(expected, rel=1e-3, abs=1e-3)


def test_shuffling_keeps_near_and_far_and_loses_only_the_lags():
    logits, pairs = case(queued=40)
    new = apply("shuffled", logits, pairs)
    change = torch.where(pairs.negative, new - logits, 0.0)
    near = pairs.distance_km <= 300
    assert (change[near] <= 0).all()
    assert (change[~near] >= 0).all()
    assert not torch.allclose(new, apply("semivariogram", logits, pairs))
    assert torch.equal(new, apply("shuffled", logits, pairs))


def test_near_pairs_that_look_too_much_alike_can_be_left_out():
    logits, pairs = case()
    new = apply("semivariogram", logits, pairs, mask_false=True)
    surprise = Gamma().gamma(pairs.distance_km) - pairs.dissimilarity
    masked = (pairs.distance_km <= 300) & (surprise > 0) & pairs.negative
    assert torch.equal(new == -math.inf, masked)
    assert masked.any()


def test_rho_is_the_practical_range_unless_said():
    logits, pairs = case()
    assert torch.equal(
        apply("distance-mask", logits, pairs), apply("distance-mask", logits, pairs, rho_km=300.0)
    )


def test_strength_zero_is_plain():
    logits, pairs = case()
    for name in ("semivariogram", "constant", "shuffled"):
        assert torch.equal(apply(name, logits, pairs, beta_false=0.0, beta_hard=0.0), logits)


def test_weights_move_the_loss_as_they_should():
    """A heavier negative that is already strong raises the loss; left out, it lowers it."""
    images = places = torch.eye(2)
    near = Pairs(torch.tensor([[0.0, 10.0], [10.0, 0.0]]), torch.zeros(2, 2), ~torch.eye(2, dtype=torch.bool))
    far = Pairs(near.distance_km * 500, near.dissimilarity, near.negative)
    plain = info_nce(images, places, scale=torch.tensor(3.0))

    def loss(name, pairs, **settings):
        return info_nce(
            images,
            places,
            scale=torch.tensor(3.0),
            reweigh=lambda logits: apply(name, logits, pairs, **settings),
        )

    assert loss("semivariogram", near) < plain < loss("semivariogram", far)
    assert loss("distance-mask", near, rho_km=20.0) == 0
    assert loss("none", near) == plain


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 6), st.integers(0, 5), st.integers(0, 99))
def test_pairs_are_what_comparing_one_by_one_gives(batch, queued, seed):
    generator = np.random.default_rng(seed)
    features = torch.from_numpy(generator.normal(size=(batch + queued, 5))).float()
    lat_lon = torch.from_numpy(generator.uniform([-90, -180], [90, 180], (batch + queued, 2)))
    others = (features[batch:], lat_lon[batch:]) if queued else None
    pairs = pairs_of(features[:batch], lat_lon[:batch], others)
    for i in range(batch):
        for j in range(batch + queued):
            km = float(haversine_km(*lat_lon[i].numpy(), *lat_lon[j].numpy()))
            cosine = torch.cosine_similarity(features[i], features[j], dim=0)
            assert float(pairs.distance_km[i, j]) == pytest.approx(km, rel=1e-4, abs=1e-2)
            assert float(pairs.dissimilarity[i, j]) == pytest.approx(1 - float(cosine), abs=1e-5)
            assert bool(pairs.negative[i, j]) == (i != j)


def test_short_distances_keep_their_digits():
    lat_lon = torch.tensor([[60.0, 10.0], [60.0001, 10.0]], dtype=torch.float64)
    pairs = pairs_of(torch.eye(2), lat_lon)
    assert float(pairs.distance_km[0, 1]) == pytest.approx(0.01112, rel=1e-2)


def test_what_is_wrong_is_named():
    logits, pairs = case()
    generator = torch.Generator()
    with pytest.raises(ConfigError, match=r"policy: there is no 'no'; choose one of semivariogram"):
        reweigh(logits, pairs, PolicyConfig(name="no"), variogram=Gamma(), generator=generator)
    with pytest.raises(ConfigError, match="policy p2: it needs a fitted semivariogram"):
        reweigh(logits, pairs, PolicyConfig(name="p2"), variogram=None, generator=generator)
    with pytest.raises(ConfigError, match="distance-mask: give rho_km"):
        reweigh(logits, pairs, PolicyConfig(name="distance-mask"), variogram=None, generator=generator)
    plain = reweigh(logits, pairs, PolicyConfig(name="none"), variogram=None, generator=generator)
    assert torch.equal(plain, logits)


def test_pairs_are_compared_in_full_precision_under_autocast():
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(8, 64, generator=generator)
    places = torch.rand(8, 2, generator=generator, dtype=torch.float64)
    expected = pairs_of(features, places)
    with torch.autocast("cpu", torch.bfloat16):
        found = pairs_of(features, places)
    assert found.dissimilarity.dtype == torch.float32
    assert torch.equal(found.dissimilarity, expected.dissimilarity)
    assert torch.equal(found.distance_km, expected.distance_km)
