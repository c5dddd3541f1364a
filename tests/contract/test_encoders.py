"""What every image encoder promises: see `graticule.encoders.contract`. Each of the registry has entries in `TINY`."""

import pytest
import torch

from graticule import registry
from graticule.encoders.clip import ClipEncoder, ClipEncoderConfig
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


def clip():
    pytest.importorskip("transformers")
    torch.manual_seed(0)
    small = {"size": 16, "patch": 8, "hidden": 16, "feed_forward": 32, "layers": 2, "heads": 2, "width": 12}
    return ClipEncoder(ClipEncoderConfig(**small)).eval()


TINY = {
    "orbit": orbit,
    "orbit-as-it-stands": lambda: orbit(turns=1),
    "orbit-half-turns": lambda: orbit(turns=2),
    "orbit-large-pictures": lambda: orbit(size=64),
    "orbit-channels-last": lambda: channels_last(orbit()),
    "orbit-folded": lambda: folded(orbit()),
    "orbit-for-inference": lambda: orbit().for_inference(),
    "clip": clip,
}
CLOSE = {"rtol": 0, "atol": 1e-5}


@pytest.fixture(params=TINY, scope="module")
def encoder(request):
    return TINY[request.param]()


@pytest.fixture(scope="module")
def pixels(encoder):
    shape = (7, 3, encoder.size, encoder.size)
    return torch.randint(256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def test_it_is_an_encoder(encoder):
    assert isinstance(encoder, ImageEncoder)


@pytest.mark.parametrize("name", list(registry.ENCODERS))
def test_every_registered_encoder_is_held_to_the_contract(name):
    encoder = TINY[name]()
    assert type(encoder) is registry.ENCODERS.find(name)
    settings = registry.ENCODERS.settings(encoder.config.model_dump(mode="json"))
    assert settings == encoder.config
    assert settings.kind == name
    assert settings.width == encoder.width


def test_what_is_saved_of_it_makes_it_again(encoder, pixels):
    again = registry.ENCODERS.build(encoder.config).eval()
    if encoder.state_dict().keys() != again.state_dict().keys():
        pytest.skip("a form for inference alone, which is not saved")
    again.load_state_dict(encoder.state_dict())
    torch.testing.assert_close(again.encode(pixels), encoder.encode(pixels), **CLOSE)


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
