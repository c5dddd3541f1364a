"""Cheap masks are as good as torch's: the right share, independent, and drawn from its generator."""

import pytest
import torch

from graticule.tokens.dropout import Dropout, dropout


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_the_share_is_dropped_and_the_others_are_scaled(share, dtype):
    torch.manual_seed(0)
    out = dropout(torch.ones(400, 1001, dtype=dtype), share)
    kept = out != 0
    deviation = (share * (1 - share) / out.numel()) ** 0.5
    assert abs(1 - kept.float().mean().item() - share) < 5 * deviation
    assert out[kept].unique().tolist() == pytest.approx([1 / (1 - share)], rel=4e-3)
    # Neither rows, columns, nor the four entries that one number serves go together.
    for step in (1, 2, 3, 4, 1001):
        pairs = kept.flatten()[step:] & kept.flatten()[:-step]
        assert abs(pairs.float().mean().item() - (1 - share) ** 2) < 0.01


def test_gradients_pass_where_entries_were_kept():
    x = torch.randn(7, 3, requires_grad=True)
    out = dropout(x, 0.5)
    out.sum().backward()
    torch.testing.assert_close(x.grad * x, out)


def test_one_seed_one_mask_and_evaluation_leaves_all():
    layer, x = Dropout(0.3), torch.randn(5, 9)
    outs = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        outs.append(layer(x))
    assert torch.equal(outs[0], outs[1])
    assert not torch.equal(outs[0], outs[2])
    assert layer.eval()(x) is x
    assert dropout(x, 0.0) is x
