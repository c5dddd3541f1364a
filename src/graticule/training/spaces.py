"""Geo-alignment in three spaces on features that were computed once: GeoToken's first stage."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast

import torch
from pydantic import BaseModel, ConfigDict, Field, field_validator
from torch import Tensor

from graticule.alignment.location import LocationEncoderConfig
from graticule.alignment.loss import info_nce, scattered
from graticule.alignment.policies import POLICIES, PolicyConfig
from graticule.alignment.spaces import SpacesAlignment, SpacesAlignmentConfig, text_loss
from graticule.earth.distance import haversine_km, unit_vectors
from graticule.earth.variogram import Kind
from graticule.errors import ConfigError
from graticule.evaluation.markdown import method_table
from graticule.evaluation.metrics import summarise
from graticule.extract.finished import finished_plan
from graticule.retrieval.exact import ExactIndex
from graticule.store import make_folder, write_whole
from graticule.training.best import load_best
from graticule.training.distributed import Device, is_main, join_processes, main_first, only_main, spread
from graticule.training.frozen import RETRIEVAL_KM, FrozenAlignConfig, FrozenAlignTask
from graticule.training.loop import TrainingConfig, step_generator, train
from graticule.training.one_run import one_run
from graticule.training.schedule import Schedule
from graticule.training.shards import Records, encode_names, read_names, read_records, split_rows
from graticule.training.stored import some

__all__ = ["SpacesRecipe", "SpacesTask", "align_folder", "retrieval"]

GALLERY_ROWS = 50_000
"""Training pictures that validation ones are looked up among, at most."""
_JUDGED_ROWS = 50_000
"""Validation pictures that are looked up at the end, at most."""
_NOISE_BACK = 15
"""The stream of random numbers for places that choose; `frozen` has those up to 14."""

_CARD = """\
# Alignment in three spaces

**What it is.** Heads on the features of a frozen backbone: vectors of pictures that can be compared with places and,
where it was trained with texts, with texts. Of the form of GeoToken's first stage, which is G3's; a reconstruction,
not their weights. It answers nothing by itself, and is as good as the pictures it was trained on.

**Data.** {counts}.

**Command.** `graticule align`, with the settings below.

**Results.** Each validation picture answers with one training picture or place (± is half a 95 % bootstrap interval):

{table}

**Settings.**

