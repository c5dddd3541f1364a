"""The shipped model's recipe: one command, six stages, each resumable.

align       encoder and location encoder, from scratch, on fresh views
features    features of further views, with the finished encoder
classifier  the flat baseline
geotoken    GeoToken
package     the model folder
calibrate   how far its probabilities can be trusted
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict, model_validator

from graticule.alignment.location import LocationEncoderConfig
from graticule.alignment.model import AlignmentConfig
from graticule.data.orbit.mosaic import Mosaic, training_mosaic_path
from graticule.encoders.orbit import OrbitEncoderConfig
from graticule.errors import ConfigError
from graticule.evaluation.familiarity_fit import Looks
from graticule.evaluation.pictures import OrbitPictures, encode
from graticule.evaluation.report import evaluate
from graticule.model import Model, ModelConfig, check_widths
from graticule.retrieval.gallery import Gallery
from graticule.store import Packing, make_folder, write_whole
from graticule.tokens.geotoken import GeoToken, GeoTokenConfig
from graticule.training.align import AlignTask, AlignTaskConfig
from graticule.training.best import load_best
from graticule.training.calibrate import calibrate
from graticule.training.card import model_card
from graticule.training.classifier import ClassifierTask
from graticule.training.distributed import alone
from graticule.training.examples import Examples
from graticule.training.features import extract_views, load_shards
from graticule.training.geotoken import GeoTokenTask, GeoTokenTaskConfig
from graticule.training.loop import TrainingConfig, train
from graticule.training.one_run import one_run
from graticule.training.recipe import overlaid
from graticule.training.schedule import Schedule

__all__ = ["OrbitRecipe", "read_recipe", "train_orbit"]

CALIBRATION_VIEW = 400_000
"""Validation views from here on have chosen no weights."""
DOMAIN = "views from above"
LICENCE = "Apache-2.0"
PURPOSE = "views of the Earth from above, 300 to 1200 km wide; not street-level photos"


PACKING: dict[str, Packing] = {"encoder": "int8", "baseline-classifier": "int8"}
"""Eight bits a weight leave the encoder's features where they were (cosine 0.9999); the location encoder needs more."""


class OrbitRecipe(BaseModel):
    """Every number of the shipped model's training."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = "orbit"
    """What the model is called in its answers; name one of your own otherwise."""
    align: AlignTaskConfig = AlignTaskConfig(
        encoder=OrbitEncoderConfig(widths=(32, 64, 160, 288), depths=(1, 1, 3, 2)),
        alignment=AlignmentConfig(location=LocationEncoderConfig(width=192)),
        batch=256,
        queue=2048,
        local=6,
    )
    align_training: TrainingConfig = TrainingConfig(
        steps=6000,
        learning_rate=1.5e-3,
        schedule=Schedule(kind="linear", warmup=200),
        validate_every=500,
    )

    gallery_rows: int = 32_768
    """The first views of the training split."""
    first_feature_view: int = 10_000_000
    """Views the encoder was not trained on: their features are as uncertain as a new picture's."""
    ordinary_views: int = 131_072
    seasons_views: int = 65_536
    """Further views varied as strongly as in alignment."""
    validation_views: int = 8192

    classifier_most: int = 150
    classifier_training: TrainingConfig = TrainingConfig(
        steps=3000,
        learning_rate=1e-3,
        weight_decay=0.01,
        schedule=Schedule(kind="linear", warmup=100),
        validate_every=1000,
    )

    geotoken: GeoTokenTaskConfig = GeoTokenTaskConfig(
        geotoken=GeoTokenConfig.compact(
            vectors={"image": 512, "location": 192},
            neighbour_vectors=("location",),
            neighbours=15,
            d_model=192,
            heads=6,
            encoder_layers=2,
            decoder_layers=3,
            feed_forward=768,
            # Fresh views and hidden neighbours keep it from learning by heart, and dropout doubles a step's time.
            dropout=0.0,
        )
    )
    geotoken_training: TrainingConfig = TrainingConfig(
        steps=3600,
        learning_rate=1e-3,
        schedule=Schedule(kind="cosine", warmup=300),
        validate_every=600,
        patience=6,
    )

    @model_validator(mode="after")
    def _belong_together(self) -> OrbitRecipe:
        check_widths(self.align.encoder, self.align.alignment, self.geotoken.geotoken)
        return self

    answering_turns: int = 2
    """Quarter turns averaged when the model answers: half of what its features were made with, for twice the speed."""
    calibration_views: int = 16_384
    """Validation views that calibrate the finished model; 0: none."""
    card_views: int = 10_000
    """Test views judged for the model card."""


