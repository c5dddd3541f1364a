"""A model beside its baselines, or several models, on pictures whose places are known."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from graticule.data.orbit.mosaic import Mosaic, training_mosaic_path
from graticule.data.orbit.views import Split
from graticule.errors import InputError
from graticule.evaluation.breakdown import Answers, group_rows, true_countries, worst_misses
from graticule.evaluation.calibration import Outcomes
from graticule.evaluation.comparison import Comparison, paired_difference
from graticule.evaluation.countries import continents_of
from graticule.evaluation.judged import Evaluation, Pair, Report
from graticule.evaluation.leakage import Audit, Nearness, find_leaks, without
from graticule.evaluation.methods import GALLERY_FREE, Choice, baselines, decodings, selected
from graticule.evaluation.metrics import THRESHOLDS_KM, Summary, summarise
from graticule.evaluation.nearest import nearest
from graticule.evaluation.pictures import KnownPictures, OrbitPictures, Pictures, TruthPictures, encode
from graticule.evaluation.places import Labels, PlaceTable, administrative
from graticule.evaluation.probabilistic import is_of_locate, outcomes, probabilities, uncalibrated
from graticule.evaluation.recorded import FeaturePictures, SourcePictures
from graticule.evaluation.rulers import Ruler, RulerName, ruler
from graticule.model import Model

__all__ = ["Report", "Settings", "Truths", "compare_models", "evaluate", "find_pictures", "judge_features"]

VIEWS = 10_000


@dataclass(frozen=True)
class Truths:
    """What is known of pictures that could be read.

    Attributes:
        words: what they are.
        lat_lon: (R, 2) degrees.
        rows: (R,), which of the pictures they are.
        ids: names of all pictures.
        labels: what else is known of the R.
        refused: how many could not be read.
        thresholds: distances in km.
    """

    words: str
    lat_lon: NDArray[np.float64]
    rows: NDArray[np.int64]
    ids: Sequence[str]
    labels: Labels = field(default_factory=dict)
    refused: int = 0
    thresholds: Sequence[float] = THRESHOLDS_KM

    @classmethod
    def of(cls, pictures: KnownPictures, rows: NDArray[np.int64]) -> Truths:
        """Some of the pictures."""
        return cls(
            words=pictures.words,
            lat_lon=pictures.lat_lon[rows],
            rows=rows,
            ids=pictures.ids,
            labels={name: column[rows] for name, column in pictures.labels.items()},
            refused=len(pictures.ids) - len(rows),
            thresholds=pictures.thresholds,
        )


@dataclass(frozen=True)
class Settings:
    """How models are judged.

    Attributes:
        distance: how distances are measured.
        places: names of places, for administrative accuracy; and authors of the gallery's pictures, for the audit.
        audit: what counts as a twin of a judged picture; without it nothing is audited.
        choice: a selector to judge beside the model's own answers.
    """

    distance: RulerName = "haversine"
    places: PlaceTable | None = None
    audit: Nearness | None = None
    choice: Choice | None = None


def find_pictures(
    source: str | None = None,
    path: Path | None = None,
    *,
    split: str | None = None,
    views: int | None = None,
    images: Path | None = None,
    truth: Path | None = None,
    mosaic: Mosaic | None = None,
    features: Path | None = None,
) -> Pictures | FeaturePictures:
    """The pictures of a source, of a folder and its table, or of a folder of features.

    Args:
        source: "orbit", or one of `graticule.registry.SOURCES`; None for a folder and its table.
        path: folder of a source that lies on disk.
        split: which part of the source; for Orbit "test" if not said.
        views: how many views of Orbit; 10,000 if not said.
        images: folder of pictures.
        truth: CSV of their places.
        mosaic: what views of Orbit look at; the training mosaic if not given.
        features: what `graticule extract` made of a source.

    Raises:
        ConfigError: there is no such source.
        InputError: too much or too little was given, or there is no such split, or the source can't be used.
    """
    if source != "orbit" and (views, mosaic) != (None, None):
        raise InputError(
            "evaluate: views and a mosaic belong to the source 'orbit'; give them with it, or not."
        )
    if features is not None:
        if (source, path, split, images, truth) != (None,) * 5:
            raise InputError(
                "evaluate: features say what they are of; give them alone, or a source without them."
            )
        return FeaturePictures(features)
    if source is None and (path, split) == (None, None) and images is not None and truth is not None:
        return TruthPictures(truth, images)
    if source is None or (images, truth) != (None, None) or (source == "orbit") != (path is None):
        raise InputError(
            "evaluate: give a source and its folder, the source 'orbit' alone, a folder of images together with their "
            "truth.csv, or a folder of features."
        )
    if path is not None:
        return SourcePictures(source, path, split)
    for known in get_args(Split):
        if known == (split or "test"):
            return OrbitPictures(mosaic or Mosaic.open(training_mosaic_path()), known, views or VIEWS)
    raise InputError(f"orbit: there is no split {split!r}; choose {' or '.join(get_args(Split))}.")


def evaluate(
    model: str | Path | Model,
    *,
    source: str | None = None,
    path: Path | None = None,
    split: str | None = None,
    views: int | None = None,
    images: Path | None = None,
    truth: Path | None = None,
    mosaic: Mosaic | None = None,
    features: Path | None = None,
    settings: Settings | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Report:
    """Judge a model and its baselines on pictures with known places: a source, a folder with truth.csv, or features.

    Args:
        model: name, folder, or one that is open.
        source: see `find_pictures`.
        path: see `find_pictures`.
        split: see `find_pictures`.
        views: see `find_pictures`.
        images: see `find_pictures`.
        truth: see `find_pictures`.
        mosaic: see `find_pictures`.
        features: see `find_pictures`.
        settings: how it is judged.
        progress: told (done, total).

    Raises:
        InputError: the pictures are not named as they should be, or none could be read.
        ConfigError: there is no such source or distance.
    """
    pictures = find_pictures(
        source, path, split=split, views=views, images=images, truth=truth, mosaic=mosaic, features=features
    )
    return compare_models([model], pictures, settings=settings, progress=progress).reports[0]


def compare_models(
    models: Sequence[str | Path | Model],
    pictures: Pictures | FeaturePictures,
    *,
    settings: Settings | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Evaluation:
    """Judge models on the same pictures, and compare them two by two.

    Args:
        models: names, folders, or open ones.
        pictures: what they are judged on.
        settings: how.
        progress: told (done, total), for each encoder anew: models that share one are encoded for once.

    Raises:
        InputError: no picture could be read.
        ConfigError: there is no such distance or selector, the selector is of another model, or features are of another
            encoder than a model's.
        MissingExtraError: the settings need a package that is not installed.
    """
    settings = settings or Settings()
    _see_that_extras_are_there(settings)
    reports: list[Report] = []
    opened = [given if isinstance(given, Model) else Model.open(given) for given in models]
    if settings.choice is not None:
        for model in opened:
            settings.choice.chooser(model)
    encoded: list[tuple[Model, tuple[Tensor, NDArray[np.int64]]]] = []
    for given, model in zip(models, opened, strict=True):
        known = next((done for other, done in encoded if _encode_alike(model, other)), None)
        features, rows = known or _features(pictures, model, progress)
        if known is None:
            encoded.append((model, (features, rows)))
        name = _unlike([report.model for report in reports], model.config.name, given)
        reports.append(_judge(model, features, Truths.of(pictures, rows), settings, name=name))
    return Evaluation(reports, [_pair(a, b, pictures) for a, b in combinations(reports, 2)], pictures)


def judge_features(
    model: Model,
    features: Tensor,
    lat_lon: NDArray[np.float64],
    *,
    pictures: str,
    settings: Settings | None = None,
) -> Report:
    """Every method on the same features.

    Args:
        model: brings gallery, alignment, cell model and baselines.
        features: (B, F) float32 encoder features.
        lat_lon: (B, 2) degrees, the truth.
        pictures: what they are, in words.
        settings: how it is judged.
    """
    rows = np.arange(len(lat_lon))
    truths = Truths(pictures, lat_lon, rows, [str(row) for row in rows])
    return _judge(model, features, truths, settings or Settings(), name=model.config.name)


@dataclass(frozen=True)
class _Yardstick:
    """Distances from the truths, and figures of them, always by one ruler."""

    truths: Truths
    ruler: Ruler

    @property
    def _how(self) -> dict[str, Any]:
        return {"thresholds": self.truths.thresholds, "inclusive": self.ruler.inclusive}

    def km(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        return self.ruler.km(*points.T, *self.truths.lat_lon.T)

    def summary(self, km: NDArray[np.float64]) -> Summary:
        return summarise(km, **self._how)

    def difference(self, a_km: NDArray[np.float64], b_km: NDArray[np.float64]) -> Comparison:
        return paired_difference(a_km, b_km, **self._how)

    def by_group(self, km: NDArray[np.float64], groups: NDArray[np.object_]) -> dict[str, Summary]:
        return {name: self.summary(km[rows]) for name, rows in group_rows(groups).items()}


def _judge(model: Model, features: Tensor, truths: Truths, settings: Settings, *, name: str) -> Report:
    yardstick = _Yardstick(truths, ruler(settings.distance))
    seen = _outcomes(model, features, truths.lat_lon)
    points = _answers(model, features, truths, settings, seen=seen)
    km = {method: yardstick.km(found) for method, found in points.items()}
    summaries = {method: yardstick.summary(distances) for method, distances in km.items()}
    own = decodings(model)
    best = max(own, key=lambda method: summaries[method].geoscore.value)
    answers = Answers(truths.rows, truths.lat_lon, points[best], km[best])
    countries = true_countries(truths.lat_lon, truths.labels)
    return Report(
        model=name,
        pictures=truths.words,
        refused=truths.refused,
        distance=yardstick.ruler,
        summaries=summaries,
        best=best,
        differences={
            method: yardstick.difference(km[best], km[method]) for method in km if method not in own
        },
        probabilities={name: probabilities(found) for name, found in seen.items()},
        administrative=administrative(points[best], truths.labels, table=settings.places),
        continents=yardstick.by_group(km[best], continents_of(countries)),
        countries=yardstick.by_group(km[best], countries),
        worst=worst_misses(answers, truths.ids, countries),
        audit=_audit(model, features, km, yardstick, settings),
        answers=answers,
    )


def _answers(
    model: Model,
    features: Tensor,
    truths: Truths,
    settings: Settings,
    *,
    seen: Mapping[str, Outcomes] | None = None,
) -> dict[str, NDArray[np.float64]]:
    """Every method's points (B, 2), the baselines first; those of a density that has been made are taken from it."""
    methods = {**baselines(model), **decodings(model)}
    if settings.choice is not None:
        methods |= selected(model, settings.choice, truths.rows)
    known = {}
    if seen is not None:
        own = seen["raw" if model.calibration is None else "calibrated"]
        if is_of_locate(own.calibration):
            known[f"{model.cell_model_name}, beam"] = own.points
    return {
        name: known[name] if name in known else method(features).numpy() for name, method in methods.items()
    }


