import math

import pytest
import torch
from torch import nn

from graticule.alignment.cell_head import CellHead
from graticule.earth.cells import TokenScheme

SCHEME = TokenScheme((0, 1, 3))


@pytest.fixture
def head():
    torch.manual_seed(0)
    return CellHead(5, SCHEME, hidden=8)


def batch(count=7):
    generator = torch.Generator().manual_seed(0)
    tokens = [torch.randint(size, (count,), generator=generator) for size in SCHEME.vocabulary]
    return torch.randn(count, 5, generator=generator), torch.stack(tokens, dim=1)


def test_a_head_that_knows_nothing_is_as_wrong_as_guessing(head):
    for module in (head.first, *head.choose):
        nn.init.zeros_(module.weight)
        nn.init.zeros_(module.bias)
    losses = head.losses(*batch())
    torch.testing.assert_close(losses, torch.tensor([math.log(size) for size in SCHEME.vocabulary]))


def test_a_token_depends_on_those_before_it_and_no_other(head):
    features, tokens = batch()
    before = head.losses(features, tokens)
    for changed in range(3):
        other = tokens.clone()
        other[:, changed] = (other[:, changed] + 1) % SCHEME.vocabulary[changed]
        after = head.losses(features, other)
        assert torch.equal(after[:changed], before[:changed])
        assert (after[changed:] != before[changed:]).all()


def test_it_learns_what_the_features_tell(head):
    features, tokens = batch()
    optimizer = torch.optim.Adam(head.parameters(), lr=0.05)
    first = head.losses(features, tokens).sum().item()
    for _ in range(30):
        optimizer.zero_grad()
        head.losses(features, tokens).sum().backward()
        optimizer.step()
    assert head.losses(features, tokens).sum().item() < first / 3
    assert all(parameter.grad is not None for parameter in head.parameters())
