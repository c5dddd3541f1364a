"""What a cell model is told of pictures: put together from an alignment and a gallery."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from graticule.alignment.contract import ImageLocationAlignment
from graticule.alignment.spaces import SpacesAlignment
from graticule.earth.cells import TokenScheme
from graticule.retrieval.gallery import Gallery
from graticule.tokens.query import Neighbours

__all__ = ["end_to_end", "neighbours_of", "picture_vectors"]


def picture_vectors(alignment: ImageLocationAlignment, features: Tensor) -> dict[str, Tensor]:
    """(B, F) features of pictures -> name of each space to unit vectors (B, D)."""
    if isinstance(alignment, SpacesAlignment):
        return alignment.vectors(features)
    return {"image": functional.normalize(features, dim=-1), "location": alignment.images(features)}


def end_to_end(vectors: Mapping[str, Tensor], names: Sequence[str]) -> Tensor:
    """Unit vectors of some spaces as one (B, sum of their widths), as `SpacesAlignment.index_vectors` makes it."""
    return torch.cat([vectors[name] for name in names], dim=-1) / math.sqrt(len(names))


def neighbours_of(
    gallery: Gallery,
    scheme: TokenScheme,
    *,
    widths: Mapping[str, int],
    rows: Tensor,
    similarities: Tensor,
) -> Neighbours:
    """Gallery rows as a cell model sees them: one gather from the gallery, wherever it lies.

    Args:
        gallery: of N places.
        scheme: how places become tokens.
        widths: name and width of each space whose vectors the gallery's hold end to end, in order; as
            `SpacesAlignment.index_vectors` makes them, each is shorter by the root of their number.
        rows: (B, K) of the gallery.
        similarities: (B, K).
    """
    held = gallery.vectors[rows].float() * math.sqrt(len(widths))
    lat_lon = gallery.lat_lon[rows]
    tokens = scheme.encode(*lat_lon.flatten(0, 1).T.numpy())
    return Neighbours(
        vectors=dict(zip(widths, torch.split(held, list(widths.values()), dim=-1), strict=True)),
        similarities=similarities,
        lat_lon=lat_lon,
        tokens=torch.from_numpy(tokens).view(*rows.shape, -1),
        rows=rows,
    )
