"""Pictures with known places, wherever they come from, as an evaluation needs them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from graticule.data.orbit.mosaic import Mosaic
from graticule.data.orbit.views import Split, Views, poses
from graticule.data.truth import read_truth
from graticule.encoders.contract import ImageEncoder
from graticule.errors import InputError, PictureError
from graticule.evaluation.metrics import PUBLISHED_KM, THRESHOLDS_KM
from graticule.evaluation.places import Labels
from graticule.images.batches import read_batches
from graticule.images.open import open_picture

__all__ = ["BATCH", "KnownPictures", "OrbitPictures", "Pictures", "Prepare", "TruthPictures", "encode"]

BATCH = 256
"""Pictures encoded together."""

Prepare: TypeAlias = Callable[[Image.Image], NDArray[np.uint8]] | None


class KnownPictures(Protocol):
    """What is known of pictures, in an order that stays."""

    @property
    def words(self) -> str:
        """What they are, for titles."""

    @property
    def thresholds(self) -> Sequence[float]:
        """Distances in km within which accuracy is given."""

    @property
    def ids(self) -> Sequence[str]:
        """A name for each (N,)."""

    @property
    def lat_lon(self) -> NDArray[np.float64]:
        """Where each was taken, in degrees (N, 2)."""

    @property
    def labels(self) -> Labels:
        """What else is known of them."""

    def image(self, row: int) -> Image.Image:
        """One of them, to be looked at.

        Raises:
            PictureError: It can't be read.
        """


class Pictures(KnownPictures, Protocol):
    """Pictures with known places, whose pixels can be had."""

    def batches(self, size: int, prepare: Prepare) -> Iterator[Sequence[NDArray[np.uint8] | PictureError]]:
        """Their pixels (3, size, size), or why there are none, in order; `prepare` as in `read_batches`."""


def encode(
    pictures: Pictures,
    encoder: ImageEncoder,
    *,
    look: Callable[[Tensor], None] = lambda pixels: None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Tensor, NDArray[np.int64]]:
    """Features of all pictures that can be read; a GPU makes them if there is one.

    Args:
        pictures: N of them.
        encoder: Makes the features.
        look: Shown the pixels (B, 3, S, S) uint8 of each batch, as the encoder reads them.
        progress: Told (done, total).

    Returns:
        Features (R, F), and which picture each is of (R,), growing.

    Raises:
        InputError: None could be read.
    """
    features: list[Tensor] = []
    rows: list[int] = []
    done, total = 0, len(pictures.ids)
    with _on_the_fastest_device(encoder) as device:
        for batch in pictures.batches(encoder.size, getattr(encoder, "prepare", None)):
            readable = [
                (done + place, item) for place, item in enumerate(batch) if isinstance(item, np.ndarray)
            ]
            if readable:
                rows += [row for row, _ in readable]
                pixels = torch.from_numpy(np.stack([pixels for _, pixels in readable]))
                look(pixels)
                features.append(encoder.encode(pixels.to(device)).cpu())
            done += len(batch)
            progress(done, total)
    if not rows:
        raise InputError(f"{pictures.words}: none of the {total} pictures could be read.")
    return torch.cat(features), np.array(rows)


@contextmanager
def _on_the_fastest_device(encoder: ImageEncoder) -> Iterator[str]:
    """The encoder lies on a GPU meanwhile, if there is one; afterwards it is with the rest of its model again."""
    device = _fastest_device()
    if device == "cpu" or not isinstance(encoder, nn.Module):
        yield "cpu"
        return
    try:
        encoder.to(device)
        yield device
    finally:
        encoder.to("cpu")


def _fastest_device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


@dataclass(frozen=True)
class OrbitPictures:
    """Fresh views of a mosaic.

    Attributes:
        mosaic: What they look at.
        split: Which stream of views.
        views: How many.
        first: The number of the first.
    """

    mosaic: Mosaic
    split: Split
    views: int
    first: int = 0

    thresholds = THRESHOLDS_KM

    @property
    def labels(self) -> Labels:
        """Nothing is known of a view but its place."""
        return {}

    @property
    def words(self) -> str:
        """What they are, for titles."""
        return f"fresh {self.split} views of Orbit, from {self.mosaic.name}"

    @property
    def ids(self) -> Sequence[str]:
        """The number of each view."""
        return [f"{self.split} view {number}" for number in self._numbers]

    @property
    def lat_lon(self) -> NDArray[np.float64]:
        """The middle of each view, in degrees (N, 2)."""
        pose = poses(self.split, self._numbers)
        return torch.stack([pose.lat, pose.lon], dim=1).numpy()

    def batches(self, size: int, prepare: Prepare) -> Iterator[Sequence[NDArray[np.uint8] | PictureError]]:
        """Their pixels; a view needs no preparing."""
        camera = Views(self.mosaic, self.split, size=size)
        for numbers in np.split(self._numbers, range(BATCH, self.views, BATCH)):
            yield list(camera.batch(numbers)[0].numpy())

    def image(self, row: int) -> Image.Image:
        """One view, larger than the model saw it."""
        pixels, _ = Views(self.mosaic, self.split, size=160).batch(self._numbers[row : row + 1])
        return Image.fromarray(pixels[0].permute(1, 2, 0).numpy())

    @property
    def _numbers(self) -> NDArray[np.int64]:
        return np.arange(self.first, self.first + self.views)


class TruthPictures:
    """Files named in a table of path, latitude and longitude."""

    thresholds = PUBLISHED_KM

    def __init__(self, truth: Path, images: Path) -> None:
        """Read the table.

        Args:
            truth: CSV of path, latitude, longitude.
            images: Folder that relative paths start from.

        Raises:
            TableError: It can't be read.
        """
        known = read_truth(truth, images)
        self.labels: Labels = {}
        self.words = f"pictures in {images.name}"
        self.paths = [row.path for row in known]
        self.ids = [str(path) for path in self.paths]
        self.lat_lon = np.array([(row.latitude, row.longitude) for row in known]).reshape(-1, 2)

    def batches(self, size: int, prepare: Prepare) -> Iterator[Sequence[NDArray[np.uint8] | PictureError]]:
        """Their pixels."""
        for batch in read_batches(self.paths, size, batch_size=BATCH, prepare=prepare):
            yield [pixels for _, pixels in batch]

    def image(self, row: int) -> Image.Image:
        """One of the files."""
        return open_picture(self.paths[row])
