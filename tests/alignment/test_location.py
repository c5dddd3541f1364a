import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from graticule.alignment.location import LocationEncoder, LocationEncoderConfig
from graticule.alignment.model import Alignment, AlignmentConfig

CONFIG = LocationEncoderConfig(sigmas=(1.0, 40.0), frequencies=8, hidden=16, layers=2, width=12)


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    return LocationEncoder(CONFIG).eval()


def at(*places):
    return torch.tensor(places, dtype=torch.float64).view(-1, 2)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.tuples(st.floats(-90, 90), st.floats(-180, 180)), min_size=1, max_size=8))
def test_vectors_are_unit_and_a_row_is_its_own(encoder, places):
    vectors = encoder(at(*places))
    assert vectors.shape == (len(places), 12)
    assert vectors.dtype == torch.float32
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(len(places)))
    torch.testing.assert_close(encoder(at(places[-1]))[0], vectors[-1], atol=1e-5, rtol=0)


def test_no_seam_and_no_stretched_poles(encoder):
    for lat in (-70, 0, 45.5):
        torch.testing.assert_close(encoder(at((lat, 180))), encoder(at((lat, -180))), atol=1e-4, rtol=0)
        torch.testing.assert_close(
            encoder(at((lat, 179.9999))), encoder(at((lat, -179.9999))), atol=0.02, rtol=0
        )
    torch.testing.assert_close(encoder(at((90, 0))), encoder(at((90, 123))), atol=1e-4, rtol=0)


def test_near_places_are_alike_and_far_ones_are_not(encoder):
    here, near, far = encoder(at((45, 7), (45.01, 7), (-20, 130)))
    assert here @ near > 0.99 > here @ far


def test_frequencies_depend_on_the_seed_alone():
    def frequencies(seed):
        torch.manual_seed(torch.seed() % 1000)
        encoder = LocationEncoder(CONFIG, seed=seed)
        return [branch.frequencies for branch in encoder.branches]

    first, again, other = frequencies(0), frequencies(0), frequencies(1)
    for sigma, one, same, another in zip(CONFIG.sigmas, first, again, other, strict=True):
        assert one.shape == (3, 8)
        assert torch.equal(one, same)
        assert not torch.equal(one, another)
        assert sigma / 2 < one.std() < sigma * 2
    assert "branches.0.frequencies" in LocationEncoder(CONFIG).state_dict()


def test_alignment_meets_in_one_space():
    torch.manual_seed(0)
    alignment = Alignment(AlignmentConfig(feature_width=5, location=CONFIG))
    images = alignment.images(torch.randn(4, 5))
    assert images.shape == alignment.locations(torch.zeros(4, 2)).shape == (4, 12)
    torch.testing.assert_close(images.norm(dim=1), torch.ones(4))
    assert alignment.scale.item() == pytest.approx(1 / 0.07)
    alignment.log_scale.data.fill_(math.log(1e6))
    assert alignment.scale.item() == 200


def test_a_misspelt_setting_is_refused():
    with pytest.raises(ValidationError, match="sigma"):
        LocationEncoderConfig(sigma=3)
