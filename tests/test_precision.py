"""Fewer digits: which products are rounded and by how much, and that a model which can't bear it is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from graticule.alignment.model import Alignment, AlignmentConfig
from graticule.earth.distance import haversine_km
from graticule.encoders.orbit import OrbitEncoder, OrbitEncoderConfig
from graticule.errors import ConfigError
from graticule.locator import Geolocator
from graticule.model import Model, ModelConfig
from graticule.precision import PRECISIONS, _in_float32, _in_int8, in_precision, shifts
from graticule.retrieval.gallery import Gallery
from graticule.tokens.gallery import GalleryCellModelConfig
from graticule.tokens.geotoken import GeoToken, GeoTokenConfig

EXAMPLES = Path(__file__).parents[1] / "examples" / "pictures"
ROUNDED = [precision for precision in PRECISIONS if precision != "float32"]
WIDTH = 64


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def model_of(**cells):
    """An untrained model, as narrow as one that is rounded can be."""
    torch.manual_seed(0)
    encoder = OrbitEncoderConfig(size=16, widths=(8, 16), depths=(1, 1), squeeze=4, width=WIDTH, turns=1)
    alignment = AlignmentConfig.model_validate(
        {
            "feature_width": WIDTH,
            "location": {"sigmas": [1.0], "frequencies": 8, "hidden": 16, "layers": 1, "width": 12},
        }
    )
    lat_lon = torch.from_numpy(np.random.default_rng(0).uniform((-60, -180), (75, 180), (40, 2)))
    config = ModelConfig(
        name="narrow", domain="noise", purpose="tests", licence="Apache-2.0", gallery_rows=40,
        encoder=encoder, alignment=alignment, **cells,
    )  # fmt: skip
    return Model(
        config=config,
        encoder=OrbitEncoder(encoder),
        alignment=Alignment(alignment),
        gallery=Gallery(lat_lon, functional.normalize(torch.randn(40, 12), dim=-1)),
        geotoken=GeoToken(config.geotoken) if config.geotoken else None,
    )


@pytest.fixture(scope="module")
def model():
    vectors = {"image": WIDTH, "location": 12}
    return model_of(
        geotoken=GeoTokenConfig.compact(
            vectors=vectors, neighbour_vectors=("location",), neighbours=3, levels=(0, 2, 4), d_model=WIDTH,
            encoder_layers=1, decoder_layers=1, feed_forward=96,
        )
    )  # fmt: skip


@pytest.fixture(scope="module")
def pixels():
    return torch.randint(256, (5, 3, 16, 16), dtype=torch.uint8, generator=seeded(1))


@settings(max_examples=30, deadline=None)
@given(rows=st.integers(1, 9), seed=st.integers(0, 1000), bias=st.booleans())
def test_an_int8_product_is_off_by_no_more_than_its_steps_allow(rows, seed, bias):
    linear = nn.Linear(70, 64, bias=bias).requires_grad_(requires_grad=False)
    x = torch.randn(2, rows, 70, generator=seeded(seed)) * 10 ** torch.rand(
        2, rows, 1, generator=seeded(seed)
    )
    x[:, :1] = 0  # a row without any number has no step
    answer, exact = _in_int8(linear)(x), linear(x)
    # A factor is off by half a step at most, and a step is 1/127 of its row's largest number.
    x_off, w_off = (part.abs().amax(-1, keepdim=True) / 254 for part in (x, linear.weight))
    most = x_off * (linear.weight.abs() + w_off).sum(1) + w_off.T * x.abs().sum(-1, keepdim=True)
    assert answer.shape == exact.shape
    assert ((answer - exact).abs() <= most * 1.001 + 1e-5).all()


def test_rounding_a_row_does_not_depend_on_the_others():
    layer = _in_int8(nn.Linear(64, 64).requires_grad_(requires_grad=False))
    x = torch.randn(3, 64, generator=seeded(0))
    louder = x * torch.tensor([[1.0], [1000.0], [1.0]])
    assert torch.equal(layer(x)[::2], layer(louder)[::2])


def test_float32_differs_in_last_digits_at_most(model, pixels):
    whole, query = in_precision(model, "float32"), model.query(pixels)
    torch.testing.assert_close(whole.encoder.encode(pixels), model.encoder.encode(pixels))
    torch.testing.assert_close(whole.geotoken.memory(query), model.geotoken.memory(query))
    assert shifts(model, whole, pixels).max() < 1e-5


@pytest.mark.parametrize("shape", [(64,), (1, 64), (2, 0, 64), (2, 3, 5, 64)])
def test_products_of_every_shape(shape):
    for bias in (True, False):
        linear = nn.Linear(64, 70, bias=bias).requires_grad_(requires_grad=False)
        x = torch.randn(shape, generator=seeded(0))
        torch.testing.assert_close(_in_float32(linear)(x), linear(x))
        assert _in_int8(linear)(x).shape == linear(x).shape


def test_without_onednn_float32_is_left_alone(monkeypatch):
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    linear = nn.Linear(64, 64)
    assert _in_float32(linear) is linear


def test_other_precisions_are_refused_by_name(model):
    with pytest.raises(ConfigError, match=r"'float16'.*float32 or bfloat16 or int8"):
        in_precision(model, "float16")


@pytest.mark.parametrize("precision", ROUNDED)
def test_features_are_rounded_and_the_model_is_left_alone(model, pixels, precision):
    before = model.encoder.encode(pixels)
    rounded = in_precision(model, precision)
    features = rounded.encoder.encode(pixels)
    assert features.dtype == torch.float32
    assert functional.cosine_similarity(features, before).min() > 0.999
    assert not torch.allclose(features, before, rtol=1e-5, atol=1e-6)
    assert torch.equal(model.encoder.encode(pixels), before)
    query = model.query(pixels)
    assert not torch.equal(rounded.geotoken.memory(query), model.geotoken.memory(query))
    assert rounded.geotoken.memory(query).dtype == torch.float32


@pytest.mark.parametrize("precision", ROUNDED)
def test_heads_and_what_has_no_weights_of_products_are_shared(model, precision):
    rounded = in_precision(model, precision)
    assert rounded.geotoken.heads[1].weight is model.geotoken.heads[1].weight
    assert rounded.geotoken.token.weight is model.geotoken.token.weight
    assert rounded.alignment is model.alignment


@pytest.mark.parametrize("precision", ROUNDED)
def test_clip_is_rounded(precision):
    pytest.importorskip("transformers")
    from graticule.encoders.clip import ClipEncoder, ClipEncoderConfig
    from graticule.precision import _in_bfloat16, _rounded

    torch.manual_seed(0)
    encoder = ClipEncoder(ClipEncoderConfig(patch=56, hidden=64, feed_forward=128, layers=2, heads=2)).eval()
    photos = torch.randint(256, (2, 3, 224, 224), dtype=torch.uint8, generator=seeded(0))
    before = encoder.encode(photos)
    features = _rounded(encoder, _in_bfloat16 if precision == "bfloat16" else _in_int8).encode(photos)
    assert features.dtype == torch.float32
    assert 0.99 < functional.cosine_similarity(features, before).min() < 1


def test_a_model_that_rounding_would_change_is_refused():
    fragile = model_of(gallery_cells=GalleryCellModelConfig(levels=(0, 2), temperature=0.02))
    squeeze, norm = fragile.encoder.squeeze
    # A map that is never lit has weights so large that whole steps up to them leave nothing of the others.
    norm.bias[0] = -1e6
    fragile.encoder.read.weight[:, : WIDTH // squeeze.out_channels] = 1e4
    assert in_precision(fragile, "bfloat16") is not fragile
    with pytest.raises(ConfigError, match=r"int8 moves .* of the probability of narrow"):
        in_precision(fragile, "int8")


def test_shifts_are_nought_against_itself_and_the_total_variation_else(model, pixels):
    assert torch.equal(shifts(model, model, pixels), torch.zeros(5, 3))
    torch.manual_seed(1)
    other = replace(model, geotoken=GeoToken(model.config.geotoken))
    moved = shifts(model, other, pixels)
    assert ((moved > 0) & (moved < 1)).all()
    first, second = (
        part.geotoken.next_log_probs(part.geotoken.begin(part.query(pixels))).exp() for part in (model, other)
    )
    torch.testing.assert_close(moved[:, 0], (first - second).clamp(min=0).sum(-1)[:, 0])


@pytest.mark.parametrize("precision", ROUNDED)
def test_orbit_keeps_its_answers(precision):
    orbit = Model.open("orbit")
    before, after = (
        [(found.latitude, found.longitude) for found in Geolocator(model).locate([EXAMPLES])]
        for model in (orbit, in_precision(orbit, precision))
    )
    moved = haversine_km(*np.transpose(before), *np.transpose(after))
    assert np.mean(moved < 25) > 0.9
