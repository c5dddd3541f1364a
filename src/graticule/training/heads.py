"""Fine-tuning the head that carries picture features to their places: what a few hundred photos can teach.

The location encoder stays as it is: it knows the whole Earth, the photos only their own places. The head goes on from
the base model's, and stops when photos of other places and days gain no more.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from graticule.alignment.loss import info_nce
from graticule.model import Model
from graticule.training.loop import TrainingConfig, step_generator
from graticule.training.schedule import Schedule

__all__ = ["HeadTask", "head_training"]

_BATCH = 256
_ELSEWHERE = 1024
"""Places of the base model's gallery that each step's pictures have to be told from as well."""
_JUDGED_ELSEWHERE = 8192
_MOST_ELSEWHERE = 262_144
"""Of a larger gallery, places of even steps stand for all: vectors of millions would fill the memory."""


def head_training(seed: int) -> TrainingConfig:
    """Looked at often: a few hundred photos are soon learned by heart."""
    return TrainingConfig(
        steps=4000,
        learning_rate=3e-4,
        weight_decay=0.0,
        schedule=Schedule(warmup=20),
        bf16=False,
        seed=seed,
        validate_every=40,
        patience=8,
    )


class HeadTask:
    """InfoNCE of photos with their places, among the other photos' places and those of the base's gallery."""

    def __init__(
        self,
        base: Model,
        training: tuple[Tensor, Tensor],
        validation: tuple[Tensor, Tensor],
        *,
        seed: int = 0,
    ) -> None:
        """Prepare the data.

        Args:
            base: its alignment is where the head begins; it is not changed.
            training: features (N, F) and places (N, 2) degrees.
            validation: the same, of other places.
            seed: of the order.
        """
        alignment: Any = deepcopy(base.alignment)
        self.model: nn.Module = alignment
        alignment.requires_grad_(requires_grad=False)
        alignment.image_head.requires_grad_(requires_grad=True)
        self._alignment = alignment
        self._seed = seed
        with torch.no_grad():
            self._elsewhere = _places_elsewhere(base)
            self._training = training[0], alignment.locations(training[1])
            self._validation = validation[0], alignment.locations(validation[1])

    def loss(self, step: int) -> tuple[Tensor, dict[str, float]]:
        """InfoNCE from pictures to places."""
        generator = step_generator(self._seed, step)
        features, places = self._training
        rows = torch.randperm(len(features), generator=generator)[:_BATCH]
        others = torch.randint(len(self._elsewhere), (_ELSEWHERE,), generator=generator)
        return self._contrast(features[rows], places[rows], self._elsewhere[others]), {}

    def validate(self) -> dict[str, float]:
        """The same of the photos held out; `score` is the loss with its sign turned."""
        return {"score": -self._contrast(*self._validation, self._elsewhere[:_JUDGED_ELSEWHERE]).item()}

    def _contrast(self, features: Tensor, places: Tensor, elsewhere: Tensor) -> Tensor:
        alignment = self._alignment
        return info_nce(alignment.images(features), places, scale=alignment.scale, past=elsewhere)


def _places_elsewhere(base: Model) -> Tensor:
    """(E, D) location vectors of the base's gallery."""
    step = -(-len(base.gallery) // _MOST_ELSEWHERE)
    if base.config.gallery_of == "places":
        return base.gallery.vectors[::step].to(torch.float32, copy=True)
    parts = torch.split(base.gallery.lat_lon[::step], 8192)
    return torch.cat([base.alignment.locations(part) for part in parts])
