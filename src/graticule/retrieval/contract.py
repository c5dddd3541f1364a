"""What every index promises."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import Tensor

from graticule.errors import ConfigError

__all__ = ["Index", "check_search"]


@runtime_checkable
class Index(Protocol):
    """The most similar gallery rows of each query."""

    def __len__(self) -> int:
        """N, the rows it searches."""
        ...

    def search(self, queries: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """(B, D) queries -> similarities (B, k) and rows (B, k), best first."""
        ...


def check_search(vectors: Tensor, queries: Tensor, k: int) -> None:
    """See that k of the (N, D) vectors can be found for (B, D) queries.

    Raises:
        ConfigError: k is not between 1 and N, or the widths differ.
    """
    if not 1 <= k <= len(vectors):
        raise ConfigError(f"k: {k} neighbours of an index of {len(vectors)}; choose 1 to {len(vectors)}.")
    if queries.shape[-1] != vectors.shape[-1]:
        raise ConfigError(
            f"queries: {queries.shape[-1]} wide, but the index is {vectors.shape[-1]} wide; it was built "
            "with another encoder."
        )