def _outcomes(model: Model, features: Tensor, lat_lon: NDArray[np.float64]) -> dict[str, Outcomes]:
    """How the model's densities stand to the truth: as it is, and calibrated where it brings a calibration."""
    calibrations = {"raw": uncalibrated(model)}
    if model.calibration is not None:
        calibrations["calibrated"] = model.calibration
    return {
        name: outcomes(model, features, lat_lon, calibration=calibration)
        for name, calibration in calibrations.items()
    }


def _audit(
    model: Model,
    features: Tensor,
    km: Mapping[str, NDArray[np.float64]],
    yardstick: _Yardstick,
    settings: Settings,
) -> Audit | None:
    """Judge again without the gallery rows that leak, if asked to; methods that don't ask the gallery are left out."""
    truths, nearness = yardstick.truths, settings.audit
    if nearness is None:
        return None
    leaks = find_leaks(
        model,
        features,
        truths.lat_lon,
        authors=truths.labels.get("author"),
        table=settings.places,
        nearness=nearness,
    )
    points = _answers(without(model, leaks), features, truths, settings)
    clean = {method: yardstick.km(found) for method, found in points.items() if method != GALLERY_FREE}
    return Audit(
        nearness=nearness,
        gallery=len(model.gallery),
        dropped=leaks.counts(),
        summaries={method: yardstick.summary(distances) for method, distances in clean.items()},
        differences={
            method: yardstick.difference(distances, km[method]) for method, distances in clean.items()
        },
    )


