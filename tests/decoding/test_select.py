"""The answer of least expected loss, against its definition."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from graticule.decoding.select import minimum_risk
from graticule.earth.distance import haversine_km


def chosen(places, probabilities, **options):
    lat_lon = torch.tensor([places], dtype=torch.float64)
    log_probs = torch.tensor([probabilities], dtype=torch.float64).log()
    return minimum_risk(lat_lon, log_probs, **options).item()


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 12), st.integers(1, 4), st.floats(20, 5000), st.integers(0, 10**6))
def test_no_candidate_scores_better_on_average(width, batch, scale_km, seed):
    random = np.random.default_rng(seed)
    places = random.uniform((-90, -180), (90, 180), (batch, width, 2))
    log_probs = random.normal(scale=2, size=(batch, width))
    found = minimum_risk(torch.from_numpy(places), torch.from_numpy(log_probs), scale_km=scale_km)
    assert found.shape == (batch,)
    assert found.dtype == torch.int64
    for lat_lon, logs, best in zip(places, log_probs, found.tolist(), strict=True):
        probabilities = np.exp(logs) / np.exp(logs).sum()
        worth = (
            np.exp(-haversine_km(*lat_lon.T[:, :, None], *lat_lon.T[:, None, :]) / scale_km) @ probabilities
        )
        assert worth[best] >= worth.max() - 1e-9


def test_one_candidate_is_the_answer():
    assert chosen([(48.9, 2.3)], [1e-9]) == 0


def test_it_prefers_company_to_a_slightly_likelier_hermit():
    places, probabilities = [(-40, 175), (50, 8), (50.2, 8), (50, 8.3)], [0.3, 0.24, 0.23, 0.23]
    assert chosen(places, probabilities) in (1, 2, 3)
    assert chosen(places, probabilities, scale_km=1) == 0


def test_company_is_found_across_the_antimeridian():
    assert chosen([(0, 0), (0, 179.9), (0, -179.9)], [0.4, 0.3, 0.3]) in (1, 2)


def test_only_proportions_count_and_the_impossible_does_not():
    places = [(0, 0), (0, 30), (0, 60)]
    for factor in (1, 1e-12, 1e12):
        assert chosen(places, [0.2 * factor, 0.3 * factor, 0.1 * factor]) == 1
    assert chosen(places, [0.0, 0.0, 1.0]) == 2


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_the_order_of_candidates_does_not_matter(order):
    places, probabilities = [(10, 10), (11, 10), (-60, 100)], [0.3, 0.35, 0.35]
    found = chosen([places[i] for i in order], [probabilities[i] for i in order])
    assert order[found] == 1
