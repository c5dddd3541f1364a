"""Alignment on features that were computed once: GeoCLIP's setting, with any policy for its negatives."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import cast

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from graticule.alignment.loss import info_nce, scattered, surroundings
from graticule.alignment.model import Alignment, AlignmentConfig
from graticule.alignment.policies import POLICIES, PolicyConfig, pairs_of, reweigh
from graticule.alignment.queue import LocationQueue
from graticule.earth import s2
from graticule.earth.distance import haversine_km
from graticule.earth.variogram import Kind, MonotoneModel, VariogramModel, fit_variogram
from graticule.errors import ConfigError
from graticule.evaluation.metrics import geoscore
from graticule.registry import ALIGNMENTS
from graticule.training.distributed import device_of, spread
from graticule.training.loop import step_generator
from graticule.training.stored import Rows, some

__all__ = ["FrozenAlignConfig", "FrozenAlignTask", "FrozenLearner", "retrieved_km"]

RETRIEVAL_KM = (25, 50, 100, 200, 750)
"""Within which retrieval counts answers."""

_CURVE_POINTS, _CURVE_KM = 256, (1.0, 10_000.0)
"""How a fitted semivariogram is kept: fine enough that what lies between two points is a straight line."""

_FIT_ROWS = 262_144
"""Training pictures that a semivariogram is fitted to, at most: so many are held in memory for it."""

_ORDER, _NOISE, _POLICY = 11, 12, 13
"""Streams of random numbers: what one policy draws must not move another's batches."""


class FrozenAlignConfig(BaseModel):
    """What alignment learns from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    alignment: AlignmentConfig
    policy: PolicyConfig = PolicyConfig()
    policy_steps: int | None = None
    """Steps for which the policy holds; the rest is plain InfoNCE. None: all."""
    batch: int = 512
    group: int = 1
    """Pictures that come into a batch together: runs along the Hilbert curve. 1: a batch is from all over the world,
    and two of its places are seldom within 100 km."""
    queue: int = 4096
    local: int = 0
    """Wrong answers drawn around each right one, at `local_km`: places without pictures, which no policy weighs."""
    local_km: tuple[float, float] = (12.0, 400.0)
    batch_noise_m: float = 150.0
    """Standard deviation of the noise on the batch's coordinates (GeoCLIP)."""
    queue_noise_m: float = 1000.0
    """The same for queued coordinates."""
    variogram: Kind = "monotone"
    """The model of the semivariogram."""
    variogram_pairs: int = 4_000_000
    """Pairs drawn for each fit, alike from all lags."""
    refit_every: int | None = None
    """None: semivariogram and dissimilarities are of the frozen features, fitted once. A number: they are of the
    aligned vectors, which move, and the fit is made anew after so many steps."""
    refit_rows: int = 16_384
    seed: int = 0
    validation_rows: int = 8192
    """How many of the validation split are looked up, at most; drawn, the same ones every time."""


class FrozenLearner(nn.Module):
    """What is trained, the queue, and the semivariogram in use."""

    def __init__(self, config: FrozenAlignConfig) -> None:
        super().__init__()
        self.alignment: Alignment = ALIGNMENTS.build(config.alignment)
        self.queue = LocationQueue(config.queue, feature_width=config.alignment.feature_width)
        self.register_buffer("curve", torch.zeros(_CURVE_POINTS, 2, dtype=torch.float64))

    @property
    def variogram(self) -> VariogramModel:
        """The semivariogram, from its points; being a buffer, it is saved in checkpoints."""
        lags, values = cast(Tensor, self.curve).T.tolist()
        return MonotoneModel(tuple(lags), tuple(values))

    def keep(self, fitted: VariogramModel) -> None:
        """Take a fitted semivariogram into use."""
        lags = np.geomspace(_CURVE_KM[0], _CURVE_KM[1], _CURVE_POINTS)
        points = np.stack([lags, np.maximum.accumulate(fitted.gamma(lags))], axis=1)
        cast(Tensor, self.curve).copy_(torch.from_numpy(points))