def _features(
    pictures: Pictures | FeaturePictures, model: Model, progress: Callable[[int, int], None]
) -> tuple[Tensor, NDArray[np.int64]]:
    """Features of the pictures that could be read, and which these are: as they were extracted, or made now."""
    if isinstance(pictures, FeaturePictures):
        progress(len(pictures.ids), len(pictures.ids))
        return pictures.features_for(model), pictures.rows
    return encode(pictures, model.encoder, progress=progress)


def _encode_alike(a: Model, b: Model) -> bool:
    """Whether two models' encoders are one, by settings and weights."""
    if a.encoder is b.encoder:
        return True
    if a.config.encoder != b.config.encoder:
        return False
    if not (isinstance(a.encoder, nn.Module) and isinstance(b.encoder, nn.Module)):
        return False
    first, second = a.encoder.state_dict(), b.encoder.state_dict()
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def _see_that_extras_are_there(settings: Settings) -> None:
    """Better now than after an hour of encoding."""
    here = np.zeros((1, 2))
    ruler(settings.distance).km(*here.T, *here.T)
    if settings.places is not None or settings.audit is not None:
        nearest(here, here)


def _unlike(others: Sequence[str], name: str, given: str | Path | Model) -> str:
    """A name that no other model has: its own, or where it was opened, or a number more."""
    if name in others and isinstance(given, str | Path) and str(given) not in others:
        return str(given)
    number, unlike = 2, name
    while unlike in others:
        number, unlike = number + 1, f"{name} ({number})"
    return unlike


def _pair(first: Report, second: Report, pictures: KnownPictures) -> Pair:
    _, a, b = np.intersect1d(first.answers.rows, second.answers.rows, return_indices=True)
    difference = paired_difference(
        first.answers.km[a],
        second.answers.km[b],
        thresholds=pictures.thresholds,
        inclusive=first.distance.inclusive,
    )
    return Pair(f"{first.model}: {first.best}", f"{second.model}: {second.best}", difference)
