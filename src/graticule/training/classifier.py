"""The flat baseline, trained on the same features as GeoToken."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from graticule.earth.distance import haversine_km
from graticule.evaluation.baselines import FlatClassifier, adaptive_cells, mean_places
from graticule.evaluation.metrics import geoscore
from graticule.training.loop import step_generator

__all__ = ["ClassifierTask"]


class ClassifierTask:
    """Cross-entropy over adaptive cells (PlaNet)."""

    def __init__(
        self,
        training: tuple[Tensor, Tensor],
        validation: tuple[Tensor, Tensor],
        *,
        most: int,
        batch: int = 1024,
        seed: int = 0,
    ) -> None:
        """Split the Earth and prepare the data.

        Args:
            training: features (N, F) and places (N, 2) degrees.
            validation: the same of the validation split.
            most: training pictures a cell may hold.
            batch: pictures a step.
            seed: of the weights and the order.
        """
        self._features, lat_lon = training
        self._validation = validation
        self._batch, self._seed = batch, seed
        names, group = np.unique(adaptive_cells(lat_lon.numpy(), most=most), return_inverse=True)
        self._cells = torch.from_numpy(group)
        torch.manual_seed(seed)
        self.model = FlatClassifier(len(names), self._features.shape[1])
        self.model.lat_lon.copy_(torch.from_numpy(mean_places(lat_lon.numpy(), group, len(names))))

    def loss(self, step: int) -> tuple[Tensor, dict[str, float]]:
        """Cross-entropy of the true cells."""
        rows = torch.randint(
            len(self._features), (self._batch,), generator=step_generator(self._seed, step, stream=6)
        )
        logits = self.model(functional.normalize(self._features[rows].float(), dim=-1))
        return functional.cross_entropy(logits.float(), self._cells[rows]), {}

    def validate(self) -> dict[str, float]:
        """Accuracy of the likeliest cell's middle."""
        features, lat_lon = self._validation
        km = haversine_km(*lat_lon.T.numpy(), *self.model.answer(features.float()).numpy().T)
        return {
            "score": float(np.mean(geoscore(km))),
            "median_km": float(np.median(km)),
            "within_25": float(np.mean(km < 25)),
            "within_200": float(np.mean(km < 200)),
        }