class FrozenAlignTask:
    """An image head and a location encoder on frozen features.

    Batches, noise and first weights are functions of seed and step alone, so that runs with different policies see
    the same data in the same order. With several processes each encodes a share of a step's pictures and places, and
    all compute the loss of them all.
    """

    def __init__(
        self,
        config: FrozenAlignConfig,
        training: tuple[Rows, Tensor],
        validation: tuple[Rows, Tensor],
    ) -> None:
        """Prepare the data.

        Args:
            config: settings.
            training: features (N, F), which may stay on disk, and places (N, 2) degrees.
            validation: the same of the validation split.

        Raises:
            ConfigError: there are fewer training pictures than a batch holds.
        """
        if len(training[0]) < config.batch + config.group:
            raise ConfigError(f"batch: {config.batch} of {len(training[0])} training pictures; choose fewer.")
        self.config = config
        torch.manual_seed(config.seed)
        self.model = FrozenLearner(config)
        self._features, self._lat_lon = training
        self._curve = torch.from_numpy(np.argsort(s2.cell_ids(*training[1].T.numpy()), kind="stable"))
        self._validation = validation
        self._gallery = training[1]
        self._epoch: tuple[int, Tensor] | None = None
        self._read: tuple[int, Tensor, Tensor] | None = None
        if POLICIES[config.policy.name].needs_variogram and config.refit_every is None:
            rows = some(len(self._lat_lon), _FIT_ROWS)
            self.model.keep(self._fitted(self._features[rows], self._lat_lon[rows]))

    def loss(self, step: int) -> tuple[Tensor, dict[str, float]]:
        """InfoNCE from pictures to places, the negatives weighed by the policy."""
        config, alignment, queue = self.config, self.model.alignment, self.model.queue
        features, clean = self._batch(step)
        noise = step_generator(config.seed, step, stream=_NOISE)
        own = scattered(clean, sigma_m=config.batch_noise_m, generator=noise)
        queued = scattered(queue.past().cpu(), sigma_m=config.queue_noise_m, generator=noise)
        around = surroundings(clean, config.local, within_km=config.local_km, generator=noise)
        places = spread(
            alignment.locations, torch.cat([own, queued, around.flatten(0, 1)]).to(features.device)
        )
        right, past, local = torch.split(places, [len(own), len(queued), around.shape[0] * config.local])
        clean = clean.to(features.device)
        loss = info_nce(
            spread(alignment.images, features),
            right,
            scale=alignment.scale,
            past=past,
            local=local.view(*around.shape[:2], places.shape[1]),
            reweigh=self._policy(step, features, clean),
        )
        queue.push(clean, features)
        return loss, {}

    def _policy(self, step: int, features: Tensor, clean: Tensor) -> Callable[[Tensor], Tensor] | None:
        """The policy, bound to what is known of this batch and of the queue as it stands."""
        config, queue = self.config, self.model.queue
        if config.policy.name == "none" or (config.policy_steps is not None and step >= config.policy_steps):
            return None
        if config.refit_every is not None:
            if step % config.refit_every == 0:
                chosen = torch.randperm(
                    len(self._curve), generator=step_generator(config.seed, step, stream=_POLICY)
                )
                rows = chosen[: config.refit_rows]
                self.model.keep(self._fitted(self._moved(self._features[rows]), self._lat_lon[rows]))
            looks, queued = self._moved(features), self._moved(queue.features())
        else:
            looks, queued = features, queue.features()
        pairs = pairs_of(looks, clean, (queued, queue.past()))
        return partial(
            reweigh,
            pairs=pairs,
            config=config.policy,
            variogram=self.model.variogram if POLICIES[config.policy.name].needs_variogram else None,
            generator=step_generator(config.seed, step, stream=_POLICY + 1),
        )

    @torch.no_grad()
    def _moved(self, features: Tensor) -> Tensor:
        return spread(self.model.alignment.images, features.to(device_of(self.model)).float())

    def _fitted(self, features: Tensor, lat_lon: Tensor) -> VariogramModel:
        """Fitted to the training split alone, at clean coordinates, by pairs drawn alike from all lags."""
        fit = fit_variogram(
            features,
            lat_lon,
            model=self.config.variogram,
            bins=40,
            max_km=_CURVE_KM[1],
            pairs=self.config.variogram_pairs,
            replicates=0,
            seed=self.config.seed,
        )
        return fit.model

    def validate(self) -> dict[str, float]:
        """Gallery retrieval of validation pictures among the places of the training pictures."""
        # Of all shards: the first rows can be of one country.
        chosen = some(len(self._validation[1]), self.config.validation_rows)
        features, lat_lon = self._validation[0][chosen], self._validation[1][chosen]
        km = retrieved_km(self.model.alignment, features, lat_lon, self._gallery)
        return {
            "score": float(np.mean(geoscore(km))),
            "median_km": float(np.median(km)),
            **{f"within_{d}": float(np.mean(km < d)) for d in RETRIEVAL_KM},
        }

    def _batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Features (B, F) of a step's pictures, where the model is, and places (B, 2); read once."""
        if self._read is None or self._read[0] != step:
            rows = self._rows(step)
            features = self._features[rows].to(device_of(self.model)).float()
            self._read = step, features, self._lat_lon[rows]
        return self._read[1:]

    def _rows(self, step: int) -> Tensor:
        size, group = self.config.batch, self.config.group
        epoch, place = divmod(step, len(self._curve) // group * group // size)
        if self._epoch is None or self._epoch[0] != epoch:
            self._epoch = epoch, self._order(epoch, group)
        return self._epoch[1][place * size : (place + 1) * size]

    def _order(self, epoch: int, group: int) -> Tensor:
        generator = step_generator(self.config.seed, epoch, stream=_ORDER)
        shift = int(torch.randint(group, (), generator=generator))
        runs = torch.roll(self._curve, shift)[: len(self._curve) // group * group].view(-1, group)
        return runs[torch.randperm(len(runs), generator=generator)].flatten()


def retrieved_km(alignment: Alignment, features: Tensor, lat_lon: Tensor, gallery: Tensor) -> np.ndarray:
    """How far the gallery place most similar to each picture is from its own.

    Args:
        alignment: trained.
        features: (B, F).
        lat_lon: (B, 2) degrees, the truth.
        gallery: (G, 2) degrees.

    Returns:
        (B,) km.
    """
    device = device_of(alignment)
    with torch.inference_mode():
        places = torch.cat([alignment.locations(part.to(device)) for part in torch.split(gallery, 8192)])
        images = torch.cat(
            [alignment.images(part.to(device).float()) for part in torch.split(features, 8192)]
        )
        best = torch.cat([(part @ places.T).argmax(1) for part in torch.split(images, 512)]).cpu()
    return haversine_km(*lat_lon.T.numpy(), *gallery[best].T.numpy())
