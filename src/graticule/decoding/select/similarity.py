"""The candidate whose place is most like the picture."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from graticule.alignment.contract import ImageLocationAlignment
from graticule.decoding.candidates import Candidates
from graticule.decoding.select.contract import answers_only
from graticule.earth.cells import TokenScheme
from graticule.errors import ConfigError
from graticule.tokens.query import Query

__all__ = ["Similarity"]


@dataclass(frozen=True)
class Similarity:
    """Cosine of the picture's location-aligned vector and each place's (GeoToken, sec. III-C), times the scale.

    The scale is what the alignment was trained with: under it, scores are logits of a softmax over places.

    Attributes:
        alignment: The one that made the pictures' location-aligned vectors.
    """

    alignment: ImageLocationAlignment

    @torch.no_grad()
    def __call__(self, query: Query, candidates: Candidates, scheme: TokenScheme) -> Tensor:
        """`(B, W)`; see `Selector`.

        Raises:
            ConfigError: The query has no location-aligned vectors.
        """
        pictures = query.vectors.get("location")
        if pictures is None:
            raise ConfigError(
                "selector similarity: the query brings no vectors called location; choose another."
            )
        lat_lon = candidates.lat_lon(scheme)
        places = self.alignment.locations(lat_lon.flatten(0, 1).to(pictures.device))
        places = places.view(*lat_lon.shape[:2], places.shape[-1])
        cosine = torch.einsum("bd,bwd->bw", functional.normalize(pictures.float(), dim=-1), places)
        return answers_only(self.alignment.scale * cosine, candidates)
