"""A model beside its baselines, on pictures whose places are known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from rich.box import SIMPLE
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from torch import Tensor

from graticule.data.orbit.mosaic import Mosaic, training_mosaic_path
from graticule.data.orbit.views import Split, Views
from graticule.data.truth import read_truth
from graticule.earth.distance import haversine_km
from graticule.errors import InputError, PictureError
from graticule.evaluation.baselines import FlatClassifier, neighbour_vote
from graticule.evaluation.comparison import Comparison, Difference, paired_difference
from graticule.evaluation.metrics import Estimate, Summary, summarise
from graticule.images.batches import read_batches
from graticule.locator import Decode, answers, search
from graticule.model import Model
from graticule.retrieval.exact import ExactIndex

__all__ = ["Report", "evaluate", "judge_features"]

VIEWS = 10_000
NEIGHBOURS = 15
"""k of the vote, for models whose cell model reads no neighbours itself."""
_BATCH = 256


@dataclass(frozen=True)
class Report:
    """Figures of every method on the same pictures.

    Attributes:
        model: name of the model.
        pictures: what was judged on, in words.
        refused: pictures that could not be read.
        summaries: method -> figures with 95 % bootstrap intervals.
        best: whichever decoding of the model's cells has the higher GeoScore.
        differences: baseline -> `best` less that baseline, paired on the same pictures.
    """

    model: str
    pictures: str
    refused: int
    summaries: dict[str, Summary]
    best: str
    differences: dict[str, Comparison]

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return asdict(self)

    def table(self) -> RenderableType:
        """For a terminal: figures, then how much the model's best decoding differs from each baseline."""
        any_summary = next(iter(self.summaries.values()))
        thresholds = list(any_summary.within)
        title = f"{self.model} on {self.pictures}: {any_summary.count} pictures"
        figures = _table(f"{title}, {self.refused} refused" if self.refused else title, thresholds)
        figures.add_column("median\nkm", justify="right", no_wrap=True)
        for method, summary in self.summaries.items():
            cells = [_with_interval(summary.within[t], scale=100, digits=1) for t in thresholds]
            cells += [_with_interval(e, scale=1, digits=0) for e in (summary.geoscore, summary.median_km)]
            figures.add_row(method, *cells, style="bold" if method == self.best else None)
        paired = _table(f"{self.best}, less each baseline on the same pictures (* clear of zero)", thresholds)
        for method, difference in self.differences.items():
            cells = [_with_interval(difference.within[t], scale=100, digits=1, sign="+") for t in thresholds]
            paired.add_row(method, *cells, _with_interval(difference.geoscore, scale=1, digits=0, sign="+"))
        return Group(
            figures,
            paired,
            Text("% of pictures within a distance; beneath each figure, half its 95 % interval"),
        )


