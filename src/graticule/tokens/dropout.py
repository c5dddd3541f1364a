"""Dropout whose masks are cheap to draw.

On the CPU, torch draws a mask by one call of a random generator an entry, which takes a quarter of a training step in
bfloat16. Sixteen bits an entry are enough: four entries a call, and comparisons that the processor does many at once.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn

__all__ = ["Dropout", "dropout"]

_STEPS: Final = 1 << 16


def dropout(x: Tensor, share: float) -> Tensor:
    """`x` with about `share` of its entries set to zero, and the others divided by 1 - share.

    Drawn from torch's own generator. On the CPU the share is rounded to a multiple of 2**-16.
    """
    if share == 0:
        return x
    if x.device.type != "cpu":
        return nn.functional.dropout(x, share)
    words = torch.empty(-(-x.numel() // 4), dtype=torch.int64).random_(-(1 << 63), None)
    draws = words.view(torch.int16)[: x.numel()].view(x.shape)
    dropped = min(round(share * _STEPS), _STEPS - 1)
    # Written as int16: comparisons into booleans are not vectorised, nor is what multiplies by them.
    kept = torch.ge(draws, dropped - _STEPS // 2, out=torch.empty_like(draws))
    return x * kept.to(x.dtype).div_(1 - share)


class Dropout(nn.Dropout):
    """`dropout` as a layer that does nothing in evaluation."""

    def forward(self, x: Tensor) -> Tensor:
        """`(...)` to `(...)`."""
        return dropout(x, self.p) if self.training else x
