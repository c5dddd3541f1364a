"""Training the reward model: samples of a GeoToken, and whether each is near the truth.

Three stages, each resumable: features of views that the GeoToken has not learned from, samples of each view, and the
training itself.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from safetensors.torch import load_file, save
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from graticule.data.orbit.mosaic import Mosaic
from graticule.decoding.sample import sample
from graticule.earth.distance import haversine_km
from graticule.errors import ConfigError
from graticule.evaluation.metrics import geoscore
from graticule.model import Model
from graticule.store import make_folder, write_whole
from graticule.tokens.geotoken import GeoToken
from graticule.tokens.query import Query
from graticule.tokens.reward import RewardModel
from graticule.training.features import extract_views, load_shards
from graticule.training.loop import TrainingConfig, step_generator, train
from graticule.training.recipe import checked
from graticule.training.schedule import Schedule

__all__ = ["RewardRecipe", "RewardTask", "Samples", "area_under_curve", "default_near_km", "train_reward"]

_BATCH: Final = 256
_FIRST_VIEW: Final = {"train": 30_000_000, "validation": 200_000}
"""Views that neither encoder nor GeoToken has learned from, so that samples err there as on new pictures."""
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
    validation_views: int = Field(default=2048, gt=0)
    samples: int = Field(default=10, gt=0)
    """Drawn of each view; those alike are read once and count as often as they were drawn."""
    temperature: float = Field(default=0.7, gt=0)
    batch: int = Field(default=64, gt=0)
    """Views a step, each with all its samples."""
    steps: int = Field(default=768, gt=0)
    learning_rate: float = Field(default=1e-4, gt=0)
    hidden: int = Field(default=2048, gt=0)
    seed: int = Field(default=0, ge=0)

    @classmethod
    def of(cls, **settings: Any) -> RewardRecipe:
        """Settings that were given from outside.

        Raises:
            ConfigError: one makes no sense.
        """
        return checked(cls, settings)

    def training(self) -> TrainingConfig:
        """How the one loop is to run."""
        return TrainingConfig(
            steps=self.steps,
            learning_rate=self.learning_rate,
            weight_decay=0.01,
            schedule=Schedule(warmup=min(50, self.steps // 10)),
            seed=self.seed,
            validate_every=max(1, self.steps // 4),
        )


class Samples(BaseModel):
    """What a GeoToken drew for N pictures, up to W different places each.

    Attributes:
        tokens: (N, W, T) int64.
        counts: (N, W) int64, how often each was drawn; 0 where there is none.
        km: (N, W) float64, how far each is from the truth.
    """

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    tokens: Tensor
    counts: Tensor
    km: Tensor

    @classmethod
    def draw(cls, model: Model, features: Tensor, lat_lon: Tensor, *, recipe: RewardRecipe) -> Samples:
        """Draw them.

        Args:
            model: its GeoToken draws.
            features: (N, F) of the pictures.
            lat_lon: (N, 2) degrees, the truth.
            recipe: says how many, at what temperature, and the seed. A picture's samples depend on its row alone.
        """
        geotoken = _geotoken(model)
        tokens = torch.zeros(len(features), recipe.samples, geotoken.scheme.length, dtype=torch.int64)
        counts = torch.zeros(len(features), recipe.samples, dtype=torch.int64)
        for rows in torch.split(torch.arange(len(features)), _BATCH):
            found = sample(
                geotoken,
                model.query_of_features(features[rows].float()),
                count=recipe.samples,
                seed=recipe.seed,
                temperature=recipe.temperature,
                keys=rows,
            )
            assert found.counts is not None
            tokens[rows, : found.tokens.shape[1]] = found.tokens
            counts[rows, : found.counts.shape[1]] = found.counts
        lat, lon = geotoken.scheme.centres(tokens.numpy())
        km = haversine_km(lat, lon, *lat_lon.T.numpy()[..., None])
        return cls(tokens=tokens, counts=counts, km=torch.from_numpy(km))

    @classmethod
    def kept(cls, path: Path, draw: Callable[[], Samples]) -> Samples:
        """Those of a file, which is written first if there is none."""
        if not path.exists():
            made = draw()
            write_whole(path, save({"tokens": made.tokens, "counts": made.counts, "km": made.km}))
        return cls(**load_file(path))


class RewardTask:
    """Cross-entropy over shuffled pictures, each with all its samples and one memory.

    The batch of step i is a pure function of the seed and i: each epoch is a permutation of its own.
    """

    def __init__(
        self,
        recipe: RewardRecipe,
        base: Model,
        training: tuple[Tensor, Samples],
        validation: tuple[Tensor, Samples],
    ) -> None:
        """Prepare the data.

        Args:
            recipe: settings.
            base: brings alignment, gallery, index, and the GeoToken to start from, which itself is left alone.
            training: features (N, F) and samples.
            validation: the same of other pictures.

        Raises:
            ConfigError: there are fewer training pictures than a batch holds, or the base has no GeoToken.
        """
        if len(training[0]) < recipe.batch:
            raise ConfigError(f"batch: {recipe.batch} of {len(training[0])} training pictures; choose fewer.")
        self.recipe, self.base = recipe, base
        torch.manual_seed(recipe.seed)
        self.model = RewardModel.from_geotoken(_geotoken(base), near_km=recipe.near_km, hidden=recipe.hidden)
        self._training, self._validation = training, validation

    def loss(self, step: int) -> tuple[Tensor, dict[str, float]]:
        """Cross-entropy of near or far, each distinct sample counted as often as it was drawn."""
        rows = self._batch_rows(step)
        features, samples = self._training
        # On the CPU the fused kernel's backward pass takes twice as long as the plain one's.
        with sdpa_kernel(SDPBackend.MATH):
            loss = self.model.loss(
                self._query(features[rows]),
                samples.tokens[rows],
                near=samples.km[rows] < self.recipe.near_km,
                counts=samples.counts[rows],
            )
        return loss, {}

    def validate(self) -> dict[str, float]:
        """How well near samples are told from far ones, and how good the sample is that would be chosen."""
        features, samples = self._validation
        parts = torch.split(torch.arange(len(features)), _BATCH)
        scores = torch.cat(
            [self.model.log_near(self._query(features[rows]), samples.tokens[rows]) for rows in parts]
        ).double()
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

    def _query(self, features: Tensor) -> Query:
        with torch.autocast("cpu", enabled=False):
            query = self.base.query_of_features(features.float())
        # A copy: what inference mode makes can't take part in a backward pass.
        return query[torch.arange(len(features))]


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
    mosaic: Mosaic,
    out: Path,
    recipe: RewardRecipe,
    *,
    report: Callable[[str], None] = print,
    stop_after_s: float = math.inf,
) -> bool:
    """Train a reward model for a model of Orbit; `out/run` keeps what a stopped run needs to go on.

    Args:
        model: has a GeoToken.
        mosaic: what the views look at.
        out: the folder to write, for `RewardModel.from_folder`.
        recipe: settings.
        report: gets lines of progress.
        stop_after_s: stop, resumable, after so many seconds.

    Returns:
        Whether it is finished.

    Raises:
        ConfigError: the model has no GeoToken, or the folder's run had other settings.
    """
    deadline = time.monotonic() + stop_after_s
    geotoken = _geotoken(model)
    make_folder(out)
    run = out / "run"
    _same_run(run, recipe, geotoken)

    data: dict[str, tuple[Tensor, Samples]] = {}
    for split, count in (("train", recipe.views), ("validation", recipe.validation_views)):
        report(f"{split}: features of {count} views")
        left_s = deadline - time.monotonic()
        if not extract_views(
            model.encoder,  # type: ignore[arg-type]
            mosaic,
            run / split,
            split=split,  # type: ignore[arg-type]
            start=_FIRST_VIEW[split],
            count=count,
            seasons=0.0,
            report=report,
            stop_after_s=left_s,
        ):
            return False
        features, lat_lon = load_shards(run / split)
        report(f"{split}: {recipe.samples} samples of each")
        data[split] = (
            features,
            Samples.kept(
                run / f"{split}-samples.safetensors",
                lambda f=features, p=lat_lon: Samples.draw(model, f, p, recipe=recipe),  # type: ignore[misc]
            ),
        )

    task = RewardTask(recipe, model, data["train"], data["validation"])
    left_s = deadline - time.monotonic()
    result = train(task, recipe.training(), run, report=report, stop_after_s=left_s)
    if not result.finished:
        return False
    best = load_file(run / "best.safetensors")
    task.model.load_state_dict(
        {n.removeprefix("model/"): t for n, t in best.items() if n.startswith("model/")}
    )
    about = {"model": model.config.name, "recipe": recipe.model_dump(mode="json")}
    task.model.save(out, about=about, card="not judged yet\n")
    # What is judged is what was written, after rounding.
    task.model = RewardModel.from_folder(out)
    figures = task.validate()
    report(_told(figures, recipe))
    task.model.save(out, about={**about, "validation": figures}, card=_card(model, recipe, figures))
    return True


def _geotoken(model: Model) -> GeoToken:
    if model.geotoken is None:
        raise ConfigError(
            f"{model.config.name}: its cell model is the gallery, but a reward model starts from a GeoToken; "
            "choose a model that has one."
        )
    return model.geotoken


def _same_run(run: Path, recipe: RewardRecipe, geotoken: GeoToken) -> None:
    """A folder belongs to one recipe and one GeoToken: samples and weights of others would not fit."""
    digest = hashlib.sha256()
    for tensor in geotoken.state_dict().values():
        digest.update(tensor.contiguous().numpy().data)
    path = run / "run.json"
    text = recipe.model_dump_json(indent=2) + f"\n{digest.hexdigest()}\n"
    if path.exists() and path.read_text(encoding="utf-8") != text:
        raise ConfigError(
            f"{path}: this folder's run has other settings or another model; name another folder, or delete it."
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

**Data.** {samples} samples at temperature {temperature:g} of each of {views} views of Orbit that the GeoToken had not
learned from. Its licence is that of the model: {licence}.

**Result** on {validation_views} validation views, from the files as written. {told}.

**Settings.**

```json
{recipe}
```
"""


def _card(model: Model, recipe: RewardRecipe, figures: Mapping[str, float]) -> str:
    return _CARD.format(
        name=model.config.name,
        licence=model.config.licence,
        told=_told(figures, recipe).removeprefix("validation: "),
        recipe=recipe.model_dump_json(indent=2),
        **recipe.model_dump(),
    )
