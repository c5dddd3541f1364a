"""The exact index: every similarity is computed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from graticule.retrieval.contract import check_search

__all__ = ["ExactIndex", "ExactIndexConfig", "blocks"]

_NUMBERS_AT_ONCE: Final = 4_194_304
"""Of the vectors, as float32: 16 MB stay in a processor's cache while they are used."""


class ExactIndexConfig(BaseModel):
    """There is nothing to set."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["exact"] = "exact"


def blocks(vectors: Tensor) -> Iterator[tuple[int, Tensor]]:
    """(N, D) vectors as they are stored, some at a time: the first row of each block, and the block as float32."""
    size = max(1, _NUMBERS_AT_ONCE // max(1, vectors.shape[1]))
    for start in range(0, len(vectors), size):
        yield start, vectors[start : start + size].float()


class ExactIndex:
    """Inner products with all N vectors, the k largest kept; fast enough up to some hundred thousand.

    Vectors stay as they are stored, in float16 or on disk: a block at a time is made float32 and compared. Memory
    does not grow with N.
    """

    def __init__(self, vectors: Tensor, *, block: int = 256) -> None:
        """Search (N, D) vectors, for so many queries at a time."""
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
        check_search(self.vectors, queries, k)
        found = [self._found(part, k) for part in torch.split(queries, self._block)]
        return torch.cat([values for values, _ in found]), torch.cat([rows for _, rows in found])

    def _found(self, queries: Tensor, k: int) -> tuple[Tensor, Tensor]:
        queries = queries.float()
        best, rows = queries.new_empty(len(queries), 0), queries.new_empty(len(queries), 0, dtype=torch.int64)
        for start, block in blocks(self.vectors):
            similarities = queries @ block.T
            here, places = similarities.topk(min(k, similarities.shape[1]), dim=1)
            best, rows = torch.cat([best, here], dim=1), torch.cat([rows, places + start], dim=1)
            best, kept = best.topk(min(k, best.shape[1]), dim=1)
            rows = rows.gather(1, kept)
        return best, rows
