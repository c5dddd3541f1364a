"""What decoding gives: candidate cells for each picture, with their probabilities."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from graticule.earth.cells import TokenScheme

__all__ = ["Candidates"]


@dataclass(frozen=True)
class Candidates:
    """W complete token sequences for each of B pictures, the most probable first.

    Attributes:
        tokens: `(B, W, T)` int64.
        token_log_probs: `(B, W, T)`, of each token given those before it, under the model itself.
        log_probs: `(B, W)`, of each sequence: the sum over its tokens.
    """

    tokens: Tensor
    token_log_probs: Tensor
    log_probs: Tensor

    def lat_lon(self, scheme: TokenScheme) -> Tensor:
        """The centres of the candidates' cells: `(B, W, 2)` float64, degrees, on the CPU.

        Args:
            scheme: The scheme of the model that was decoded.
        """
        lat, lon = scheme.centres(self.tokens.cpu().numpy())
        return torch.stack([torch.from_numpy(lat), torch.from_numpy(lon)], dim=-1)
