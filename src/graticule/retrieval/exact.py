"""The exact index: every similarity is computed."""

from __future__ import annotations

import torch
from torch import Tensor

from graticule.errors import ConfigError

__all__ = ["ExactIndex"]


class ExactIndex:
    """Inner products with all N vectors, the k largest kept; fast enough up to some hundred thousand."""

    def __init__(self, vectors: Tensor, *, block: int = 256) -> None:
        self.vectors = vectors
        self._block = block

    def __len__(self) -> int:
        return len(self.vectors)

    def search(self, queries: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """The k most similar vectors of each query, best first.

        Args:
            queries: (B, D).
            k: at most N.

        Returns:
            Similarities (B, k) float32 and rows (B, k) int64.

        Raises:
            ConfigError: k is not between 1 and N, or the widths differ.
        """
        if not 1 <= k <= len(self.vectors):
            raise ConfigError(
                f"k: {k} neighbours of an index of {len(self.vectors)}; choose 1 to {len(self.vectors)}."
            )
        if queries.shape[-1] != self.vectors.shape[-1]:
            raise ConfigError(
                f"queries: {queries.shape[-1]} wide, but the index is {self.vectors.shape[-1]} wide; it was built "
                "with another encoder."
            )
        found = [(part @ self.vectors.T).topk(k, dim=1) for part in torch.split(queries, self._block)]
        return torch.cat([f.values for f in found]), torch.cat([f.indices for f in found])
