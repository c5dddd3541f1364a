"""Training the reward model: samples of a GeoToken, and whether each is near the truth.

Three stages: pictures with their neighbours (`reward_pictures`), samples of each, and the training itself.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from graticule.decoding.sample import Sampling
from graticule.errors import ConfigError
from graticule.evaluation.metrics import geoscore
from graticule.model import Model
from graticule.store import make_folder, write_whole
from graticule.tokens.geotoken import GeoToken
from graticule.tokens.reward import RewardModel
from graticule.training.best import load_best
from graticule.training.distributed import (
    WHOLE,
    Device,
    Part,
    agreed,
    chosen_device,
    device_of,
    is_main,
    join_processes,
    main_first,
    only_main,
)
from graticule.training.examples import Examples
from graticule.training.loop import TrainingConfig, step_generator, train
from graticule.training.one_run import one_run
from graticule.training.recipe import checked
from graticule.training.reward_samples import Samples
from graticule.training.schedule import Schedule

__all__ = [
    "Pictures",
    "RewardRecipe",
    "RewardTask",
    "area_under_curve",
    "default_near_km",
    "train_reward",
]

_BATCH: Final = 256
_NEAR_KM: Final = {"views from above": 50.0}
"""By a model's domain. Of Orbit's samples nearly all are within the 200 km of photos, which would tell nothing."""


def default_near_km(model: Model) -> float:
    """What "near" means where nobody says: 50 km for views from above, else 200 km (GeoToken, sec. III-C)."""
    return _NEAR_KM.get(model.config.domain, 200.0)


class RewardRecipe(BaseModel):
    """Every number of a reward model's training."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    near_km: float = Field(gt=0)
    views: int = Field(default=16_384, gt=0)
    """Pictures that are learned from."""
    validation_views: int = Field(default=2048, gt=0)
    samples: int = Field(default=10, gt=0)
    """Drawn of each view; those alike are read once and count as often as they were drawn."""
    temperature: float = Field(default=0.7, gt=0)
    batch: int = Field(default=64, gt=0)
    """Pictures a step, each with all its samples."""
    accumulate: int = Field(default=1, gt=0)
    """Parts that a process computes a batch in, one after another, in as much less memory."""
    steps: int = Field(default=768, gt=0)
    learning_rate: float = Field(default=1e-4, gt=0)
    epoch_decay: float | None = Field(default=None, gt=0, le=1)
    """What the learning rate is multiplied by after each epoch; None: it falls along half a cosine, after a rise."""
    weight_decay: float = Field(default=0.01, ge=0)
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


class Pictures(Protocol):
    """Where pictures of known places come from."""

    @property
    def told(self) -> str:
        """What they are, in a few words for the card."""
        ...

    def digest(self, run: Path) -> str:
        """SHA-256 of what they are made from: others can't go on with what `run` keeps of these."""
        ...

    def examples(
        self, model: Model, recipe: RewardRecipe, run: Path, *, report: Callable[[str], None], deadline: float
    ) -> tuple[Examples, Examples] | None:
        """Those to learn from and those to judge by; processes share the work.

        Args:
            model: whose samples are judged.
            recipe: says how many.
            run: a folder that keeps what took long.
            report: gets lines of progress.
            deadline: on the monotonic clock; None is given back if it came first.
        """
        ...


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


