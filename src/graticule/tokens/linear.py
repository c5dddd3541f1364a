"""Linear layers that train in float32 at the rate of the processor.

For the products of linear layers in float32 torch asks MKL, which takes twice as long as oneDNN on AMD processors; for
those in bfloat16 it asks oneDNN already. Sums differ in their last digits.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn

__all__ = ["Linear", "one_dnn"]


class Linear(nn.Linear):
    """`nn.Linear`, whose products oneDNN computes where it is trained in float32 on a CPU."""

    def forward(self, x: Tensor) -> Tensor:
        """`(..., n)` to `(..., m)`."""
        exact = x.dtype == torch.float32 and not torch.is_autocast_enabled(x.device.type)
        ours = self.training and exact and x.device.type == "cpu" and x.numel() and x.ndim > 1
        if ours and torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
            return cast(Tensor, _Product.apply(x, self.weight, self.bias))  # type: ignore[no-untyped-call]
        return super().forward(x)


class _Product(torch.autograd.Function):
    """x W' + b."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        x = x.contiguous()
        ctx.save_for_backward(x, weight)
        return one_dnn(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor, Tensor]:
        (x, weight), gradient = ctx.saved_tensors, gradient.contiguous()
        back = one_dnn(gradient, weight.T) if ctx.needs_input_grad[0] else None
        rows = gradient.flatten(0, -2)
        return back, one_dnn(rows.T, x.flatten(0, -2).T), rows.sum(0)


def one_dnn(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`(..., n)` times a matrix `(m, n)`, transposed, plus a bias `(m,)`: `(..., m)`. oneDNN must be there."""
    # What torch.compile puts in place of linear layers. A matrix must lie in order, or be the transpose of one that
    # does: with others oneDNN is a hundred times as slow.
    return cast(Tensor, torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], ""))
