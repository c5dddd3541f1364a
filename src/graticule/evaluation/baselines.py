"""What GeoToken must beat, on the same features: nearest neighbours, gallery retrieval, a flat classifier."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from graticule.earth import s2
from graticule.earth.distance import EARTH_RADIUS_KM, latlon_from_vectors, unit_vectors
from graticule.retrieval.contract import Index
from graticule.retrieval.gallery import Gallery

__all__ = [
    "FlatClassifier",
    "adaptive_cells",
    "mean_places",
    "neighbour_vote",
]


def neighbour_vote(
    aligned: Tensor,
    gallery: Gallery,
    index: Index,
    *,
    neighbours: int,
    bandwidth_km: float = 100.0,
    temperature: float = 0.03,
) -> Tensor:
    """The neighbour in the densest company: a kernel vote among the k nearest in feature space.

    With one neighbour this is 1-NN. Each neighbour weighs exp(similarity / temperature), and is scored by the
    weights around it under a kernel exp(-d / bandwidth) ([L]kNN's idea).

    Args:
        aligned: (B, D) unit vectors of the pictures.
        gallery: pictures whose places are known.
        index: over the gallery's vectors.
        neighbours: k.
        bandwidth_km: how far a neighbour's vote reaches.
        temperature: how fast votes fall with similarity.

    Returns:
        (B, 2) degrees.
    """
    similarities, rows = index.search(aligned, neighbours)
    lat_lon = gallery.lat_lon[rows]
    points = torch.from_numpy(unit_vectors(lat_lon[..., 0].numpy().ravel(), lat_lon[..., 1].numpy().ravel()))
    points = points.view(*rows.shape, 3)
    chord = torch.cdist(points, points)
    kernel = torch.exp(-2 * EARTH_RADIUS_KM * (chord / 2).clamp(max=1).asin() / bandwidth_km)
    weights = torch.softmax(similarities.double() / temperature, dim=-1)
    best = torch.einsum("bij,bj->bi", kernel, weights).argmax(dim=-1)
    return lat_lon[torch.arange(len(rows)), best]


class FlatClassifier(nn.Module):
    """One linear choice among cells that are small where pictures are many (PlaNet)."""

    lat_lon: Tensor

    def __init__(self, cells: int, feature_width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(feature_width, cells)
        self.register_buffer("lat_lon", torch.zeros(cells, 2, dtype=torch.float64))

    @classmethod
    def restored(cls, tensors: Mapping[str, Tensor]) -> FlatClassifier:
        """The classifier of stored tensors."""
        cells, width = tensors["linear.weight"].shape
        classifier = cls(cells, width)
        classifier.load_state_dict(dict(tensors))
        return classifier.eval()

    def forward(self, features: Tensor) -> Tensor:
        """(B, F) unit features -> (B, cells) logits."""
        logits: Tensor = self.linear(features * self.linear.in_features**0.5)
        return logits

    def answer(self, features: Tensor) -> Tensor:
        """(B, F) features -> (B, 2) degrees: the middle of the training pictures of the likeliest cell."""
        with torch.inference_mode():
            best = self(functional.normalize(features, dim=-1)).argmax(1)
        return self.lat_lon[best]


def adaptive_cells(
    lat_lon: np.ndarray, *, most: int, first_level: int = 0, last_level: int = 10
) -> np.ndarray:
    """Split cells until none holds more than `most` of the points (PlaNet, sec. 3).

    Args:
        lat_lon: (N, 2) degrees.
        most: points a cell may hold.
        first_level: level of the coarsest cells.
        last_level: cells of this level are not split.

    Returns:
        (N,) uint64, the cell of each point; empty cells do not appear.
    """
    leaves = s2.cell_ids(lat_lon[:, 0], lat_lon[:, 1])
    cells = s2.parent(leaves, first_level)
    for level in range(first_level + 1, last_level + 1):
        _, group, size = np.unique(cells, return_inverse=True, return_counts=True)
        crowded = (size > most)[group]
        if not crowded.any():
            break
        cells = np.where(crowded, s2.parent(leaves, level), cells)
    return cells


def mean_places(lat_lon: np.ndarray, group: np.ndarray, groups: int) -> np.ndarray:
    """(G, 2) degrees: the middle, on the sphere, of the points of each group."""
    total = np.zeros((groups, 3))
    np.add.at(total, group, unit_vectors(lat_lon[:, 0], lat_lon[:, 1]))
    return np.stack(latlon_from_vectors(total), axis=1)
