"""From features, their index and an alignment to a model that answers: what `graticule train geotoken` does."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from graticule.alignment.contract import ImageLocationAlignment
from graticule.alignment.stored import open_alignment
from graticule.encoders.contract import ImageEncoder
from graticule.errors import ConfigError
from graticule.model import Model, ModelConfig
from graticule.retrieval.folder import index_config
from graticule.store import add_texts, make_folder, write_whole
from graticule.tokens.geotoken import GeoToken, GeoTokenConfig
from graticule.training.best import load_best
from graticule.training.distributed import Device, is_main, join_processes, main_first, only_main
from graticule.training.examples import Examples
from graticule.training.geotoken import GeoTokenTask, GeoTokenTaskConfig
from graticule.training.loop import TrainingConfig, TrainingResult, train
from graticule.training.neighboured import complete, neighboured
from graticule.training.one_run import one_run
from graticule.training.recipe import checked
from graticule.training.schedule import Schedule
from graticule.training.shards import Records, read_records, split_rows
from graticule.training.source_encoder import source_encoder

__all__ = ["GeoTokenRecipe", "train_geotoken"]


class GeoTokenRecipe(BaseModel):
    """What `train_geotoken` may be told; `configs/geotoken-paper.yaml` holds the paper's settings."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    geotoken: dict[str, Any] = {}
    """Settings of the network (`GeoTokenConfig`); `vectors` are the alignment's where not said, and a neighbour's those
    that the index holds."""
    batch: int = Field(default=512, ge=1)
    accumulate: int = Field(default=1, ge=1)
    """Parts that a process computes a batch in, one after another, in as much less memory."""
    epochs: float = Field(default=10, gt=0, allow_inf_nan=False)
    learning_rate: float = Field(default=1e-3, gt=0, allow_inf_nan=False)
    epoch_decay: float | None = Field(default=None, gt=0, le=1)
    """What the learning rate is multiplied by after each epoch; None: it falls along half a cosine, after a rise."""
    weight_decay: float = Field(default=0.05, ge=0, allow_inf_nan=False)
    betas: tuple[float, float] = (0.9, 0.98)
    clip_norm: float = Field(default=1.0, gt=0)
    bf16: bool = True
    soft_scale: float = Field(default=0.04, ge=0, allow_inf_nan=False)
    """Softness of the answers as a share of the cells' size; 0, and a floor of 0: one-hot."""
    soft_floor_km: float = Field(default=4.0, ge=0, allow_inf_nan=False)
    validation_share: float = Field(default=0.02, gt=0, lt=1)
    validation_rows: int = Field(default=4096, ge=1)
    validations_an_epoch: int = Field(default=1, ge=1)
    seed: int = Field(default=0, ge=0)
    device: Device = "auto"
    domain: str = "photos"
    """What pictures the model is for, in a few words."""
    licence: str = "not stated"
    """Of the weights."""

    def training(self, pictures: int) -> TrainingConfig:
        """How the one loop is to run on so many pictures.

        Raises:
            ConfigError: they are fewer than a batch holds.
        """
        an_epoch = pictures // self.batch
        if not an_epoch:
            raise ConfigError(f"batch: {self.batch} of {pictures} training pictures; choose fewer.")
        steps = max(1, round(self.epochs * an_epoch))
        schedule = Schedule(warmup=min(300, steps // 10))
        if self.epoch_decay is not None:
            schedule = Schedule(kind="step", decay=self.epoch_decay, every=an_epoch)
        return TrainingConfig(
            steps=steps,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            betas=self.betas,
            schedule=schedule,
            clip_norm=self.clip_norm,
            bf16=self.bf16,
            seed=self.seed,
            validate_every=max(1, an_epoch // self.validations_an_epoch),
            accumulate=self.accumulate,
            device=self.device,
        )

    def task(self, geotoken: GeoTokenConfig) -> GeoTokenTaskConfig:
        """What the network learns from."""
        return GeoTokenTaskConfig(
            geotoken=geotoken,
            batch=self.batch,
            soft_scale=self.soft_scale,
            soft_floor_km=self.soft_floor_km,
            validation_rows=self.validation_rows,
            seed=self.seed,
        )


def train_geotoken(
    features: Path,
    out: Path,
    recipe: GeoTokenRecipe,
    *,
    index: Path,
    alignment: str,
    encoder: str | None = None,
    report: Callable[[str], None] = print,
    stop_after_s: float = math.inf,
) -> bool:
    """Train GeoToken on a folder of features and write the model; `out/run` keeps what a stopped run needs to go on.

    A picture's neighbours are those that the index keeps for it, without itself and its near-duplicates. Pictures for
    validation, whole S2 cells, are not learned from; they stay in the gallery, as pictures of the same places do when
    the model is used.

    Args:
        features: shards, as `graticule extract` leaves them.
        out: the model folder to write.
        recipe: settings.
        index: the folder of their index, made with this alignment, with neighbours; it becomes the model's gallery.
        alignment: a model, or what `graticule align` wrote.
        encoder: a model or a folder, whose encoder made the features; None: what `extract.json` names.
        report: gets lines of progress.
        stop_after_s: stop, resumable, after so many seconds.

    Returns:
        Whether it is finished.

    Raises:
        ConfigError: the parts do not belong together, or the folder's run had other settings.
        InputError: the features can't be used, or another run holds the folder.
        ModelError: index, alignment or encoder can't be.
    """
    deadline = time.monotonic() + stop_after_s
    join_processes(recipe.device)
    report, run = only_main(report), out / "run"
    with one_run(out / "run", out):
        with main_first():
            make_folder(out)
            records = read_records(features, checked=run / "checked.json")
        parts = _read_parts(records, features, recipe, index=index, alignment=alignment, encoder=encoder)
        pictures, geotoken = parts.pictures, parts.config.geotoken
        assert geotoken is not None
        with main_first():
            _same_run(run, recipe, parts)
        training, validation = (
            complete(pictures.only(rows)) for rows in split_rows(records.lat_lon, recipe.validation_share)
        )
        counts = (
            f"{len(training):,} pictures to learn from, {len(validation):,} to judge by; "
            f"{len(pictures) - len(training) - len(validation):,} have fewer than {geotoken.neighbours} neighbours and "
            "are left out"
        )
        report(counts)
        task = GeoTokenTask(recipe.task(geotoken), training, validation)
        how = recipe.training(len(training))
        result = train(task, how, run, report=report, stop_after_s=deadline - time.monotonic())
        if result.finished and is_main():
            _finish(task, parts, out, recipe, counts=counts, result=result, report=report)
        return result.finished


@dataclass(frozen=True)
class _Parts:
    """What the model is made of, but for GeoToken itself."""

    pictures: Examples
    config: ModelConfig
    encoder: ImageEncoder
    alignment: ImageLocationAlignment
    digest: str


def _read_parts(
    records: Records,
    features: Path,
    recipe: GeoTokenRecipe,
    *,
    index: Path,
    alignment: str,
    encoder: str | None,
) -> _Parts:
    source = source_encoder(features, encoder)
    aligned, aligned_digest = open_alignment(alignment, encoder_digest=source.digest)
    asked = recipe.geotoken.get("neighbours", GeoTokenConfig.model_fields["neighbours"].default)
    pictures = neighboured(
        records,
        index,
        alignment=aligned,
        neighbours=asked,
        encoder_digest=source.digest if source.told else None,
    )
    opened = source.open()
    geotoken = _network(recipe, pictures)
    try:
        config = ModelConfig(
            name="geotoken",
            domain=recipe.domain,
            purpose=f"{recipe.domain}, as in {features.resolve().name}",
            licence=recipe.licence,
            encoder=opened.config,  # type: ignore[attr-defined]
            alignment=aligned.config,  # type: ignore[attr-defined]
            geotoken=geotoken,
            gallery_spaces=tuple(pictures.widths),
            gallery_rows=len(records),
            index=index_config(pictures.gallery),
            encoder_digest=source.digest,
        )
    except ValidationError as error:
        raise ConfigError("; ".join(found["msg"] for found in error.errors())) from error
    together = hashlib.sha256("\n".join([records.digest, source.digest, aligned_digest]).encode())
    together.update((index / "manifest.json").read_bytes())
    return _Parts(pictures, config, opened, aligned, together.hexdigest())


def _network(recipe: GeoTokenRecipe, pictures: Examples) -> GeoTokenConfig:
    """The network's settings, with the vectors that there are where the recipe does not say."""
    whole = pictures.query_widths()
    near = tuple(name for name in whole if name in pictures.widths)
    return checked(GeoTokenConfig, {"vectors": whole, "neighbour_vectors": near, **recipe.geotoken})


def _same_run(run: Path, recipe: GeoTokenRecipe, parts: _Parts) -> None:
    """A folder belongs to one recipe and one set of pictures: a run under others can't be gone on with."""
    settings = {"recipe": recipe.model_dump(mode="json", exclude={"device"}), "data": parts.digest}
    path, text = run / "run.json", json.dumps(settings, indent=2) + "\n"
    if path.exists() and path.read_text(encoding="utf-8") != text:
        raise ConfigError(
            f"{path}: this folder's run has other settings or pictures; name another folder, or delete it."
        )
    write_whole(path, text.encode())


def _finish(
    task: GeoTokenTask,
    parts: _Parts,
    out: Path,
    recipe: GeoTokenRecipe,
    *,
    counts: str,
    result: TrainingResult,
    report: Callable[[str], None],
) -> None:
    load_best(task.model, out / "run")
    model = Model(
        config=parts.config,
        encoder=parts.encoder,
        alignment=parts.alignment,
        gallery=parts.pictures.gallery,
        geotoken=task.model,
    )
    model.save(out, card="not judged yet\n")
    # What is judged is what was written, after rounding.
    written = Model.open(out).geotoken
    assert isinstance(written, GeoToken)
    task.model = written
    with torch.no_grad():
        figures = task.validate()
    report("validation, as written: " + ", ".join(f"{name} {value:.4g}" for name, value in figures.items()))
    # The card alone is written again: the gallery can be large.
    card = _card(parts.config, recipe, counts=counts, result=result, figures=figures)
    add_texts(out, {"MODEL_CARD.md": card})


_CARD = """\
# Model card: {name}

**What it is.** A GeoToken model for {domain}. Its answers are estimates, and it is as good as the pictures it was
trained on. It holds the coordinates and vectors of these pictures as its gallery.

**Data.** {counts}. Its licence: {licence}.

**Command.** `graticule train geotoken`, with the settings below; {minutes:.0f} minutes, best at step {step}.

**Results** of greedy answers to validation pictures, from the files as written. Whole cells 9 km wide were kept from
learning; neighbours came from all pictures but near-duplicates:

{table}

**Settings.**

```json
{recipe}
```
"""


def _card(
    config: ModelConfig,
    recipe: GeoTokenRecipe,
    *,
    counts: str,
    result: TrainingResult,
    figures: Mapping[str, float],
) -> str:
    rows = "\n".join(f"| {name} | {value:.4g} |" for name, value in figures.items())
    return _CARD.format(
        name=config.name,
        domain=config.domain,
        licence=config.licence,
        counts=counts,
        minutes=result.seconds / 60,
        step=result.best_step,
        table=f"| figure | value |\n|---|---:|\n{rows}",
        recipe=recipe.model_dump_json(indent=2),
    )
