"""A training aid: from the features alone, name the cell, coarse to fine."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from graticule.earth.cells import TokenScheme

__all__ = ["CellHead"]


class CellHead(nn.Module):
    """A flat choice of the first token, then one small step for each further token, given the true prefix.

    It teaches the encoder what a contrastive loss learns slowly; it is not part of the finished model.
    """

    def __init__(self, feature_width: int, scheme: TokenScheme, *, hidden: int = 512) -> None:
        super().__init__()
        first, *rest = scheme.vocabulary
        self.first = nn.Linear(feature_width, first)
        self.looks = nn.ModuleList(nn.Linear(feature_width, hidden) for _ in rest)
        self.places = nn.ModuleList(nn.Embedding(first, hidden) for _ in rest)
        self.steps = nn.ModuleList(
            nn.ModuleList(nn.Embedding(size, hidden) for size in rest[:done]) for done in range(len(rest))
        )
        self.choose = nn.ModuleList(nn.Linear(hidden, size) for size in rest)
        for table in self.modules():
            if isinstance(table, nn.Embedding):
                nn.init.normal_(table.weight, std=0.1)

    def losses(self, features: Tensor, tokens: Tensor) -> Tensor:
        """Cross-entropy of each token.

        Args:
            features: (B, feature_width).
            tokens: (B, T) of the scheme.

        Returns:
            (T,) means over the batch.
        """
        out = [functional.cross_entropy(self.first(features).float(), tokens[:, 0], label_smoothing=0.05)]
        for done, look in enumerate(self.looks):
            inner = look(features) + self.places[done](tokens[:, 0])
            for step, table in enumerate(cast(nn.ModuleList, self.steps[done])):
                inner = inner + table(tokens[:, step + 1])
            logits = self.choose[done](functional.relu(inner))
            out.append(functional.cross_entropy(logits.float(), tokens[:, done + 1]))
        return torch.stack(out)
