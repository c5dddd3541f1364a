"""Training GeoToken on features that were computed once."""

from __future__ import annotations

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from graticule.decoding.greedy import greedy
from graticule.earth.distance import haversine_km
from graticule.errors import ConfigError
from graticule.evaluation.metrics import geoscore
from graticule.model import Model
from graticule.tokens.geotoken import GeoToken, GeoTokenConfig
from graticule.tokens.query import Query
from graticule.tokens.targets import soft_targets
from graticule.training.loop import step_generator

__all__ = ["GeoTokenTask", "GeoTokenTaskConfig"]


class GeoTokenTaskConfig(BaseModel):
    """What GeoToken learns from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    geotoken: GeoTokenConfig
    batch: int = 512
    soft_scale: float = 0.04
    """Softness of the answers as a share of the cells' size; see `soft_targets`. 0 with floor 0: one-hot."""
    soft_floor_km: float = 4.0
    validation_rows: int = 4096
    seed: int = 0


class GeoTokenTask:
    """Teacher forcing over shuffled features, with neighbours looked up once at the start.

    The batch of step i is a pure function of the seed and i: each epoch is a permutation of its own.
    """

    def __init__(
        self,
        config: GeoTokenTaskConfig,
        base: Model,
        training: tuple[Tensor, Tensor],
        validation: tuple[Tensor, Tensor],
    ) -> None:
        """Prepare the data.

        Args:
            config: settings.
            base: brings alignment, gallery and index; its own geotoken is left alone.
            training: features (N, F) float16 and places (N, 2) degrees, none of them in the gallery.
            validation: the same of the validation split.

        Raises:
            ConfigError: there are fewer training pictures than a batch holds.
        """
        if len(training[0]) < config.batch:
            raise ConfigError(f"batch: {config.batch} of {len(training[0])} training pictures; choose fewer.")
        self.config, self.base = config, base
        torch.manual_seed(config.seed)
        self.model = GeoToken(config.geotoken)
        self._features, self._lat_lon = training
        self._validation = validation
        self._aligned, self._similarities, self._rows = self._retrieve(self._features)
        self._tokens = torch.from_numpy(self.model.scheme.encode(*self._lat_lon.T.numpy()))

    def loss(self, step: int) -> tuple[Tensor, dict[str, float]]:
        """Cross-entropy of every token given those before it."""
        config = self.config
        rows = self._batch_rows(step)
        query = self._query(self._features, self._aligned, self._similarities, self._rows, rows)
        targets = None
        if config.soft_scale or config.soft_floor_km:
            places = self._lat_lon[rows].numpy()
            soft = soft_targets(
                self.model.scheme, places, scale=config.soft_scale, floor_km=config.soft_floor_km
            )
            targets = [torch.from_numpy(part) for part in soft]
        # Memories are short: on the CPU the fused kernel's backward pass takes twice as long as the plain one's.
        with sdpa_kernel(SDPBackend.MATH):
            return self.model.loss(query, self._tokens[rows], targets=targets), {}

    def validate(self) -> dict[str, float]:
        """Greedy answers to the validation split."""
        features, lat_lon = (part[: self.config.validation_rows] for part in self._validation)
        aligned, similarities, rows = self._retrieve(features)
        everything = torch.arange(len(features))
        query = self._query(features, aligned, similarities, rows, everything)
        tokens = self.model.scheme.encode(*lat_lon.T.numpy())
        loss = self.model.loss(query, torch.from_numpy(tokens))
        points = greedy(self.model, query).lat_lon(self.model.scheme)[:, 0]
        km = haversine_km(*lat_lon.T.numpy(), *points.T.numpy())
        return {
            "score": float(np.mean(geoscore(km))),
            "nats": float(loss),
            "median_km": float(np.median(km)),
            "within_25": float(np.mean(km < 25)),
            "within_100": float(np.mean(km < 100)),
            "within_200": float(np.mean(km < 200)),
        }

    def _batch_rows(self, step: int) -> Tensor:
        size = self.config.batch
        batches = len(self._features) // size
        epoch, place = divmod(step, batches)
        order = torch.randperm(
            len(self._features), generator=step_generator(self.config.seed, epoch, stream=5)
        )
        return order[place * size : (place + 1) * size]

    def _retrieve(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        with torch.no_grad():
            aligned = torch.cat(
                [self.base.alignment.images(part.float()) for part in torch.split(features, 8192)]
            )
        similarities, rows = self.base.index.search(aligned, self.config.geotoken.neighbours)
        return aligned, similarities, rows

    def _query(
        self, features: Tensor, aligned: Tensor, similarities: Tensor, rows: Tensor, chosen: Tensor
    ) -> Query:
        image = functional.normalize(features[chosen].float(), dim=-1)
        neighbours = self.base.neighbours(similarities[chosen], rows[chosen])
        return Query({"image": image, "location": aligned[chosen]}, neighbours)