def read_recipe(path: Path | None) -> OrbitRecipe:
    """A recipe from a JSON file of settings that differ from the shipped model's; None for the shipped one.

    What the file does not name, at any depth, is as in the shipped recipe.

    Raises:
        ConfigError: the file can't be read, or holds something that is no setting.
    """
    if path is None:
        return OrbitRecipe()
    try:
        other = json.loads(path.read_bytes())
        return OrbitRecipe.model_validate(overlaid(OrbitRecipe().model_dump(mode="json"), other))
    except (OSError, ValueError) as error:  # ValidationError and JSONDecodeError are ValueErrors
        raise ConfigError(f"{path}: {error}") from error


def train_orbit(
    recipe: OrbitRecipe,
    folder: Path,
    out: Path,
    *,
    report: Callable[[str], None] = print,
    stop_after_s: float = float("inf"),
) -> bool:
    """Run the stages that are not finished, in order.

    Args:
        recipe: every number.
        folder: where stages keep checkpoints, shards and logs.
        out: the model folder to write.
        report: gets lines of progress.
        stop_after_s: stop, resumable, after so many seconds.

    Returns:
        Whether the model is finished.

    Raises:
        ConfigError: the folder's run has other settings, or this is one of several processes.
    """
    alone("the recipe of the shipped model")
    deadline = time.monotonic() + stop_after_s
    with one_run(folder, out):
        return _run_stages(recipe, folder, out, report, deadline)