def train_reward(
    model: Model,
    pictures: Pictures,
    out: Path,
    recipe: RewardRecipe,
    *,
    report: Callable[[str], None] = print,
    stop_after_s: float = math.inf,
) -> bool:
    """Train a reward model; `out/run` keeps what a stopped run needs to go on.

    Args:
        model: has a GeoToken.
        pictures: where pictures of known places come from.
        out: the folder to write, for `RewardModel.from_folder`.
        recipe: settings.
        report: gets lines of progress.
        stop_after_s: stop, resumable, after so many seconds.

    Returns:
        Whether it is finished.

    Raises:
        ConfigError: the model has no GeoToken, or the folder's run had other settings, pictures or another model.
        InputError: another run holds the folder.
    """
    deadline = time.monotonic() + stop_after_s
    geotoken, run = _geotoken(model), out / "run"
    join_processes(recipe.device)
    report = only_main(report)
    with one_run(out / "run", out):
        with main_first():
            make_folder(out)
            _same_run(run, recipe, model, pictures.digest(run))
        found = pictures.examples(model, recipe, run, report=report, deadline=deadline)
        # All stop, or none: one that went on alone would wait for the others.
        if agreed(found is None):
            return False
        assert found is not None
        sets = []
        geotoken.to(chosen_device(recipe.device))
        for split, part in zip(("train", "validation"), found, strict=True):
            report(f"{split}: {recipe.samples} samples of each of {len(part)} pictures")
            samples = Samples.kept(
                geotoken,
                part,
                run / f"{split}-samples",
                sampling=recipe.sampling(),
                report=report,
                deadline=deadline,
            )
            if samples is None:
                return False
            sets.append((part, samples))
        task = RewardTask(recipe, geotoken.cpu(), *sets)
        left_s = deadline - time.monotonic()
        result = train(task, recipe.training(len(sets[0][0])), run, report=report, stop_after_s=left_s)
        if not result.finished:
            return False
        if is_main():
            _finish(task, model, out, recipe, told=pictures.told, report=report)
        return True


def _finish(
    task: RewardTask,
    model: Model,
    out: Path,
    recipe: RewardRecipe,
    *,
    told: str,
    report: Callable[[str], None],
) -> None:
    load_best(task.model, out / "run")
    about = {"model": model.config.name, "recipe": recipe.model_dump(mode="json")}
    task.model.save(out, about=about, card="not judged yet\n")
    # What is judged is what was written, after rounding.
    task.model = RewardModel.from_folder(out)
    figures = task.validate()
    report(_told(figures, recipe))
    card = _card(model, recipe, figures, pictures=told)
    task.model.save(out, about={**about, "validation": figures}, card=card)


def _geotoken(model: Model) -> GeoToken:
    if model.geotoken is None:
        raise ConfigError(
            f"{model.config.name}: its cell model is the gallery, but a reward model starts from a GeoToken; "
            "choose a model that has one."
        )
    return model.geotoken


def _same_run(run: Path, recipe: RewardRecipe, model: Model, pictures: str) -> None:
    """A folder belongs to one recipe, one model and one set of pictures: samples and weights of others do not fit."""
    digest = hashlib.sha256(pictures.encode())
    digest.update(model.gallery.lat_lon.contiguous().numpy().data)
    for part in (model.geotoken, model.alignment):
        for tensor in part.state_dict().values() if isinstance(part, nn.Module) else ():
            digest.update(tensor.cpu().contiguous().numpy().data)
    path = run / "run.json"
    settings = {"recipe": recipe.model_dump(mode="json", exclude={"device"}), "data": digest.hexdigest()}
    text = json.dumps(settings, indent=2) + "\n"
    if path.exists() and path.read_text(encoding="utf-8") != text:
        raise ConfigError(
            f"{path}: this folder's run has other settings, other pictures or another model; name another folder, or "
            "delete it."
        )
    write_whole(path, text.encode())


def _told(figures: Mapping[str, float], recipe: RewardRecipe) -> str:
    return (
        f"validation: {figures['near']:.1%} of samples are within {recipe.near_km:g} km; told from the others with "
        f"accuracy {figures['accuracy']:.1%} and AUC {figures['auc']:.3f}; the sample it chooses has a mean GeoScore "
        f"of {figures['geoscore']:.0f}"
    )


_CARD: Final = """\
# Reward model for {name}

**What it is.** A copy of {name}'s GeoToken, trained on to tell of a place whether it is within {near_km:g} km of where
a picture was taken. It chooses among candidates of that model, and is of no use to others.

**Data.** {samples} samples at temperature {temperature:g} of each of at most {views} {pictures}. Its licence is that of
the model: {licence}.

**Result** on at most {validation_views} others of them, from the files as written. {told}.

**Settings.**

```json
{recipe}
```
"""


def _card(model: Model, recipe: RewardRecipe, figures: Mapping[str, float], *, pictures: str) -> str:
    return _CARD.format(
        pictures=pictures,
        name=model.config.name,
        licence=model.config.licence,
        told=_told(figures, recipe).removeprefix("validation: "),
        recipe=recipe.model_dump_json(indent=2),
        **recipe.model_dump(),
    )
