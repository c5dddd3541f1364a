"""Products by oneDNN are products."""

import pytest
import torch

from graticule.tokens.linear import Linear


@pytest.mark.parametrize("shape", [(7, 12), (1, 12), (3, 1, 5, 12), (2, 0, 12)])
def test_answers_and_gradients_are_those_of_torch(shape):
    torch.manual_seed(0)
    layer = Linear(12, 9)
    x = torch.randn(shape)
    found = []
    for training in (True, False):
        here = x.clone().requires_grad_()
        layer.train(training).zero_grad()
        out = layer(here)
        # What comes back need not lie in order.
        (out.transpose(0, -1) ** 3).sum().backward()
        found.append([out.detach(), here.grad, layer.weight.grad, layer.bias.grad])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)


def test_autocast_rounds_as_ever():
    layer, x = Linear(12, 9), torch.randn(4, 12)
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(x).dtype == torch.bfloat16


def test_what_needs_no_gradient_gets_none():
    layer, x = Linear(3, 2), torch.randn(4, 3)
    layer(x).sum().backward()
    assert x.grad is None
    assert layer.weight.grad is not None
