"""What a picture brings to a cell model: its own vectors, and the neighbours retrieved for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

__all__ = ["Neighbours", "Query"]

Index = slice | Tensor


@dataclass(frozen=True)
class Neighbours:
    """The K most similar gallery entries of each of B pictures, best first.

    Attributes:
        vectors: Name to `(B, K, D_name)`, the same names and widths as the query's.
        similarities: `(B, K)` float, cosine similarity to the query.
        lat_lon: `(B, K, 2)` float64, degrees.
        tokens: `(B, K, T)` int64, the cell tokens of `lat_lon` in the model's scheme.
        rows: `(B, K)` int64, of the gallery they were found in; None where that is not known.
    """

    vectors: Mapping[str, Tensor]
    similarities: Tensor
    lat_lon: Tensor
    tokens: Tensor
    rows: Tensor | None = None

    def __post_init__(self) -> None:
        leading = tuple(self.similarities.shape)
        if len(leading) != 2:
            raise ValueError(f"similarities must be (B, K), not {leading}.")
        for name, part in {**self.vectors, "lat_lon": self.lat_lon, "tokens": self.tokens}.items():
            if part.ndim != 3 or tuple(part.shape[:2]) != leading:
                raise ValueError(
                    f"neighbours' {name} is {tuple(part.shape)}, but similarities are {leading}."
                )

    def to(self, device: torch.device | str) -> Neighbours:
        """The same neighbours on another device."""
        return Neighbours(
            vectors={name: vector.to(device) for name, vector in self.vectors.items()},
            similarities=self.similarities.to(device),
            lat_lon=self.lat_lon.to(device),
            tokens=self.tokens.to(device),
            rows=None if self.rows is None else self.rows.to(device),
        )

    def __getitem__(self, index: Index) -> Neighbours:
        """The neighbours of some pictures: a slice or an index tensor over the batch."""
        return Neighbours(
            vectors={name: vector[index] for name, vector in self.vectors.items()},
            similarities=self.similarities[index],
            lat_lon=self.lat_lon[index],
            tokens=self.tokens[index],
            rows=None if self.rows is None else self.rows[index],
        )


@dataclass(frozen=True)
class Query:
    """B pictures, as a cell model sees them.

    Attributes:
        vectors: Name ("image", "location", "text", ...) to `(B, D_name)`.
        neighbours: What retrieval found for them; None where there was no retrieval.
    """

    vectors: Mapping[str, Tensor]
    neighbours: Neighbours | None = field(default=None)

    def __post_init__(self) -> None:
        sizes = {name: vector.shape[0] for name, vector in self.vectors.items()}
        if self.neighbours is not None:
            sizes["neighbours"] = self.neighbours.similarities.shape[0]
        if len(set(sizes.values())) != 1:
            raise ValueError(f"the parts of a query must count the same pictures, not {sizes}.")

    @property
    def batch_size(self) -> int:
        """The number of pictures, B."""
        return next(iter(self.vectors.values())).shape[0]

    def to(self, device: torch.device | str) -> Query:
        """The same query on another device."""
        return Query(
            vectors={name: vector.to(device) for name, vector in self.vectors.items()},
            neighbours=None if self.neighbours is None else self.neighbours.to(device),
        )

    def __getitem__(self, index: Index) -> Query:
        """Some of the pictures: a slice or an index tensor over the batch.

        Example:
            >>> query = Query({"image": torch.zeros(4, 8)})
            >>> query[1:3].batch_size
            2
        """
        return Query(
            vectors={name: vector[index] for name, vector in self.vectors.items()},
            neighbours=None if self.neighbours is None else self.neighbours[index],
        )