```json
{recipe}
```
"""


class SpacesTask(FrozenAlignTask):
    """Symmetric InfoNCE of pictures with places and, where there are names, with names.

    Pictures choose among the places of the batch and the queue, and there a policy may weigh the wrong ones; places
    choose among the pictures of the batch, unless that is left out.
    """

    def __init__(
        self,
        config: FrozenAlignConfig,
        training: Records,
        validation: Records,
        *,
        gallery: int = GALLERY_ROWS,
        both_ways: bool = True,
    ) -> None:
        """Prepare the data.

        Args:
            config: settings; those of the alignment are `SpacesAlignmentConfig`.
            training: to learn from.
            validation: to be judged on.
            gallery: training places, at most, that validation looks up pictures among.
            both_ways: places choose among pictures too.

        Raises:
            ConfigError: there are fewer training pictures than a batch holds.
        """
        super().__init__(
            config, (training.features, training.lat_lon), (validation.features, validation.lat_lon)
        )
        self.alignment = cast(SpacesAlignment, self.model.alignment)
        self._text, self._both_ways = training.text, both_ways
        self._gallery = training.lat_lon[some(len(training), gallery)]

    def loss(self, step: int) -> tuple[Tensor, dict[str, float]]:
        """The mean of both directions between pictures and places; the same between pictures and names is added."""
        place, _ = super().loss(step)
        features, clean = self._batch(step)
        alignment = self.alignment
        if self._both_ways:
            noise = step_generator(self.config.seed, step, stream=_NOISE_BACK)
            shown = scattered(clean, sigma_m=self.config.batch_noise_m, generator=noise).to(features.device)
            places, images = spread(alignment.locations, shown), spread(alignment.images, features)
            place = (place + info_nce(places, images, scale=alignment.scale)) / 2
        if self._text is None:
            return place, {}
        names = self._text[self._rows(step)].to(features.device)
        text = text_loss(spread(alignment.texts, features), names, scale=alignment.text_scale)
        return place + text, {"place": place.item(), "text": text.item()}


class SpacesRecipe(BaseModel):
    """What `align_folder` may be told; the widths are those of the data."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    policy: PolicyConfig = PolicyConfig(name="none")
    variogram: Kind = "monotone"
    """The model of the semivariogram."""
    refit_every: int | None = Field(default=None, ge=1)
    both_ways: bool = True
    """False: pictures choose places and not the other way round, as in GeoCLIP."""
    steps: int = Field(default=5000, ge=1)
    batch: int = Field(default=512, ge=2)
    queue: int = Field(default=4096, ge=0)
    batch_noise_m: float = Field(default=150.0, ge=0, allow_inf_nan=False)
    queue_noise_m: float = Field(default=1000.0, ge=0, allow_inf_nan=False)
    learning_rate: float = Field(default=1e-3, gt=0, allow_inf_nan=False)
    weight_decay: float = Field(default=0.01, ge=0, allow_inf_nan=False)
    betas: tuple[float, float] = (0.9, 0.98)
    schedule: Schedule | None = None
    """None: half a cosine, after a rise over 200 steps or, if that is fewer, a tenth of them."""
    validate_every: int = Field(default=500, ge=1)
    seed: int = 0
    device: Device = "auto"
    bf16: bool = True
    location: LocationEncoderConfig = LocationEncoderConfig()
    """Its width is set to that of the features."""
    validation_share: float = Field(default=0.05, gt=0, lt=1)

    @field_validator("policy")
    @classmethod
    def _is_known(cls, policy: PolicyConfig) -> PolicyConfig:
        if policy.name not in POLICIES:
            raise ValueError(f"there is no {policy.name!r}; choose one of {', '.join(POLICIES)}")
        return policy

    def training(self) -> TrainingConfig:
        """How the one loop is to run."""
        return TrainingConfig(
            steps=self.steps,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            betas=self.betas,
            schedule=self.schedule or Schedule(warmup=min(200, self.steps // 10)),
            seed=self.seed,
            validate_every=self.validate_every,
            bf16=self.bf16,
            device=self.device,
        )


def align_folder(
    folder: Path,
    out: Path,
    recipe: SpacesRecipe,
    *,
    clip: Path | None = None,
    report: Callable[[str], None] = print,
    stop_after_s: float = math.inf,
) -> bool:
    """Train an alignment on a folder of shards; `out/run` keeps what a stopped run needs to go on.

    Args:
        folder: shards, as `read_records` wants them.
        out: the folder to write, for `SpacesAlignment.from_folder`.
        recipe: settings.
        clip: a local CLIP, whose text tower reads place names; None: what the shards bring is used.
        report: gets lines of progress.
        stop_after_s: stop, resumable, after so many seconds.

    Returns:
        Whether it is finished.

    Raises:
        ConfigError: the settings can't be met, or the folder's run had others.
        InputError: the shards can't be used or are not all there yet, or another run holds the folder.
    """
    deadline = time.monotonic() + stop_after_s
    join_processes(recipe.device)
    report, run = only_main(report), out / "run"
    extraction = finished_plan(folder)
    with one_run(out / "run", out):
        with main_first():
            make_folder(out)
            records = read_records(folder, checked=run / "checked.json")
        if clip is not None:
            names = read_names(folder)
            text = encode_names(
                names, clip, run / "text", device=recipe.device, report=report, deadline=deadline
            )
            if text is None:
                return False
            # The names' vectors are not among what was surveyed.
            digest = records.digest + text.digest().hex()
            records = replace(records, text=text, named=sum(map(bool, names)), digest=digest)
        with main_first():
            _same_run(run, recipe, records)
        training, validation = (
            records[rows] for rows in split_rows(records.lat_lon, recipe.validation_share)
        )
        counts = _counts(records, training, validation)
        report(counts)

        task = SpacesTask(_task_config(recipe, records), training, validation, both_ways=recipe.both_ways)
        left_s = deadline - time.monotonic()
        result = train(task, recipe.training(), run, report=report, stop_after_s=left_s)
        if result.finished and is_main():
            encoder = None if extraction is None else extraction.encoder_digest
            about = {
                "recipe": recipe.model_dump(mode="json"),
                "pictures": len(records),
                "encoder_digest": encoder,
            }
            _finish(task, out, training, validation, about=about, counts=counts, report=report)
        return result.finished


def _finish(
    task: SpacesTask,
    out: Path,
    training: Records,
    validation: Records,
    *,
    about: dict[str, Any],
    counts: str,
    report: Callable[[str], None],
) -> None:
    """Write the best weights, and judge what was written."""
    load_best(task.model, out / "run")
    task.alignment.save(out, about=about, card="not judged yet\n")
    # What is judged is what was written, after rounding.
    found = retrieval(SpacesAlignment.from_folder(out), training, validation)
    table = method_table({"summaries": found})
    report(f"validation pictures looked up:\n{table}")
    card = _CARD.format(counts=counts, table=table, recipe=json.dumps(about["recipe"], indent=2))
    task.alignment.save(out, about={**about, "retrieval": found}, card=card)


def retrieval(
    alignment: SpacesAlignment, training: Records, validation: Records
) -> dict[str, dict[str, Any]]:
    """How far off the nearest neighbour is, by each kind of gallery.

    "places": the training place whose vector is most like the picture's. "pictures by ...": the training picture whose
    index vector is. "nearest possible": the training place nearest to the truth, which no answer can beat.

    Args:
        alignment: trained.
        training: up to `GALLERY_ROWS` of it, drawn with a seed, are the gallery.
        validation: to be looked up, as many of them at most.

    Returns:
        Gallery -> `Summary`, as plain data.
    """
    gallery = training[some(len(training), GALLERY_ROWS)]
    asked = validation[some(len(validation), _JUDGED_ROWS)]
    names = list(alignment.config.widths)
    kinds = {f"pictures by {name}": [name] for name in names} | {"pictures by all": names}

    def found(queries: Tensor, vectors: Tensor) -> dict[str, Any]:
        _, rows = ExactIndex(vectors).search(queries, 1)
        there = gallery.lat_lon[rows[:, 0]]
        km = haversine_km(*asked.lat_lon.T.numpy(), *there.T.numpy())
        return asdict(summarise(km, thresholds=RETRIEVAL_KM))

    with torch.inference_mode():
        queries, pictures = asked.features[:].float(), gallery.features[:].float()
        out = {"places": found(alignment.images(queries), alignment.locations(gallery.lat_lon))}
        for kind, chosen in kinds.items():
            vectors = (alignment.index_vectors(part, chosen) for part in (queries, pictures))
            out[kind] = found(*vectors)
        out["nearest possible"] = found(*map(_points, (asked.lat_lon, gallery.lat_lon)))
    return out


def _points(lat_lon: Tensor) -> Tensor:
    return torch.from_numpy(unit_vectors(*lat_lon.T.numpy()))


def _task_config(recipe: SpacesRecipe, records: Records) -> FrozenAlignConfig:
    width = records.features.shape[1]
    alignment = SpacesAlignmentConfig(
        feature_width=width,
        hidden=width,
        location=recipe.location.model_copy(update={"width": width}),
        text_width=None if records.text is None else records.text.shape[1],
    )
    return FrozenAlignConfig(
        alignment=alignment,
        policy=recipe.policy,
        variogram=recipe.variogram,
        refit_every=recipe.refit_every,
        batch=recipe.batch,
        queue=recipe.queue,
        batch_noise_m=recipe.batch_noise_m,
        queue_noise_m=recipe.queue_noise_m,
        seed=recipe.seed,
    )


def _same_run(run: Path, recipe: SpacesRecipe, records: Records) -> None:
    """A folder belongs to one recipe and one set of pictures: a run under others can't be gone on with."""
    path = run / "run.json"
    if path.exists():
        before = json.loads(path.read_bytes())
        # Read as a recipe: one of an earlier version lacks the settings that are newer, which stand at their defaults.
        # On another device it can go on.
        recorded = SpacesRecipe.model_validate({**before["recipe"], "device": recipe.device})
        if (recorded, before["data"]) != (recipe, records.digest):
            raise ConfigError(
                f"{path}: this folder's run has other settings or pictures; name another folder, or delete it."
            )
    settings = {"recipe": recipe.model_dump(mode="json"), "data": records.digest}
    write_whole(path, (json.dumps(settings, indent=2) + "\n").encode())


def _counts(records: Records, training: Records, validation: Records) -> str:
    return (
        f"{len(records)} pictures, {records.named} of them with a text, features {records.features.shape[1]} wide: "
        f"{len(training)} to learn from, {len(validation)} to judge by"
    )
