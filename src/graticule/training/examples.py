"""Pictures to learn from, each with its neighbours in a gallery.

Neighbours are looked up once: by a search, for pictures that are not in the gallery, or by `graticule index`, which
leaves out a picture's own row and its near-duplicates. A step gathers its batch from what is in memory or on disk.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from graticule.alignment.contract import ImageLocationAlignment
from graticule.earth.cells import TokenScheme
from graticule.errors import ConfigError
from graticule.retrieval.gallery import Gallery
from graticule.tokens.assembly import end_to_end, neighbours_of, picture_vectors
from graticule.tokens.query import Query
from graticule.training.stored import Rows

__all__ = ["Examples", "gallery_widths"]

_AT_ONCE = 8192
_COMPARED = 64
_SAME = 0.99


@dataclass(frozen=True)
class Examples:
    """M of N pictures with known places.

    Attributes:
        features: (N, F) float16.
        lat_lon: (N, 2) float64, degrees.
        rows: (N, K) of the gallery, best first.
        similarities: (N, K).
        alignment: makes vectors of the features.
        gallery: where the rows are.
        widths: name and width of each space that the gallery's vectors hold; see `neighbours_of`.
        chosen: (M,) of the N.
        shown: the gallery that neighbours' vectors are taken from, where they are to be had otherwise than mapped;
            None: the gallery itself.
    """

    features: Rows
    lat_lon: Tensor
    rows: Tensor
    similarities: Tensor
    alignment: ImageLocationAlignment
    gallery: Gallery
    widths: dict[str, int]
    chosen: Tensor
    shown: Gallery | None = None

    @classmethod
    def looked_up(
        cls,
        features: Tensor,
        lat_lon: Tensor,
        *,
        alignment: ImageLocationAlignment,
        gallery: Gallery,
        neighbours: int,
        widths: dict[str, int] | None = None,
    ) -> Examples:
        """Pictures that are not in the gallery, with what a search finds for each.

        Args:
            features: (N, F).
            lat_lon: (N, 2) degrees.
            alignment: its vectors are searched for.
            gallery: holds such vectors.
            neighbours: K.
            widths: name and width of each space that they hold; None: location vectors.
        """
        widths = widths or {"location": gallery.vectors.shape[1]}
        found = []
        with torch.no_grad():
            for part in torch.split(features, _AT_ONCE):
                vectors = picture_vectors(alignment, part.float())
                found.append(gallery.index.search(end_to_end(vectors, list(widths)), neighbours))
        return cls(
            features,
            lat_lon,
            rows=torch.cat([rows for _, rows in found]),
            similarities=torch.cat([similarities for similarities, _ in found]),
            alignment=alignment,
            gallery=gallery,
            widths=widths,
            chosen=torch.arange(len(features)),
        )

    def __len__(self) -> int:
        return len(self.chosen)

    def only(self, chosen: Tensor) -> Examples:
        """(L,) of the M; what is on disk stays there."""
        return replace(self, chosen=self.chosen[chosen])

    @property
    def places(self) -> Tensor:
        """(M, 2) float64, degrees."""
        return self.lat_lon[self.chosen]

    def query_widths(self) -> dict[str, int]:
        """Name and width of each vector of a picture itself."""
        with torch.no_grad():
            vectors = picture_vectors(self.alignment, self.features[torch.arange(1)].float())
        return {name: vector.shape[1] for name, vector in vectors.items()}

    def query(self, scheme: TokenScheme, chosen: Tensor) -> Query:
        """What a cell model is told of some: (B,) of the M."""
        numbers = self.chosen[chosen]
        with torch.no_grad(), torch.autocast("cpu", enabled=False):
            vectors = picture_vectors(self.alignment, self.features[numbers].float())
            neighbours = neighbours_of(
                self.shown or self.gallery,
                scheme,
                widths=self.widths,
                rows=self.rows[numbers].long(),
                similarities=self.similarities[numbers].float(),
            )
        return Query(vectors, neighbours)


def gallery_widths(alignment: ImageLocationAlignment, features: Rows, gallery: Gallery) -> dict[str, int]:
    """Which spaces the vectors of a gallery hold, told by comparing: name -> width, in order.

    Args:
        alignment: makes vectors of features.
        features: (N, F) of the pictures that the gallery is of, in the same order.
        gallery: of N rows.

    Raises:
        ConfigError: they are not vectors of these pictures by this alignment.
    """
    with torch.no_grad():
        vectors = picture_vectors(alignment, features[torch.arange(min(_COMPARED, len(gallery)))].float())
    held = gallery.vectors[:_COMPARED].float()
    for names in (["location"], list(vectors)):
        expected = end_to_end(vectors, names)
        if expected.shape == held.shape and (expected * held).sum(-1).min() > _SAME:
            return {name: vectors[name].shape[1] for name in names}
    raise ConfigError(
        "index: its vectors are not those of these features by this alignment; make it by `graticule index "
        "FEATURES --alignment DIR` with the same two, and either no --spaces or all."
    )
