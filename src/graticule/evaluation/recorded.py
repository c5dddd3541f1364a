"""Pictures that a source's records tell of: read in place, or known by the features that were extracted of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from graticule.data.records import read_picture
from graticule.errors import ConfigError, InputError, PictureError
from graticule.evaluation.metrics import PUBLISHED_KM
from graticule.evaluation.pictures import BATCH, Prepare
from graticule.evaluation.places import LEVELS, Labels, label_column
from graticule.images.batches import decode_batches
from graticule.images.open import open_picture

if TYPE_CHECKING:
    from graticule.model import Model

__all__ = ["FeaturePictures", "SourcePictures"]


class _Recorded:
    """What a table of records says."""

    thresholds = PUBLISHED_KM

    def __init__(self, name: str, split: str | None, path: Path, records: Any) -> None:
        """Take the columns that an evaluation needs.

        Args:
            name: of the source.
            split: which part of it.
            path: its folder.
            records: N of them, as `Scan.records`.
        """
        self.words = f"{name}, {split}" if split else name
        self.path = path
        self.ids: Sequence[str] = records["id"].to_pylist()
        self.lat_lon = np.stack([records[axis].to_numpy() for axis in ("latitude", "longitude")], axis=1)
        self.labels: Labels = {
            label: label_column(records[label])
            for label in (*LEVELS, "author")
            if records[label].null_count < records.num_rows
        }
        self._where = records.select(["container", "member", "offset", "size"])

    def image(self, row: int) -> Image.Image:
        """One of them, as long as its source lies where it was."""
        return self._open(row, None)

    def _open(self, row: int, shortest: int | None) -> Image.Image:
        [where] = self._where.slice(row, 1).to_pylist()
        return open_picture(read_picture(self.path, where), name=self.ids[row], shortest=shortest)


class SourcePictures(_Recorded):
    """What a source of the registry holds, read in place."""

    def __init__(self, name: str, path: Path, split: str | None = None) -> None:
        """Scan the source.

        Args:
            name: One of `graticule.registry.SOURCES`.
            path: Its folder.
            split: Which part, for a source with splits.

        Raises:
            ConfigError: There is no such source.
            InputError: There is no such folder or split, or its table can't be used, or names no usable picture.
            MissingExtraError: pyarrow is not installed.
        """
        from graticule.data.sources.contract import open_source

        scan = open_source(name, path, split)
        if not scan.records.num_rows:
            raise InputError(
                f"{path}: no picture of {name} can be used; `graticule data check {name} {path}` says why."
            )
        super().__init__(name, split, path, scan.records)

    def batches(self, size: int, prepare: Prepare) -> Iterator[Sequence[NDArray[np.uint8] | PictureError]]:
        """Their pixels."""
        batches = decode_batches(
            range(len(self.ids)), self._open, size, batch_size=BATCH, ahead=2 * BATCH, prepare=prepare
        )
        for batch in batches:
            yield [pixels for _, pixels in batch]


class FeaturePictures(_Recorded):
    """The pictures of a folder that `graticule extract` wrote: their features are there, and no picture is read.

    Attributes:
        folder: of the features.
        encoder_digest: of the encoder that made them.
        features: (R, F) float32, of the pictures that could be read.
        rows: (R,), which of the N pictures these are.
    """

    def __init__(self, folder: Path) -> None:
        """Read the folder.

        Raises:
            InputError: It holds no extraction, or one that is not finished, or its files are damaged.
            MissingExtraError: pyarrow is not installed.
        """
        from graticule.extract.finished import finished_features, finished_plan, finished_records

        plan = finished_plan(folder)
        if plan is None:
            raise InputError(
                f"{folder}: holds no extract.json, so nothing says which pictures its features are of; name a folder "
                "that `graticule extract` wrote."
            )
        super().__init__(plan.source, plan.split, Path(plan.path), finished_records(folder, plan))
        self.folder, self.encoder_digest = folder, plan.encoder_digest
        self.rows, self.features = finished_features(folder, plan)
        if not len(self.rows):
            raise InputError(f"{folder}: none of its {plan.records} pictures could be read.")

    def features_for(self, model: Model) -> Tensor:
        """The features, if they are of the model's encoder.

        Raises:
            ConfigError: They are of another.
        """
        model.check_features(str(self.folder), self.encoder_digest)
        width = model.config.encoder.width
        if self.features.shape[1] != width:
            raise ConfigError(
                f"{self.folder}: features {self.features.shape[1]} wide, but {model.config.name} takes {width}."
            )
        return self.features
