"""What decoding gives: candidate cells for each picture, with their probabilities."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from graticule.earth.cells import TokenScheme

__all__ = ["Candidates", "ChildMask", "inside"]


class ChildMask(Protocol):
    """Which cells a traversal may enter."""

    def children(self, prefixes: Tensor) -> Tensor:
        """Which children of each prefix may be entered; none of a prefix that may not itself.

        Args:
            prefixes: `(B, W, t)` int64.

        Returns:
            `(B, W, V_t)` bool.
        """
        ...


@dataclass(frozen=True)
class Candidates:
    """W token sequences of equal length for each of B pictures, the most probable first.

    A picture that has fewer than W candidates has its surplus entries last, with a log-probability of -inf:
    such an entry is no answer.

    Attributes:
        tokens: `(B, W, T)` int64.
        token_log_probs: `(B, W, T)`, of each token given those before it, under the model itself.
        log_probs: `(B, W)`, of each sequence: the sum over its tokens.
        counts: `(B, W)` int64, how often each was drawn; None where nothing was drawn, or each once.
    """

    tokens: Tensor
    token_log_probs: Tensor
    log_probs: Tensor
    counts: Tensor | None = None

    @classmethod
    def empty_prefix(cls, log_probs: Tensor) -> Candidates:
        """Where every search begins: one prefix a picture, of no tokens and probability 1.

        Args:
            log_probs: `(B, 1, V_0)`, of the first token: they say the number of pictures, type and device.
        """
        none = log_probs.new_empty(len(log_probs), 1, 0)
        return cls(torch.empty_like(none, dtype=torch.int64), none, none.sum(-1))

    def extended(self, log_probs: Tensor, chosen: Tensor) -> Candidates:
        """These prefixes, some of them continued by one token.

        Args:
            log_probs: `(B, W, V)`, of every child of every prefix.
            chosen: `(B, W')` int64, the children to keep: V * prefix + token.
        """
        pictures = torch.arange(len(chosen), device=chosen.device).unsqueeze(1)
        parents, token = chosen // log_probs.shape[-1], chosen % log_probs.shape[-1]
        latest = log_probs[pictures, parents, token]
        return Candidates(
            tokens=torch.cat([self.tokens[pictures, parents], token.unsqueeze(-1)], dim=-1),
            token_log_probs=torch.cat(
                [self.token_log_probs[pictures, parents], latest.unsqueeze(-1)], dim=-1
            ),
            log_probs=self.log_probs[pictures, parents] + latest,
        )

    def ranked(self) -> Candidates:
        """The same candidates, the most probable first."""
        log_probs, order = self.log_probs.sort(dim=1, descending=True, stable=True)
        whole = order.unsqueeze(-1).expand_as(self.tokens)
        return Candidates(
            tokens=self.tokens.gather(1, whole),
            token_log_probs=self.token_log_probs.gather(1, whole),
            log_probs=log_probs,
            counts=None if self.counts is None else self.counts.gather(1, order),
        )

    def best(self, width: int) -> Candidates:
        """The first `width` candidates of each picture, or all if there are fewer."""
        return replace(
            self,
            tokens=self.tokens[:, :width],
            token_log_probs=self.token_log_probs[:, :width],
            log_probs=self.log_probs[:, :width],
            counts=None if self.counts is None else self.counts[:, :width],
        )

    def lat_lon(self, scheme: TokenScheme) -> Tensor:
        """The centres of the candidates' cells: `(B, W, 2)` float64, degrees, on the CPU.

        Args:
            scheme: The scheme of the model that was decoded.
        """
        lat, lon = scheme.centres(self.tokens.cpu().numpy())
        return torch.stack([torch.from_numpy(lat), torch.from_numpy(lon)], dim=-1)


def inside(log_probs: Tensor, prefixes: Tensor, *, mask: ChildMask | None) -> Tensor:
    """The model's own log-probabilities where the mask lets one go, -inf elsewhere.

    They are not normalised again: their sum over the leaves is the probability of what the mask leaves.

    Args:
        log_probs: `(B, W, V_t)`, of the children of each prefix.
        prefixes: `(B, W, t)` int64.
        mask: None for all of the Earth.

    Returns:
        `(B, W, V_t)`.
    """
    return log_probs if mask is None else log_probs.masked_fill(~mask.children(prefixes), -torch.inf)
