"""What GeoToken must beat must be what it says it is."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from graticule.earth import s2
from graticule.earth.distance import haversine_km
from graticule.evaluation.baselines import (
    FlatClassifier,
    adaptive_cells,
    mean_places,
    neighbour_vote,
)
from graticule.retrieval.exact import ExactIndex
from graticule.retrieval.gallery import Gallery


def unit(count, width=8, seed=0):
    draws = torch.randn(count, width, generator=torch.Generator().manual_seed(seed))
    return functional.normalize(draws, dim=-1)


def places(count, seed=0):
    return np.random.default_rng(seed).uniform((-90, -180), (90, 180), (count, 2))


def gallery(count, seed=0):
    return Gallery(torch.from_numpy(places(count, seed)), unit(count, seed=seed))


def test_one_neighbour_is_the_nearest():
    known, asked = gallery(40), unit(7, seed=5)
    found = neighbour_vote(asked, known, ExactIndex(known.vectors), neighbours=1)
    assert torch.equal(found, known.lat_lon[(asked @ known.vectors.T).argmax(1)])


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 8), st.floats(20, 3000), st.floats(0.01, 1), st.integers(0, 99))
def test_the_vote_is_what_loops_compute(k, bandwidth_km, temperature, seed):
    known, asked = gallery(20, seed), unit(3, seed=seed + 1)
    found = neighbour_vote(
        asked,
        known,
        ExactIndex(known.vectors),
        neighbours=k,
        bandwidth_km=bandwidth_km,
        temperature=temperature,
    )
    for picture in range(3):
        similarity = (known.vectors @ asked[picture]).double().numpy()
        rows = np.argsort(-similarity)[:k]
        lat, lon = known.lat_lon[rows].T.numpy()
        km = haversine_km(lat[:, None], lon[:, None], lat, lon)
        weight = np.exp((similarity[rows] - similarity.max()) / temperature)
        score = np.exp(-km / bandwidth_km) @ weight / weight.sum()
        answer = int((known.lat_lon[rows] == found[picture]).all(1).nonzero()[0])
        assert score[answer] >= score.max() - 1e-6


def test_a_neighbour_in_company_beats_a_slightly_nearer_hermit():
    known = Gallery(
        torch.tensor([[0.0, 0.0], [50.0, 8.0], [50.1, 8.0], [50.0, 8.1]], dtype=torch.float64),
        functional.normalize(torch.tensor([[1.0, 0.0], [1.0, 0.1], [1.0, 0.11], [1.0, 0.12]]), dim=-1),
    )
    asked, index = torch.tensor([[1.0, 0.0]]), ExactIndex(known.vectors)
    assert neighbour_vote(asked, known, index, neighbours=1).tolist() == [[0.0, 0.0]]
    assert neighbour_vote(asked, known, index, neighbours=4)[0, 0] >= 50


def test_the_classifier_answers_with_the_middle_of_its_cell():
    torch.manual_seed(0)
    classifier = FlatClassifier(5, 3)
    classifier.lat_lon.copy_(torch.from_numpy(places(5)))
    features = torch.randn(6, 3)
    expected = classifier.lat_lon[classifier(functional.normalize(features, dim=-1)).argmax(1)]
    assert torch.equal(classifier.answer(features), expected)
    assert torch.equal(classifier.answer(7 * features), expected)
    again = FlatClassifier.restored(classifier.state_dict())
    assert torch.equal(again.answer(features), expected)
    assert not again.training


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 200), st.integers(1, 30), st.integers(0, 4), st.integers(0, 5), st.integers(0, 99))
def test_adaptive_cells(count, most, first, deeper, seed):
    """Each point in one cell; no cell crowded that could be split; none split that was not crowded."""
    lat_lon = places(count, seed)
    if seed % 2:
        lat_lon[: count // 2] = lat_lon[0] + np.random.default_rng(seed).normal(0, 0.1, (count // 2, 2))
        lat_lon = lat_lon.clip((-90, -180), (90, 180))
    last = first + deeper
    cells = adaptive_cells(lat_lon, most=most, first_level=first, last_level=last)
    leaves = s2.cell_ids(lat_lon[:, 0], lat_lon[:, 1])
    assert s2.contains(cells, leaves).all()
    names, size = np.unique(cells, return_counts=True)
    levels = s2.level_of(names)
    assert ((levels >= first) & (levels <= last)).all()
    assert (size[levels < last] <= most).all()
    for name, level in zip(names, levels, strict=True):
        inside = s2.contains(np.full(len(names), name), names)
        assert inside.sum() == 1, "cells overlap"
        if level > first:
            parent = s2.parent(np.array([name]), int(level) - 1)
            assert s2.contains(np.repeat(parent, count), leaves).sum() > most


def test_the_middle_of_a_group_is_on_the_sphere():
    lat_lon = np.array([[0, 179], [0, -179], [89, 0], [89, 180], [10, 20], [-90, 5]], dtype=float)
    middle = mean_places(lat_lon, np.array([0, 0, 1, 1, 2, 3]), 4)
    np.testing.assert_allclose(np.abs(middle[0]), [0, 180], atol=1e-9)
    assert middle[1, 0] == pytest.approx(90)
    np.testing.assert_allclose(middle[2], [10, 20])
    assert middle[3, 0] == pytest.approx(-90)
    assert np.isfinite(middle).all()