def evaluate(
    model: str | Path | Model,
    *,
    source: str | None = None,
    split: Split = "test",
    views: int | None = None,
    images: Path | None = None,
    truth: Path | None = None,
    mosaic: Mosaic | None = None,
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
        progress: told (done, total).

    Raises:
        InputError: neither or both of source and images were given, or nothing could be read.
    """
    on_orbit = (source, images, truth) == ("orbit", None, None)
    if not on_orbit and (source is not None or images is None or truth is None):
        raise InputError(
            "evaluate: give a source ('orbit'), or a folder of images together with their truth.csv."
        )
    parts = model if isinstance(model, Model) else Model.open(model)
    if images is None or truth is None:
        features, lat_lon = _orbit_features(parts, mosaic, split, views or VIEWS, progress)
        return judge_features(parts, features, lat_lon, pictures=f"fresh {split} views of Orbit")
    features, lat_lon, refused = _folder_features(parts, images, truth, progress)
    return judge_features(parts, features, lat_lon, pictures=f"pictures in {images.name}", refused=refused)


def judge_features(
    model: Model, features: Tensor, lat_lon: NDArray[np.float64], *, pictures: str, refused: int = 0
) -> Report:
    """Every method on the same features.

    Args:
        model: brings gallery, alignment, cell model and baselines.
        features: (B, F) float32 encoder features.
        lat_lon: (B, 2) degrees, the truth.
        pictures: what they are, in words.
        refused: pictures that could not be read.
    """
    own, baselines = _decodings(model), _baselines(model)
    answered = {name: method(features) for name, method in {**baselines, **own}.items()}
    km = {name: haversine_km(*lat_lon.T, *points.numpy().T) for name, points in answered.items()}
    summaries = {name: summarise(distances) for name, distances in km.items()}
    best = max(own, key=lambda name: summaries[name].geoscore.value)
    differences = {name: paired_difference(km[best], km[name]) for name in baselines}
    return Report(model.config.name, pictures, refused, summaries, best, differences)


Method = Callable[[Tensor], Tensor]
"""(B, F) features -> (B, 2) degrees."""


def _decodings(model: Model) -> dict[str, Method]:
    """The model's own answers."""

    def method(decode: Decode) -> Method:
        def answer(features: Tensor) -> Tensor:
            points = []
            for part in torch.split(features, _BATCH):
                found = search(model, model.query_of_features(part), decode)
                points.append(answers(found[-1], model.cell_model.scheme))
            return torch.cat(points)

        return answer

    return {f"{model.cell_model_name}, {decode}": method(decode) for decode in get_args(Decode)}


def _baselines(model: Model) -> dict[str, Method]:
    """What the same features say without the cell model."""

    def vote(neighbours: int) -> Method:
        return lambda features: neighbour_vote(
            model.alignment.images(features), model.gallery, model.index, neighbours=neighbours
        )

    def retrieve(features: Tensor) -> Tensor:
        """The gallery's place whose location vector is most similar to the picture (GeoCLIP, sec. 3.4)."""
        places = ExactIndex(model.location_vectors())
        return model.gallery.lat_lon[places.search(model.alignment.images(features), 1)[1][:, 0]]

    methods: dict[str, Method] = {}
    if model.config.gallery_of == "pictures":
        methods |= {"1-NN": vote(1), "k-NN vote": vote(model.config.neighbours or NEIGHBOURS)}
    methods["gallery retrieval"] = retrieve
    classifier = model.extras.get("baseline-classifier")
    if classifier is not None:
        methods["flat classifier"] = FlatClassifier.restored(classifier).answer
    return methods


def _orbit_features(
    model: Model, mosaic: Mosaic | None, split: Split, views: int, progress: Callable[[int, int], None]
) -> tuple[Tensor, NDArray[np.float64]]:
    camera = Views(mosaic or Mosaic.open(training_mosaic_path()), split, size=model.encoder.size)
    features, places = [], []
    for start in range(0, views, _BATCH):
        pixels, pose = camera.batch(np.arange(start, min(start + _BATCH, views)))
        features.append(model.encoder.encode(pixels))
        places.append(torch.stack([pose.lat, pose.lon], dim=1))
        progress(min(start + _BATCH, views), views)
    return torch.cat(features), torch.cat(places).numpy()


def _folder_features(
    model: Model, images: Path, truth: Path, progress: Callable[[int, int], None]
) -> tuple[Tensor, NDArray[np.float64], int]:
    known = read_truth(truth, images)
    features, places, done = [], [], 0
    for batch in read_batches(
        [row.path for row in known],
        model.encoder.size,
        batch_size=_BATCH,
        prepare=getattr(model.encoder, "prepare", None),
    ):
        rows = known[done : done + len(batch)]
        readable = [(p, r) for (_, p), r in zip(batch, rows, strict=True) if not isinstance(p, PictureError)]
        if readable:
            features.append(model.encoder.encode(torch.from_numpy(np.stack([p for p, _ in readable]))))
            places += [(row.latitude, row.longitude) for _, row in readable]
        done += len(batch)
        progress(done, len(known))
    if not places:
        raise InputError(f"{images}: none of the {len(known)} pictures named in {truth} could be read.")
    return torch.cat(features), np.array(places), len(known) - len(places)


def _table(title: str, thresholds: list[float]) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE, padding=(0, 1, 0, 0))
    table.add_column("", no_wrap=True)
    for heading in (*(f"<{t:g}\nkm" for t in thresholds), "GeoScore"):
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _with_interval(figure: Estimate, *, scale: float, digits: int, sign: str = "") -> Text:
    """A figure and, beneath, half the width of its interval; differences clear of zero get a star."""
    star = "*" if isinstance(figure, Difference) and figure.clear_of_zero else ""
    half = scale * (figure.high - figure.low) / 2
    return Text(f"{scale * figure.value:{sign}.{digits}f}{star}\n\u00b1{half:.{digits}f}", justify="right")
