"""What is Orbit's own: views have no upright, and light says little about the place."""

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from graticule.encoders.orbit import OrbitEncoder, OrbitEncoderConfig, folded

CLOSE = {"rtol": 0, "atol": 1e-5}


def encoder(**changed):
    torch.manual_seed(0)
    small = {"size": 32, "widths": (8, 16), "depths": (1, 1), "squeeze": 4, "width": 12}
    return OrbitEncoder(OrbitEncoderConfig(**{**small, **changed})).eval()


@pytest.fixture(scope="module")
def pixels():
    return torch.randint(256, (3, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("turns", "invariant"), [(4, (1, 2, 3)), (2, (2,)), (1, ())])
def test_features_are_averaged_over_the_turns(pixels, turns, invariant):
    network = encoder(turns=turns)
    upright = network.encode(pixels)
    for quarter in (1, 2, 3):
        turned = network.encode(torch.rot90(pixels, quarter, dims=(2, 3)))
        if quarter in invariant:
            torch.testing.assert_close(turned, upright, **CLOSE)
        else:
            assert (turned - upright).abs().max() > 1e-3


def test_one_turn_is_the_network_itself(pixels):
    network = encoder(turns=1)
    with torch.no_grad():
        torch.testing.assert_close(network.encode(pixels), network(pixels / 255), **CLOSE)


def test_where_a_thing_lies_matters(pixels):
    """The answer is the point under the centre: a shifted picture is another place."""
    network = encoder()
    assert (network.encode(pixels.roll(8, dims=3)) - network.encode(pixels)).abs().max() > 1e-3


def test_folding_batch_norms_changes_nothing_but_time(pixels):
    network = encoder()
    with torch.no_grad():
        for step in range(3):
            network.train()(torch.rand(4, 3, 32, 32) * (0.5 + 0.2 * step))
    network.eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    fast = folded(network)
    torch.testing.assert_close(fast.encode(pixels), network.encode(pixels), **CLOSE)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in fast.modules())
    after = network.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())


def test_every_weight_learns():
    network = encoder().train()
    network(torch.rand(4, 3, 32, 32)).square().sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in network.parameters())


def test_a_misspelt_setting_is_refused():
    with pytest.raises(ValidationError, match="layers"):
        OrbitEncoderConfig(layers=3)
