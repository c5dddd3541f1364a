"""What a reward model learns: which of a GeoToken's samples are near the truth, and how well it tells them apart."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from graticule.decoding.sample import Sampling
from graticule.errors import ConfigError
from graticule.evaluation.metrics import geoscore
from graticule.tokens.geotoken import GeoToken
from graticule.tokens.reward import RewardModel
from graticule.training.distributed import WHOLE, Device, Part, device_of
from graticule.training.examples import Examples
from graticule.training.loop import TrainingConfig, step_generator
from graticule.training.recipe import checked
from graticule.training.reward_samples import Samples
from graticule.training.schedule import Schedule

__all__ = ["RewardRecipe", "RewardTask", "area_under_curve"]

_BATCH: Final = 256


class RewardRecipe(BaseModel):
    """Every number of a reward model's training."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    near_km: float = Field(gt=0, allow_inf_nan=False)
    views: int = Field(default=16_384, gt=0)
    """Pictures that are learned from."""
    validation_views: int = Field(default=2048, gt=0)
    samples: int = Field(default=10, gt=0)
    """Drawn of each view; those alike are read once and count as often as they were drawn."""
    temperature: float = Field(default=0.7, gt=0, allow_inf_nan=False)
    batch: int = Field(default=64, gt=0)
    """Pictures a step, each with all its samples."""
    accumulate: int = Field(default=1, gt=0)
    """Parts that a process computes a batch in, one after another, in as much less memory."""
    steps: int = Field(default=768, gt=0)
    learning_rate: float = Field(default=1e-4, gt=0, allow_inf_nan=False)
    epoch_decay: float | None = Field(default=None, gt=0, le=1)
    """What the learning rate is multiplied by after each epoch; None: it falls along half a cosine, after a rise."""
    weight_decay: float = Field(default=0.01, ge=0, allow_inf_nan=False)
    bf16: bool = True
    hidden: int = Field(default=2048, gt=0)
    seed: int = Field(default=0, ge=0)
    device: Device = "auto"
    """Where samples are drawn and it is trained."""

    @classmethod
    def of(cls, **settings: Any) -> RewardRecipe:
        """Settings that were given from outside.

        Raises:
            ConfigError: one makes no sense.
        """
        return checked(cls, settings)

    def sampling(self) -> Sampling:
        """How samples are drawn."""
        return Sampling(count=self.samples, temperature=self.temperature, seed=self.seed)

    def training(self, pictures: int) -> TrainingConfig:
        """How the one loop is to run on so many pictures."""
        schedule = Schedule(warmup=min(50, self.steps // 10))
        if self.epoch_decay is not None:
            schedule = Schedule(kind="step", decay=self.epoch_decay, every=max(1, pictures // self.batch))
        return TrainingConfig(
            steps=self.steps,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            schedule=schedule,
            seed=self.seed,
            validate_every=max(1, self.steps // 4),
            bf16=self.bf16,
            accumulate=self.accumulate,
            device=self.device,
        )


class RewardTask:
    """Cross-entropy over shuffled pictures, each with all its samples and one memory.

    The batch of step i is a pure function of the seed and i: each epoch is a permutation of its own.
    """

    def __init__(
        self,
        recipe: RewardRecipe,
        geotoken: GeoToken,
        training: tuple[Examples, Samples],
        validation: tuple[Examples, Samples],
    ) -> None:
        """Prepare the data.

        Args:
            recipe: settings.
            geotoken: the model to start from, which itself is left alone.
            training: pictures and the samples of each.
            validation: the same of other pictures.

        Raises:
            ConfigError: there are fewer training pictures than a batch holds.
        """
        if len(training[0]) < recipe.batch:
            raise ConfigError(f"batch: {recipe.batch} of {len(training[0])} training pictures; choose fewer.")
        self.recipe = recipe
        torch.manual_seed(recipe.seed)
        self.model = RewardModel.from_geotoken(geotoken, near_km=recipe.near_km, hidden=recipe.hidden)
        self._training, self._validation = training, validation

    def loss(self, step: int) -> tuple[Tensor, dict[str, float]]:
        """Cross-entropy of near or far, each distinct sample counted as often as it was drawn."""
        return self.part_loss(step, WHOLE)

    def part_loss(self, step: int, part: Part) -> tuple[Tensor, dict[str, float]]:
        """The same of one part of the step's batch: all pictures have as many samples, so it is their mean."""
        rows, device = part.of(self._batch_rows(step)), device_of(self.model)
        pictures, samples = self._training
        loss = self.model.loss(
            pictures.query(self.model.scheme, rows).to(device),
            samples.tokens[rows].to(device),
            near=(samples.km[rows] < self.recipe.near_km).to(device),
            counts=samples.counts[rows].to(device),
        )
        return loss, {}

    def validate(self) -> dict[str, float]:
        """How well near samples are told from far ones, and how good the sample is that would be chosen."""
        pictures, samples = self._validation
        scheme, device = self.model.scheme, device_of(self.model)
        found = [
            self.model.log_near(pictures.query(scheme, rows).to(device), samples.tokens[rows].to(device))
            for rows in torch.split(torch.arange(len(pictures)), _BATCH)
        ]
        scores = torch.cat(found).double().cpu()
        real = samples.counts > 0
        near, counts = (samples.km < self.recipe.near_km)[real].numpy(), samples.counts[real].numpy()
        log_near = scores[real].numpy()
        log_far = np.log(-np.expm1(np.minimum(log_near, -1e-12)))
        best = scores.masked_fill(~real, -torch.inf).argmax(1, keepdim=True)
        area = area_under_curve(log_near, near, counts)
        return {
            "score": area,
            "auc": area,
            "accuracy": float(np.average((log_near > math.log(0.5)) == near, weights=counts)),
            "nats": float(np.average(-np.where(near, log_near, log_far), weights=counts)),
            "near": float(np.average(near, weights=counts)),
            "geoscore": float(geoscore(samples.km.gather(1, best)).mean()),
        }

    def _batch_rows(self, step: int) -> Tensor:
        size, count = self.recipe.batch, len(self._training[0])
        epoch, place = divmod(step, count // size)
        order = torch.randperm(count, generator=step_generator(self.recipe.seed, epoch, stream=5))
        return order[place * size : (place + 1) * size]


def area_under_curve(
    scores: NDArray[np.float64], positive: NDArray[np.bool_], weights: NDArray[np.int64]
) -> float:
    """The probability that a positive scores above a negative, ties counted half (Mann and Whitney 1947).

    Args:
        scores: (N,).
        positive: (N,).
        weights: (N,) how often each counts.

    Returns:
        0 to 1; 0.5 where one kind is missing.
    """
    _, level = np.unique(scores, return_inverse=True)
    above, below = (np.bincount(level, weights * kind) for kind in (positive, ~positive))
    pairs = above.sum() * below.sum()
    wins = above * (below.cumsum() - below / 2)
    return float(wins.sum() / pairs) if pairs else 0.5
