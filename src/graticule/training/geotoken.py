"""Training GeoToken on features that were computed once."""

from __future__ import annotations

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from graticule.decoding.greedy import greedy
from graticule.earth.distance import haversine_km
from graticule.errors import ConfigError
from graticule.evaluation.metrics import geoscore
from graticule.tokens.geotoken import GeoToken, GeoTokenConfig
from graticule.tokens.targets import soft_targets
from graticule.training.distributed import WHOLE, Part, device_of
from graticule.training.examples import Examples
from graticule.training.loop import step_generator
from graticule.training.stored import some

__all__ = ["GeoTokenTask", "GeoTokenTaskConfig"]

_ORDER = 5
"""The stream of random numbers for the order of pictures."""
_JUDGED_AT_ONCE = 256


class GeoTokenTaskConfig(BaseModel):
    """What GeoToken learns from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    geotoken: GeoTokenConfig
    batch: int = Field(default=512, ge=1)
    soft_scale: float = Field(default=0.04, ge=0)
    """Softness of the answers as a share of the cells' size; see `soft_targets`. 0 with floor 0: one-hot."""
    soft_floor_km: float = Field(default=4.0, ge=0)
    validation_rows: int = Field(default=4096, ge=1)
    seed: int = 0


class GeoTokenTask:
    """Teacher forcing over shuffled pictures.

    The batch of step i is a pure function of the seed and i: each epoch is a permutation of its own. The loss is a mean
    over its rows, so that processes may share them.
    """

    def __init__(self, config: GeoTokenTaskConfig, training: Examples, validation: Examples) -> None:
        """Prepare the data.

        Args:
            config: settings.
            training: to learn from.
            validation: to be judged on; `validation_rows` drawn of them are, the same ones every time.

        Raises:
            ConfigError: there are fewer training pictures than a batch holds.
        """
        if len(training) < config.batch:
            raise ConfigError(f"batch: {config.batch} of {len(training)} training pictures; choose fewer.")
        self.config = config
        torch.manual_seed(config.seed)
        self.model = GeoToken(config.geotoken)
        self._training = training
        self._validation = validation.only(some(len(validation), config.validation_rows))
        self._epoch: tuple[int, Tensor] | None = None

    def loss(self, step: int) -> tuple[Tensor, dict[str, float]]:
        """Cross-entropy of every token given those before it."""
        return self.part_loss(step, WHOLE)

    def part_loss(self, step: int, part: Part) -> tuple[Tensor, dict[str, float]]:
        """The same of one part of the step's batch."""
        config, scheme, device = self.config, self.model.scheme, device_of(self.model)
        rows = part.of(self._batch_rows(step))
        places = self._training.lat_lon[self._training.chosen[rows]].numpy()
        targets = None
        if config.soft_scale or config.soft_floor_km:
            soft = soft_targets(scheme, places, scale=config.soft_scale, floor_km=config.soft_floor_km)
            targets = [torch.from_numpy(target).to(device) for target in soft]
        query = self._training.query(scheme, rows).to(device)
        tokens = torch.from_numpy(scheme.encode(*places.T)).to(device)
        return self.model.loss(query, tokens, targets=targets), {}

    def validate(self) -> dict[str, float]:
        """Greedy answers to the validation split."""
        scheme, device = self.model.scheme, device_of(self.model)
        lat_lon = self._validation.places
        tokens = torch.from_numpy(scheme.encode(*lat_lon.T.numpy()))
        nats, points = 0.0, []
        for rows in torch.split(torch.arange(len(self._validation)), _JUDGED_AT_ONCE):
            query = self._validation.query(scheme, rows).to(device)
            nats += self.model.loss(query, tokens[rows].to(device)).item() * len(rows)
            points.append(greedy(self.model, query).lat_lon(scheme)[:, 0])
        km = haversine_km(*lat_lon.T.numpy(), *torch.cat(points).cpu().T.numpy())
        return {
            "score": float(np.mean(geoscore(km))),
            "nats": nats / len(lat_lon),
            "median_km": float(np.median(km)),
            "within_25": float(np.mean(km < 25)),
            "within_100": float(np.mean(km < 100)),
            "within_200": float(np.mean(km < 200)),
        }

    def _batch_rows(self, step: int) -> Tensor:
        size = self.config.batch
        epoch, place = divmod(step, len(self._training) // size)
        if self._epoch is None or self._epoch[0] != epoch:
            generator = step_generator(self.config.seed, epoch, stream=_ORDER)
            self._epoch = epoch, torch.randperm(len(self._training), generator=generator)
        return self._epoch[1][place * size : (place + 1) * size]
