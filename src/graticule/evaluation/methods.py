"""Every way to answer that a report sets side by side: the model's own, and what the same features say without it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from graticule.choosing import Chooser
from graticule.decoding.sample import Sampling
from graticule.errors import ConfigError
from graticule.evaluation.baselines import FlatClassifier, neighbour_vote
from graticule.locator import Decode, answers, explore
from graticule.model import Model

__all__ = ["GALLERY_FREE", "Choice", "Method", "baselines", "decodings", "selected"]

Method: TypeAlias = Callable[[Tensor], Tensor]
"""(B, F) features -> (B, 2) degrees."""

GALLERY_FREE: Final = "flat classifier"
"""The baseline that does not ask the gallery."""
NEIGHBOURS = 15
"""k of the vote, for models whose cell model reads no neighbours itself."""
_BATCH = 256
_PLACES_AT_ONCE = 4096


@dataclass(frozen=True)
class Choice:
    """An answer chosen among candidates, judged beside the model's own.

    Attributes:
        select: the selector; one of `registry.SELECTORS`, but for the judge.
        sampling: how the candidates are drawn; those of a beam if not said.
        reward: the folder of a reward model, for the selector `reward`.
    """

    select: str
    sampling: Sampling | None = None
    reward: Path | None = None

    def chooser(self, model: Model) -> Chooser:
        """What chooses.

        Raises:
            ConfigError: there is no such selector, or it lacks what it needs, or belongs to another model.
        """
        if self.select == "judge":
            raise ConfigError("select judge: an evaluation sends no pictures to a server; choose another.")
        return Chooser.named(self.select, model, reward=self.reward)

    def name(self, model: Model) -> str:
        """What to call it in a report, such as "GeoToken, 30 samples, reward"."""
        among = "beam" if self.sampling is None else _drawn(self.sampling)
        return f"{model.cell_model_name}, {among}, {self.select}"


def decodings(model: Model) -> dict[str, Method]:
    """The model's own answers."""

    def method(decode: Decode) -> Method:
        def answer(features: Tensor) -> Tensor:
            parts = torch.split(features, _BATCH)
            points = [answers(model, model.query_of_features(part), decode) for part in parts]
            return torch.from_numpy(np.concatenate(points))

        return answer

    return {f"{model.cell_model_name}, {decode}": method(decode) for decode in get_args(Decode)}


def selected(model: Model, choice: Choice, keys: NDArray[np.int64]) -> dict[str, Method]:
    """The answers that a selector chooses, the very ones that `locate` gives.

    Args:
        model: whose candidates are chosen among.
        choice: who chooses, and among which.
        keys: (B,), what tells the pictures apart where samples are drawn: their places among all that were given.

    Raises:
        ConfigError: see `Choice.chooser`.
    """
    chooser = choice.chooser(model)

    @torch.inference_mode()
    def answer(features: Tensor) -> Tensor:
        parts = zip(torch.split(features, _BATCH), torch.split(torch.from_numpy(keys), _BATCH), strict=True)
        points = []
        for part, numbers in parts:
            query = model.query_of_features(part)
            found = explore(model, query, choice.sampling or "beam", keys=numbers)
            chosen, _ = chooser.choose(query, found.candidates, model, paths=[""] * len(part))
            # Where no candidate is possible, the model's own answer stays.
            points.append(np.where(np.isnan(chosen), found.density.point(), chosen))
        return torch.from_numpy(np.concatenate(points))

    return {choice.name(model): answer}


def _drawn(sampling: Sampling) -> str:
    """How samples are drawn, where it is not as usual."""
    usual = Sampling()
    words = [f"{sampling.count} distinct samples" if sampling.distinct else f"{sampling.count} samples"]
    if sampling.temperature != usual.temperature:
        words.append(f"temperature {sampling.temperature:g}")
    return " at ".join(words)


def baselines(model: Model) -> dict[str, Method]:
    """What the same features say without the cell model."""

    def vote(neighbours: int) -> Method:
        return lambda features: neighbour_vote(
            model.searched(features), model.gallery, model.index, neighbours=neighbours
        )

    def retrieve(features: Tensor) -> Tensor:
        """The gallery's place whose location vector is most similar to the picture (GeoCLIP, sec. 3.4)."""
        return model.gallery.lat_lon[_most_similar_places(model, model.alignment.images(features))]

    methods: dict[str, Method] = {}
    if model.config.gallery_of == "pictures":
        methods |= {"1-NN": vote(1), "k-NN vote": vote(model.config.neighbours or NEIGHBOURS)}
    methods["gallery retrieval"] = retrieve
    classifier = model.extras.get("baseline-classifier")
    if classifier is not None:
        methods[GALLERY_FREE] = FlatClassifier.restored(classifier).answer
    return methods


@torch.inference_mode()
def _most_similar_places(model: Model, pictures: Tensor) -> Tensor:
    """The gallery's row (B,) whose location vector is most similar to each of the aligned pictures (B, D).

    A block of location vectors is in memory at a time: of millions, all would not fit.
    """
    gallery = model.gallery
    best, rows = torch.full((len(pictures),), -torch.inf), torch.zeros(len(pictures), dtype=torch.int64)
    for start in range(0, len(gallery), _PLACES_AT_ONCE):
        block = slice(start, start + _PLACES_AT_ONCE)
        if model.config.gallery_of == "places":
            places = gallery.vectors[block].float()
        else:
            places = model.alignment.locations(gallery.lat_lon[block])
        for first in range(0, len(pictures), _BATCH):
            part = slice(first, first + _BATCH)
            here, place = (pictures[part] @ places.T).max(dim=1)
            better = here > best[part]
            best[part] = torch.where(better, here, best[part])
            rows[part] = torch.where(better, place + start, rows[part])
    return rows
