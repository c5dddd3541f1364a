"""The contrastive loss against a loop, and wrong answers at the distance asked for."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from graticule.alignment.loss import info_nce, nearby, scattered, surroundings
from graticule.earth.distance import destination, haversine_km

latitudes = st.one_of(st.floats(-90, 90), st.sampled_from([-90.0, 90.0, 0.0, 89.999999]))
longitudes = st.one_of(st.floats(-180, 180), st.sampled_from([-180.0, 180.0, 179.999999]))


def unit(*shape, seed):
    draws = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return functional.normalize(draws, dim=-1)


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 6), st.integers(0, 5), st.integers(0, 3), st.floats(0.1, 50), st.integers(0, 99))
def test_info_nce_is_what_a_loop_computes(batch, queued, near, scale, seed):
    images, places = unit(batch, 4, seed=seed), unit(batch, 4, seed=seed + 1)
    past = unit(queued, 4, seed=seed + 2) if queued else None
    local = unit(batch, near, 4, seed=seed + 3) if near else None
    loss = info_nce(images, places, scale=torch.tensor(scale), past=past, local=local)
    total = 0.0
    for row in range(batch):
        wrong = [*places, *(past if queued else ()), *(local[row] if near else ())]
        cosines = [scale * float(images[row] @ place) for place in wrong]
        total += math.log(sum(math.exp(c - cosines[row]) for c in cosines))
    assert loss.item() == pytest.approx(total / batch, rel=1e-4, abs=1e-5)


def test_a_picture_is_not_told_from_another_s_local_places():
    images, places, local = unit(2, 4, seed=0), unit(2, 4, seed=1), unit(2, 3, 4, seed=2)
    scale = torch.tensor(10.0)
    per_picture = [
        functional.cross_entropy(
            10 * torch.cat([images[row] @ places.T, images[row] @ local[row].T])[None], torch.tensor([row])
        )
        for row in range(2)
    ]
    torch.testing.assert_close(
        info_nce(images, places, scale=scale, local=local), torch.stack(per_picture).mean()
    )


def test_every_part_learns():
    parts = [unit(3, 4, seed=seed).requires_grad_() for seed in (0, 1, 2)] + [
        unit(3, 2, 4, seed=3).requires_grad_()
    ]
    scale = torch.tensor(5.0, requires_grad=True)
    info_nce(parts[0], parts[1], scale=scale, past=parts[2], local=parts[3]).backward()
    assert all(part.grad.abs().sum() > 0 for part in (*parts, scale))


@settings(deadline=None, max_examples=100)
@given(latitudes, longitudes, st.floats(1, 2000), st.floats(0, 2 * math.pi))
def test_nearby_is_as_far_as_asked(lat, lon, distance, bearing):
    there = nearby(
        torch.tensor([[lat, lon]], dtype=torch.float64),
        torch.tensor([[distance]], dtype=torch.float64),
        torch.tensor([[bearing]], dtype=torch.float64),
    )
    assert there.shape == (1, 1, 2)
    lat_there, lon_there = there[0, 0].tolist()
    assert -90 <= lat_there <= 90
    assert -180 <= lon_there <= 180
    # Within a few cm of a pole a sine of latitude has no more digits.
    assert float(haversine_km(lat, lon, lat_there, lon_there)) == pytest.approx(distance, rel=1e-6, abs=1e-4)


def test_nearby_goes_where_the_bearing_points():
    lat_lon = torch.tensor([[10.0, 179.5], [-60.0, -179.9], [75.0, 3.0]], dtype=torch.float64)
    distance = torch.tensor([[12.0, 400.0]] * 3, dtype=torch.float64)
    bearing = torch.deg2rad(torch.tensor([[90.0, 200.0]] * 3, dtype=torch.float64))
    found = nearby(lat_lon, distance, bearing).numpy()
    for row in range(3):
        lat, lon = destination(
            *lat_lon[row], bearing_deg=np.array([90, 200]), distance_km=distance[row].numpy()
        )
        np.testing.assert_allclose(haversine_km(*found[row].T, lat, lon), 0, atol=1e-5)
    assert (found[0, 0, 1] > 179.6) or (found[0, 0, 1] < -179)


def test_from_a_pole_all_ways_lead_away():
    pole = torch.tensor([[90.0, 45.0], [-90.0, 0.0]], dtype=torch.float64)
    there = nearby(pole, torch.full((2, 3), 111.0), torch.tensor([[0.0, 2.0, 4.0]] * 2))
    np.testing.assert_allclose(there[..., 0], [[89.0017] * 3, [-89.0017] * 3], atol=1e-3)


@pytest.mark.parametrize("lat", [0.0, 60.0, -89.0])
def test_scatter_is_in_metres_at_every_latitude(lat):
    here = torch.tensor([[lat, 30.0]], dtype=torch.float64).repeat(20_000, 1)
    there = scattered(here, sigma_m=150.0, generator=torch.Generator().manual_seed(0))
    north_m = (there[:, 0] - lat) * 111_195
    # At 89 degrees, metres to the east are read off the chord, not off the longitude.
    total_m = 1000 * haversine_km(*here.T.numpy(), *there.T.numpy())
    assert north_m.std().item() == pytest.approx(150, rel=0.03)
    assert north_m.mean().item() == pytest.approx(0, abs=5)
    assert np.sqrt(np.mean(total_m**2) / 2) == pytest.approx(150, rel=0.03)


def test_no_scatter_leaves_places_alone():
    here = torch.tensor([[1.0, 2.0]], dtype=torch.float64)
    assert scattered(here, sigma_m=0.0, generator=torch.Generator()) is here
    nobody = torch.zeros(0, 2, dtype=torch.float64)
    assert scattered(nobody, sigma_m=10.0, generator=torch.Generator()).shape == (0, 2)


def test_logits_are_not_blurred_by_bfloat16():
    images, places = unit(8, 16, seed=0), unit(8, 16, seed=1)
    exact = info_nce(images, places, scale=torch.tensor(100.0))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(info_nce(images, places, scale=torch.tensor(100.0)), exact)


def test_a_policy_sees_batch_and_queue_and_not_the_local_places():
    seen = []
    parts = unit(3, 4, seed=0), unit(3, 4, seed=1)
    info_nce(
        *parts,
        scale=torch.tensor(2.0),
        past=unit(5, 4, seed=2),
        local=unit(3, 2, 4, seed=3),
        reweigh=lambda logits: seen.append(logits.shape) or logits,
    )
    assert seen == [(3, 8)]


def test_surroundings_lie_within_the_range_on_all_scales():
    here = torch.tensor([[50.0, 179.9]], dtype=torch.float64).repeat(500, 1)
    around = surroundings(here, 4, within_km=(10.0, 1000.0), generator=torch.Generator().manual_seed(0))
    km = haversine_km(50.0, 179.9, *around.flatten(0, 1).T.numpy())
    assert around.shape == (500, 4, 2)
    assert 9.999 < km.min() < 11
    assert 900 < km.max() < 1000.001
    assert np.mean(km < 100) == pytest.approx(0.5, abs=0.05)
    assert surroundings(here, 0, within_km=(10.0, 20.0), generator=torch.Generator()).shape == (500, 0, 2)
