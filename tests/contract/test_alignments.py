"""What every alignment promises: see `graticule.alignment.contract`. Each of the registry has entries in `TINY`."""

import pytest
import torch

from graticule.alignment.contract import ImageLocationAlignment
from graticule.alignment.geoclip import GeoClipAlignment, GeoClipAlignmentConfig
from graticule.alignment.location import LocationEncoderConfig
from graticule.alignment.model import Alignment, AlignmentConfig
from graticule.alignment.spaces import SpacesAlignment, SpacesAlignmentConfig
from graticule.registry import ALIGNMENTS


def sphere(**changed):
    torch.manual_seed(0)
    location = LocationEncoderConfig(sigmas=(1.0, 4.0), frequencies=8, hidden=16, layers=1, width=6)
    return Alignment(AlignmentConfig(**{"feature_width": 10, "location": location, **changed})).eval()


def geoclip():
    torch.manual_seed(0)
    small = {
        "feature_width": 10,
        "sigmas": (1.0, 4.0),
        "frequencies": 8,
        "hidden": 16,
        "layers": 1,
        "width": 6,
    }
    return GeoClipAlignment(GeoClipAlignmentConfig(**small)).eval()


def spaces():
    torch.manual_seed(0)
    location = LocationEncoderConfig(sigmas=(1.0, 4.0), frequencies=8, hidden=16, layers=1, width=6)
    return SpacesAlignment(SpacesAlignmentConfig(feature_width=10, hidden=12, location=location)).eval()


TINY = {"sphere": sphere, "geoclip": geoclip, "spaces": spaces}
CLOSE = {"rtol": 0, "atol": 1e-5}
PLACES = torch.tensor(
    [[0.0, 0.0], [48.9, 2.4], [-33.9, 151.2], [90.0, 0.0], [-90.0, 0.0], [10.0, 180.0], [10.0, -180.0]],
    dtype=torch.float64,
)


@pytest.fixture(params=TINY, scope="module")
def alignment(request):
    return TINY[request.param]()


@pytest.fixture
def features():
    return torch.randn(7, 10, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", list(ALIGNMENTS))
def test_every_registered_alignment_is_held_to_the_contract(name):
    alignment = TINY[name]()
    assert type(alignment) is ALIGNMENTS.find(name)
    settings = ALIGNMENTS.settings(alignment.config.model_dump(mode="json"))
    assert settings == alignment.config
    assert (settings.kind, settings.feature_width, settings.width) == (name, 10, 6)


def test_it_is_an_alignment(alignment):
    assert isinstance(alignment, ImageLocationAlignment)


def test_both_sides_give_unit_vectors_of_one_space(alignment, features):
    with torch.inference_mode():
        for vectors in (alignment.images(features), alignment.locations(PLACES)):
            assert vectors.shape == (7, 6)
            assert vectors.dtype == torch.float32
            torch.testing.assert_close(vectors.norm(dim=-1), torch.ones(7))


def test_a_row_depends_on_its_own_picture_or_place_only(alignment, features):
    with torch.inference_mode():
        for side, given in ((alignment.images, features), (alignment.locations, PLACES)):
            apart = torch.cat([side(part) for part in torch.split(given, 2)])
            torch.testing.assert_close(apart, side(given), **CLOSE)


def test_different_places_have_different_vectors(alignment):
    with torch.inference_mode():
        assert torch.pdist(alignment.locations(PLACES[:4])).min() > 1e-3


def test_the_scale_is_a_positive_number(alignment):
    assert alignment.scale.ndim == 0
    assert 0 < alignment.scale.item() < float("inf")


def test_what_is_saved_of_it_makes_it_again(alignment, features):
    again = ALIGNMENTS.build(alignment.config).eval()
    again.load_state_dict(alignment.state_dict())
    with torch.inference_mode():
        assert torch.equal(again.images(features), alignment.images(features))
        assert torch.equal(again.locations(PLACES), alignment.locations(PLACES))
    assert torch.equal(again.scale, alignment.scale)


def test_both_sides_can_be_trained(alignment, features):
    pictures, places = alignment.images(features), alignment.locations(PLACES)
    (alignment.scale * pictures @ places.T).logsumexp(-1).sum().backward()
    assert all(parameter.grad is not None for parameter in alignment.parameters())
    alignment.zero_grad()
