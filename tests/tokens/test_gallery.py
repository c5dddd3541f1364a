import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from graticule.decoding.beam import beam
from graticule.earth.cells import TokenScheme
from graticule.errors import ConfigError, CoordinateError
from graticule.tokens.gallery import GalleryCellModel
from graticule.tokens.query import Query

SCHEME = TokenScheme((0, 1, 2))


def gallery(count=50, *, scheme=SCHEME, seed=0, **options):
    random = np.random.default_rng(seed)
    lat_lon = np.stack([random.uniform(-90, 90, count), random.uniform(-180, 180, count)], axis=-1)
    vectors = torch.from_numpy(random.normal(size=(count, 8)))
    model = GalleryCellModel(scheme, torch.from_numpy(lat_lon), vectors, **{"temperature": 0.3, **options})
    return model, lat_lon, vectors


def pictures(count=3, seed=1):
    return Query({"location": torch.randn(count, 8, generator=torch.Generator().manual_seed(seed))})


def probabilities(query, vectors, temperature=0.3):
    cosine = torch.cosine_similarity(query.vectors["location"][:, None].double(), vectors[None], dim=-1)
    return (cosine / temperature).softmax(-1)


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 1000), count=st.integers(1, 80))
def test_every_cell_has_the_mass_of_the_entries_in_it(seed, count):
    model, lat_lon, vectors = gallery(count, seed=seed)
    query = pictures(seed=seed)
    expected = probabilities(query, vectors)
    tokens = SCHEME.encode(lat_lon[:, 0], lat_lon[:, 1])
    found = beam(model, query, width=96)
    for picture in range(3):
        for leaf, log_prob in zip(found.tokens[picture], found.log_probs[picture], strict=True):
            inside = (tokens == leaf.numpy()).all(axis=1)
            mass = float(expected[picture][torch.from_numpy(inside)].sum())
            assert math.exp(log_prob) == pytest.approx(mass, abs=1e-6)


def test_the_total_mass_is_one():
    model, _, _ = gallery(40, scheme=TokenScheme((0, 2)))
    torch.testing.assert_close(
        beam(model, pictures(), width=96).log_probs.exp().sum(-1), torch.ones(3, dtype=torch.float64)
    )


def test_a_prefix_without_mass_is_impossible_and_its_children_alike():
    model, _, _ = gallery(1)
    found = beam(model, pictures(1), width=96)
    assert found.log_probs[0, 0] == 0
    assert (found.log_probs[0, 1:] == -torch.inf).all()
    state = model.begin(pictures(1))
    empty = model.next_log_probs(state)[0].argmin(-1, keepdim=True)
    children = model.next_log_probs(model.advance(state, torch.zeros_like(empty), empty)).exp()
    torch.testing.assert_close(children, torch.full((1, 1, 4), 0.25, dtype=torch.float64))


def test_epsilon_leaves_no_place_impossible():
    model, _, _ = gallery(1, epsilon=0.01)
    masses = beam(model, pictures(1), width=96).log_probs.exp()
    torch.testing.assert_close(masses[0, 0], torch.tensor(0.99 + 0.01 / 96, dtype=torch.float64))
    torch.testing.assert_close(masses[0, 1:], torch.full((95,), 0.01 / 96, dtype=torch.float64))


@given(copies=st.integers(2, 50), seed=st.integers(0, 1000))
@settings(deadline=None, max_examples=15)
def test_near_duplicates_do_not_split_the_confidence(copies, seed):
    """A place that is in the gallery many times is as likely as all of its entries together.

    Read one by one, its entries would lose to a lone one that is a little more similar.
    """
    random = np.random.default_rng(seed)
    often, once = np.array([48.86, 2.35]), np.array([-33.86, 151.21])
    lat_lon = torch.from_numpy(np.vstack([once, often + random.uniform(-1e-4, 1e-4, (copies, 2))]))
    similarity = torch.tensor([0.9, *[0.88] * copies], dtype=torch.float64)
    vectors = torch.stack([similarity, (1 - similarity.square()).sqrt()], dim=-1)
    model = GalleryCellModel(SCHEME, lat_lon, vectors, temperature=0.05)
    found = beam(model, Query({"location": torch.tensor([[1.0, 0.0]])}), width=2)
    split = (similarity / 0.05).softmax(-1)
    assert split.argmax() == 0
    assert found.tokens[0, 0].tolist() == SCHEME.encode(*often).tolist()
    torch.testing.assert_close(found.log_probs[0, 0].exp(), split[1:].sum(), rtol=1e-5, atol=0)


def test_the_order_of_the_gallery_does_not_matter():
    _, lat_lon, vectors = gallery(30)
    order = torch.randperm(30)
    results = [
        beam(GalleryCellModel(SCHEME, torch.from_numpy(lat_lon)[rows], vectors[rows]), pictures(), width=5)
        for rows in (torch.arange(30), order)
    ]
    torch.testing.assert_close(results[0].log_probs, results[1].log_probs, atol=1e-5, rtol=0)


def test_the_finest_level_is_reached():
    scheme = TokenScheme.uniform(30)
    model, lat_lon, vectors = gallery(20, scheme=scheme)
    found = beam(model, pictures(2), width=1)
    nearest = probabilities(pictures(2), vectors).argmax(-1)
    # With entries this far apart the likeliest leaf is one entry's, though greedy may prefer a fuller face.
    assert (found.log_probs > -torch.inf).all()
    wide = beam(model, pictures(2), width=20).tokens[:, 0].numpy()
    np.testing.assert_array_equal(wide, scheme.encode(lat_lon[nearest, 0], lat_lon[nearest, 1]))


@pytest.mark.parametrize(
    "options", [{"temperature": 0.0}, {"temperature": -1.0}, {"epsilon": 1.0}, {"epsilon": -0.1}]
)
def test_settings_out_of_range_are_refused(options):
    with pytest.raises(ConfigError):
        gallery(3, **options)


def test_a_gallery_must_hold_something_and_match_itself():
    with pytest.raises(ConfigError):
        GalleryCellModel(SCHEME, torch.empty(0, 2), torch.empty(0, 8))
    with pytest.raises(ConfigError):
        GalleryCellModel(SCHEME, torch.zeros(2, 2), torch.zeros(3, 8))
    with pytest.raises(CoordinateError):
        GalleryCellModel(SCHEME, torch.tensor([[91.0, 0.0]]), torch.zeros(1, 8))


def test_vectors_stay_as_they_are_stored_and_are_read_a_block_at_a_time(monkeypatch):
    whole, lat_lon, vectors = gallery(40)
    monkeypatch.setattr("graticule.retrieval.exact._NUMBERS_AT_ONCE", 7 * 8)
    stored = vectors.half()
    parts = GalleryCellModel(SCHEME, torch.from_numpy(lat_lon), stored, temperature=0.3)
    assert parts._vectors is stored
    expected = whole.next_log_probs(whole.begin(pictures()))
    found = parts.next_log_probs(parts.begin(pictures()))
    torch.testing.assert_close(found, expected, atol=5e-3, rtol=0)
