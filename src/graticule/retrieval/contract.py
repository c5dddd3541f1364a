"""What every index promises."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import Tensor

__all__ = ["Index"]


@runtime_checkable
class Index(Protocol):
    """The most similar gallery rows of each query."""

    def __len__(self) -> int:
        """N, the rows it searches."""
        ...

    def search(self, queries: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """(B, D) queries -> similarities (B, k) and rows (B, k), best first."""
        ...
