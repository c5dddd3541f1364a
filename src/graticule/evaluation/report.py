"""A model beside its baselines, on pictures whose places are known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import RenderableType
from torch import Tensor

from graticule.data.orbit.mosaic import Mosaic, training_mosaic_path
from graticule.data.orbit.views import Split
from graticule.decoding.calibration import Calibration
from graticule.errors import InputError
from graticule.evaluation.comparison import Comparison, paired_difference
from graticule.evaluation.methods import baselines, decodings
from graticule.evaluation.metrics import THRESHOLDS_KM, Summary, summarise
from graticule.evaluation.pictures import OrbitPictures, Pictures, TruthPictures, encode
from graticule.evaluation.probabilistic import Probabilities, probabilities
from graticule.evaluation.rulers import Ruler, RulerName, ruler
from graticule.evaluation.terminal import report_tables
from graticule.model import Model

__all__ = ["Answers", "Report", "evaluate", "judge_features"]

VIEWS = 10_000


@dataclass(frozen=True)
class Answers:
    """What the best decoding said of each picture.

    Attributes:
        rows: (R,), which of the pictures.
        truth: (R, 2) degrees.
        points: (R, 2) degrees, its answers.
        km: (R,), how far off they are.
    """

    rows: NDArray[np.int64]
    truth: NDArray[np.float64]
    points: NDArray[np.float64]
    km: NDArray[np.float64]


@dataclass(frozen=True)
class Report:
    """Figures of every method on the same pictures.

    Attributes:
        model: name of the model.
        pictures: what was judged on, in words.
        refused: pictures that could not be read.
        distance: which was used, and what counts as within.
        summaries: method -> figures with 95 % bootstrap intervals.
        best: whichever decoding of the model's cells has the higher GeoScore.
        differences: baseline -> `best` less that baseline, paired on the same pictures.
        probabilities: "raw", and "calibrated" where the model brings a calibration.
        answers: picture by picture; not part of `to_dict`.
    """

    model: str
    pictures: str
    refused: int
    distance: Ruler
    summaries: dict[str, Summary]
    best: str
    differences: dict[str, Comparison]
    probabilities: dict[str, Probabilities]
    answers: Answers = field(repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        plain = asdict(self)
        del plain["answers"]
        return plain | {"distance": self.distance.to_dict()}

    def table(self) -> RenderableType:
        """For a terminal."""
        return report_tables(self)


def evaluate(
    model: str | Path | Model,
    *,
    source: str | None = None,
    split: Split = "test",
    views: int | None = None,
    images: Path | None = None,
    truth: Path | None = None,
    mosaic: Mosaic | None = None,
    distance: RulerName = "haversine",
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Report:
    """Judge a model and its baselines, on views of the embedded world or on a folder of pictures.

    Args:
        model: name, folder, or one that is open.
        source: "orbit", or None for a folder.
        split: which views of the source.
        views: how many of them; 10,000 if not said.
        images: folder of pictures.
        truth: CSV of their places.
        mosaic: what views of the source look at; the training mosaic if not given.
        distance: how distances are measured.
        progress: told (done, total).

    Raises:
        InputError: neither or both of source and images were given, or nothing could be read.
        ConfigError: there is no such distance.
    """
    on_orbit = (source, images, truth) == ("orbit", None, None)
    if not on_orbit and (source is not None or images is None or truth is None):
        raise InputError(
            "evaluate: give a source ('orbit'), or a folder of images together with their truth.csv."
        )
    measure = ruler(distance)
    pictures: Pictures
    if images is None or truth is None:
        pictures = OrbitPictures(mosaic or Mosaic.open(training_mosaic_path()), split, views or VIEWS)
    else:
        pictures = TruthPictures(truth, images)
    parts = model if isinstance(model, Model) else Model.open(model)
    features, rows = encode(pictures, parts.encoder, progress=progress)
    return judge_features(
        parts,
        features,
        pictures.lat_lon[rows],
        pictures=pictures.words,
        refused=len(pictures.ids) - len(rows),
        thresholds=pictures.thresholds,
        measure=measure,
    )


def judge_features(
    model: Model,
    features: Tensor,
    lat_lon: NDArray[np.float64],
    *,
    pictures: str,
    refused: int = 0,
    thresholds: Sequence[float] = THRESHOLDS_KM,
    measure: Ruler | None = None,
) -> Report:
    """Every method on the same features.

    Args:
        model: brings gallery, alignment, cell model and baselines.
        features: (B, F) float32 encoder features.
        lat_lon: (B, 2) degrees, the truth.
        pictures: what they are, in words.
        refused: pictures that could not be read.
        thresholds: distances in km.
        measure: how distances are measured; by haversine if not given.
    """
    measure = measure or ruler("haversine")
    own, others = decodings(model), baselines(model)
    answered = {name: method(features).numpy() for name, method in {**others, **own}.items()}
    km = {name: measure.km(*points.T, *lat_lon.T) for name, points in answered.items()}
    how: dict[str, Any] = {"thresholds": thresholds, "inclusive": measure.inclusive}
    summaries = {name: summarise(distances, **how) for name, distances in km.items()}
    best = max(own, key=lambda name: summaries[name].geoscore.value)
    return Report(
        model=model.config.name,
        pictures=pictures,
        refused=refused,
        distance=measure,
        summaries=summaries,
        best=best,
        differences={name: paired_difference(km[best], km[name], **how) for name in others},
        probabilities=_probabilities(model, features, lat_lon),
        answers=Answers(np.arange(len(lat_lon)), lat_lon, answered[best], km[best]),
    )


def _probabilities(model: Model, features: Tensor, lat_lon: NDArray[np.float64]) -> dict[str, Probabilities]:
    found = {"raw": probabilities(model, features, lat_lon)}
    calibration: Calibration | None = getattr(model, "calibration", None)
    if calibration is not None:
        found["calibrated"] = probabilities(model, features, lat_lon, calibration=calibration)
    return found
