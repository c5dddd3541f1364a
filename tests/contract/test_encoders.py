"""What every image encoder promises: see `graticule.encoders.contract`. A new encoder is one entry of `ENCODERS`."""

import pytest
import torch

from graticule.encoders.contract import ImageEncoder
from graticule.encoders.orbit import OrbitEncoder, OrbitEncoderConfig, channels_last, folded


def orbit(**changed):
    torch.manual_seed(0)
    small = {"size": 32, "widths": (8, 8, 16), "depths": (1, 2, 1), "squeeze": 8, "width": 24}
    encoder = OrbitEncoder(OrbitEncoderConfig(**{**small, **changed}))
    with torch.no_grad():
        # Running statistics as after some training: not those of a fresh layer, which hide mistakes.
        for step in range(3):
            encoder.train()(torch.rand(8, 3, encoder.size, encoder.size) * (0.5 + 0.2 * step))
    return encoder.eval()


ENCODERS = {
    "orbit": orbit,
    "orbit-as-it-stands": lambda: orbit(turns=1),
    "orbit-half-turns": lambda: orbit(turns=2),
    "orbit-large-pictures": lambda: orbit(size=64),
    "orbit-channels-last": lambda: channels_last(orbit()),
    "orbit-folded": lambda: folded(orbit()),
}
CLOSE = {"rtol": 0, "atol": 1e-5}


@pytest.fixture(params=ENCODERS, scope="module")
def encoder(request):
    return ENCODERS[request.param]()


@pytest.fixture(scope="module")
def pixels(encoder):
    shape = (7, 3, encoder.size, encoder.size)
    return torch.randint(256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def test_it_is_an_encoder(encoder):
    assert isinstance(encoder, ImageEncoder)


def test_pixels_in_features_out(encoder, pixels):
    before = pixels.clone()
    features = encoder.encode(pixels)
    assert features.shape == (7, encoder.width)
    assert features.dtype == torch.float32
    assert features.isfinite().all()
    assert not features.requires_grad
    assert torch.equal(pixels, before)


def test_different_pictures_have_different_features(encoder, pixels):
    features = encoder.encode(pixels)
    assert torch.pdist(features).min() > 1e-3


def test_a_row_depends_on_its_own_picture_only(encoder, pixels):
    together = encoder.encode(pixels)
    for size in (1, 2, 5):
        apart = torch.cat([encoder.encode(part) for part in torch.split(pixels, size)])
        torch.testing.assert_close(apart, together, **CLOSE)
    order = torch.tensor([3, 0, 6, 1])
    torch.testing.assert_close(encoder.encode(pixels[order]), together[order], **CLOSE)


def test_it_is_deterministic(encoder, pixels):
    assert torch.equal(encoder.encode(pixels), encoder.encode(pixels))


@pytest.mark.parametrize("value", [0, 128, 255])
def test_pictures_without_signal_have_features_too(encoder, value):
    blank = torch.full((1, 3, encoder.size, encoder.size), value, dtype=torch.uint8)
    assert encoder.encode(blank).isfinite().all()


def test_memory_layout_does_not_matter(encoder, pixels):
    other = pixels.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(encoder.encode(other), encoder.encode(pixels), **CLOSE)
