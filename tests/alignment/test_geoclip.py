"""GeoCLIP's heads: their mathematics here, and the published weights against the package's own answers."""

import importlib.util
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from safetensors.torch import load_file
from torch.nn import functional

from graticule.alignment.geoclip import GeoClipAlignment, GeoClipAlignmentConfig, equal_earth
from graticule.encoders.clip import ClipEncoder
from graticule.errors import InputError, ModelFormatError
from graticule.images.open import open_picture
from graticule.pull.geoclip import assemble
from graticule.pull.wheel import fetch_wheel, read_wheel

GOLDEN = Path(__file__).parents[1] / "golden"
SMALL = GeoClipAlignmentConfig(feature_width=6, frequencies=8, hidden=16, layers=2, width=12)


@pytest.fixture(scope="module")
def parts():
    """What the package was given: tests/golden/geoclip_parts.py."""
    spec = importlib.util.spec_from_file_location("geoclip_parts", GOLDEN / "geoclip_parts.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """The heads and the gallery of the wheel on PyPI."""
    try:
        return read_wheel(fetch_wheel(tmp_path_factory.mktemp("wheel")))
    except InputError as error:
        pytest.skip(f"needs the wheel geoclip==1.3.0 from a package index: {error}")


@pytest.fixture(scope="module")
def small():
    torch.manual_seed(0)
    return GeoClipAlignment(SMALL).eval()


def test_the_map_is_the_equal_earth_projection():
    pyproj = pytest.importorskip("pyproj")
    random = np.random.default_rng(0)
    lat, lon = random.uniform(-90, 90, 200), random.uniform(-180, 180, 200)
    x, y = pyproj.Proj("+proj=eqearth +R=1")(lon, lat)
    ours = equal_earth(torch.tensor(np.stack([lat, lon], axis=1)))
    expected = torch.tensor(np.stack([x, y], axis=1)) * 66.50336 / 180
    torch.testing.assert_close(ours, expected, atol=1e-9, rtol=0)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.tuples(st.floats(-90, 90), st.floats(-180, 180)), min_size=1, max_size=8))
def test_vectors_are_unit_and_a_row_is_its_own(small, places):
    lat_lon = torch.tensor(places, dtype=torch.float64)
    with torch.inference_mode():
        vectors = small.locations(lat_lon)
        alone = small.locations(lat_lon[-1:])
    assert vectors.shape == (len(places), 12)
    assert vectors.dtype == torch.float32
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(len(places)))
    torch.testing.assert_close(alone[0], vectors[-1], atol=1e-4, rtol=0)


def test_locations_follow_the_formula(small):
    lat_lon = torch.tensor([[48.86, 2.35], [-33.86, 151.21]], dtype=torch.float64)
    total = torch.zeros(2, 12)
    with torch.inference_mode():
        for branch in small.branches:
            phase = 2 * math.pi * equal_earth(lat_lon).float() @ branch.frequencies
            total += branch.network(torch.cat([phase.cos(), phase.sin()], dim=-1))
        torch.testing.assert_close(
            small.locations(lat_lon), functional.normalize(total, dim=-1), atol=1e-3, rtol=0
        )


def test_frequencies_are_of_three_bands_and_not_trained():
    alignment = GeoClipAlignment(GeoClipAlignmentConfig(hidden=8))
    for branch, sigma in zip(alignment.branches, (1, 16, 256), strict=True):
        assert branch.frequencies.std() == pytest.approx(sigma, rel=0.1)
    assert not any("frequencies" in name for name, _ in alignment.named_parameters())
    assert "branches.2.frequencies" in alignment.state_dict()
    assert alignment.scale.item() == pytest.approx(1 / 0.07)


def test_images_are_unit_vectors_of_the_head(small):
    features = torch.randn(4, 6)
    with torch.inference_mode():
        first, _, last = small.image_head
        expected = functional.normalize(last(functional.relu(first(features))), dim=-1)
        torch.testing.assert_close(small.images(features), expected)


def test_other_weights_are_refused():
    with pytest.raises(ModelFormatError, match="not GeoCLIP's published weights"):
        GeoClipAlignment.from_published({}, {}, log_scale=torch.zeros(()))


def test_a_misspelt_setting_is_refused():
    with pytest.raises(ValidationError, match="sigma"):
        GeoClipAlignmentConfig(sigma=3)


@pytest.mark.slow
def test_the_published_location_encoder_says_what_the_package_says(published, parts):
    """10,000 points, to 1e-5. On the processor that made the file the vectors are equal to the last bit.

    The finest branch turns the last bits of float32 into phases of up to 0.002: another processor that rounds
    otherwise may differ by up to 8e-5 in an entry, as float64 does.
    """
    alignment, _ = published
    golden = load_file(GOLDEN / "geoclip_locations.safetensors")
    with torch.inference_mode():
        vectors = alignment.locations(parts.points())
    torch.testing.assert_close(vectors[: len(golden["first"])], golden["first"], atol=1e-5, rtol=0)
    along = vectors.double() @ parts.direction()
    torch.testing.assert_close(along, golden["along"], atol=1e-5, rtol=0)


@pytest.mark.slow
def test_the_five_best_places_are_those_the_package_predicts(published, parts, tmp_path):
    """With the same random CLIP on disk, and the published heads and gallery."""
    alignment, coordinates = published
    golden = json.loads((GOLDEN / "geoclip.json").read_text())["pictures"]
    parts.save_clip(tmp_path / "clip", parts.TINY)
    encoder = ClipEncoder.from_folder(tmp_path / "clip")
    wanted = torch.tensor([place for answer in golden for place in answer["lat_lon"]])
    assert len(wanted.unique(dim=0)) > 15, "the pictures are told apart, or this shows nothing"
    prepared = [encoder.prepare(open_picture(path)) for path in parts.save_pictures(tmp_path)]
    coordinates = coordinates[:: parts.EVERY]
    model = assemble(encoder, alignment, coordinates)
    query = model.query(torch.from_numpy(np.stack(prepared)))
    logits = model.alignment.scale * query.vectors["location"] @ model.gallery.vectors.T
    best = logits.softmax(-1).topk(5)
    torch.testing.assert_close(coordinates[best.indices].flatten(0, 1), wanted.double(), atol=2e-5, rtol=0)
    expected = torch.tensor([answer["probabilities"] for answer in golden])
    torch.testing.assert_close(best.values, expected, atol=1e-4, rtol=0)