def _run_stages(
    recipe: OrbitRecipe, folder: Path, out: Path, report: Callable[[str], None], deadline: float
) -> bool:
    _same_recipe(recipe, folder)
    make_folder(out)  # hours before it is filled: what can't be written should be known now
    mosaic = Mosaic.open(training_mosaic_path())

    report("stage 1 of 6: align")
    task = AlignTask(recipe.align, mosaic)
    aligned = train(
        task, recipe.align_training, folder / "align", report=report, stop_after_s=deadline - time.monotonic()
    )
    if not aligned.finished:
        return False
    load_best(task.model, folder / "align")
    encoder, alignment = task.model.encoder, task.model.alignment

    report("stage 2 of 6: features")
    for name, settings in _feature_sets(recipe).items():
        left_s = deadline - time.monotonic()
        if not extract_views(
            encoder,
            mosaic,
            folder / name,
            report=report,
            stop_after_s=left_s,
            **settings,  # type: ignore[arg-type]
        ):
            return False
    gallery_features, gallery_places = load_shards(folder / "gallery")
    ordinary, varied = load_shards(folder / "ordinary"), load_shards(folder / "seasons")
    training = torch.cat([ordinary[0], varied[0]]), torch.cat([ordinary[1], varied[1]])
    validation = load_shards(folder / "validation")

    report("stage 3 of 6: the flat baseline")
    flat = ClassifierTask(training, validation, most=recipe.classifier_most)
    flat_result = train(
        flat,
        recipe.classifier_training,
        folder / "classifier",
        report=report,
        stop_after_s=deadline - time.monotonic(),
    )
    if not flat_result.finished:
        return False
    load_best(flat.model, folder / "classifier")

    report("stage 4 of 6: geotoken")
    with torch.no_grad():
        vectors = alignment.images(gallery_features.float())
    model = Model(
        config=ModelConfig(
            name=recipe.name,
            domain=DOMAIN,
            purpose=PURPOSE,
            licence=LICENCE,
            encoder=recipe.align.encoder,
            alignment=recipe.align.alignment,
            geotoken=recipe.geotoken.geotoken,
            gallery_rows=len(vectors),
        ),
        encoder=encoder,
        alignment=alignment,
        gallery=Gallery(gallery_places, vectors),
        geotoken=GeoToken(recipe.geotoken.geotoken),
        extras={"baseline-classifier": flat.model.state_dict()},
    )
    neighbours = recipe.geotoken.geotoken.neighbours
    tokens = GeoTokenTask(
        recipe.geotoken,
        *(
            Examples.looked_up(*views, alignment=alignment, gallery=model.gallery, neighbours=neighbours)
            for views in (training, validation)
        ),
    )
    result = train(
        tokens,
        recipe.geotoken_training,
        folder / "geotoken",
        report=report,
        stop_after_s=deadline - time.monotonic(),
    )
    if not result.finished:
        return False
    load_best(tokens.model, folder / "geotoken")
    model.geotoken = tokens.model

    report("stage 5 of 6: package")
    stages = {"align": aligned, "classifier": flat_result, "geotoken": result}
    settings = recipe.model_dump(mode="json")
    answering = recipe.align.encoder.model_copy(update={"turns": recipe.answering_turns})
    model.config = model.config.model_copy(update={"encoder": answering})
    model.save(out, card=model_card(settings, stages, results=None), packing=PACKING)
    # What is calibrated and judged is what was written, after rounding.
    written = Model.open(out)
    if recipe.calibration_views:
        report("stage 6 of 6: calibrate")
        _calibrate(written, OrbitPictures(mosaic, "validation", recipe.calibration_views, CALIBRATION_VIEW))
        model.calibration, model.fusion = written.calibration, written.fusion
        model.familiarity = written.familiarity
    judged = evaluate(written, source="orbit", views=recipe.card_views, mosaic=mosaic)
    model.save(out, card=model_card(settings, stages, results=judged.to_dict()), packing=PACKING)
    report(f"{out}: {sum(p.stat().st_size for p in out.iterdir()) / 1e6:.1f} MB")
    return True


def _calibrate(model: Model, views: OrbitPictures) -> None:
    looks = Looks()
    features, _ = encode(views, model.encoder, look=looks.add)
    fitted_on = f"{views.views} {views.words}"
    model.calibration, model.fusion = calibrate(model, features, views.lat_lon, fitted_on=fitted_on)
    model.familiarity = looks.fit(name=model.config.name, fitted_on=fitted_on)


def _feature_sets(recipe: OrbitRecipe) -> dict[str, dict[str, object]]:
    first = recipe.first_feature_view
    return {
        "gallery": {"split": "train", "start": 0, "count": recipe.gallery_rows, "seasons": 0.0},
        "validation": {"split": "validation", "start": 0, "count": recipe.validation_views, "seasons": 0.0},
        "ordinary": {"split": "train", "start": first, "count": recipe.ordinary_views, "seasons": 0.0},
        "seasons": {
            "split": "train",
            "start": first + recipe.ordinary_views,
            "count": recipe.seasons_views,
            "seasons": 1.0,
        },
    }


def _same_recipe(recipe: OrbitRecipe, folder: Path) -> None:
    """A folder belongs to one recipe: stages that were finished under another would not fit."""
    path, text = folder / "recipe.json", recipe.model_dump_json(indent=2)
    # Read as a recipe: one of an earlier version lacks the settings that are newer, which stand at their defaults.
    if path.exists() and OrbitRecipe.model_validate_json(path.read_bytes()) != recipe:
        raise ConfigError(f"{path}: this folder's run has other settings; name another folder, or delete it.")
    write_whole(path, f"{text}\n".encode())
