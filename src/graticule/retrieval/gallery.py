"""The gallery: known places, with what a picture taken there looks like."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from graticule.errors import ModelFormatError
from graticule.retrieval.contract import Index
from graticule.retrieval.exact import ExactIndex

__all__ = ["Gallery", "check_places"]


def check_places(lat_lon: Tensor, *, name: str) -> None:
    """See that a stored tensor holds places.

    Args:
        lat_lon: what should be (N, 2) degrees.
        name: of the file or folder, for the message.

    Raises:
        ModelFormatError: it is shaped otherwise, or one of them is not on Earth.
    """
    if lat_lon.ndim != 2 or lat_lon.shape[1] != 2 or not lat_lon.is_floating_point():
        raise ModelFormatError(f"{name}: lat_lon is {tuple(lat_lon.shape)}, not N x 2 degrees; get it anew.")
    # Least and most, rather than a comparison of each: millions lie on disk. NaN comes through both.
    least, most = (torch.aminmax(lat_lon, dim=0)) if len(lat_lon) else (torch.zeros(2),) * 2
    limits = torch.tensor([90.0, 180.0])
    if not bool((least >= -limits).all() and (most <= limits).all()):
        raise ModelFormatError(
            f"{name}: holds places that are not on Earth, from {least.tolist()} to {most.tolist()}; get it anew."
        )


@dataclass(frozen=True)
class Gallery:
    """N known places.

    Attributes:
        lat_lon: (N, 2) float64, degrees.
        vectors: (N, D) unit vectors in the alignment's space: of pictures taken at the places or, where there are
            coordinates alone (GeoCLIP), of the places. float32, or float16 mapped from disk where there are millions.
        built: an index that was built over the vectors; None: they are few enough to compare with all.
    """

    lat_lon: Tensor
    vectors: Tensor
    built: Index | None = None

    def __len__(self) -> int:
        return len(self.lat_lon)

    @property
    def index(self) -> Index:
        """What finds the vectors most like a query."""
        return ExactIndex(self.vectors) if self.built is None else self.built

    @property
    def large(self) -> bool:
        """Whether its vectors lie on disk and stay there."""
        return self.built is not None or self.vectors.dtype == torch.float16

    def shards(self, rows: int) -> Iterable[dict[str, Tensor]]:
        """Parts of at most so many rows, ready to be stored."""
        for start in range(0, len(self), rows):
            part = slice(start, start + rows)
            yield {"lat_lon": self.lat_lon[part], "vectors": self.vectors[part]}

    @classmethod
    def from_shards(cls, shards: Iterable[dict[str, Tensor]]) -> Gallery:
        """Put stored parts together again; vectors are made unit length, as storage rounds them."""
        parts = list(shards)
        vectors = torch.cat([part["vectors"] for part in parts])
        return cls(torch.cat([part["lat_lon"] for part in parts]), functional.normalize(vectors, dim=-1))
