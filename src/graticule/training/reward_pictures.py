"""Pictures to train a reward model on: views of Orbit, or a folder of features."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import torch
from safetensors.torch import load_file
from torch import Tensor

from graticule.data.orbit.mosaic import Mosaic
from graticule.earth.distance import haversine_km
from graticule.errors import ConfigError, InputError
from graticule.extract.finished import finished_plan
from graticule.model import Model
from graticule.retrieval.folder import opened
from graticule.training.examples import Examples
from graticule.training.features import extract_views, load_shards
from graticule.training.loop import step_generator
from graticule.training.neighboured import complete, neighboured
from graticule.training.reward import RewardRecipe
from graticule.training.shards import Records, read_records, split_rows
from graticule.training.share import share

__all__ = ["FeatureFolder", "OrbitViews"]

_FIRST_VIEW: Final[dict[Literal["train", "validation"], int]] = {"train": 30_000_000, "validation": 200_000}
"""Views that neither encoder nor GeoToken has learned from, so that samples err there as on new pictures."""
_CHOICE: Final = 15
"""The stream of random numbers that chooses among a folder's pictures."""
_VALIDATION_SHARE: Final = 0.05
_ROWS_AT_ONCE: Final = 4096
"""Pictures whose neighbours are looked up before they are kept: what a stopped run loses at most."""
_SAME, _SAME_KM, _FEW = 0.999, 0.001, 0.01
"""A neighbour so alike and so near is the picture itself; a share of such pictures that can be chance."""


@dataclass(frozen=True)
class OrbitViews:
    """Views of a mosaic, whose features are made first.

    Attributes:
        mosaic: what the views look at.
    """

    mosaic: Mosaic
    told: str = "views of Orbit that the GeoToken had not learned from"

    def digest(self, run: Path) -> str:
        """See `Pictures.digest`."""
        del run
        digest = hashlib.sha256(self.told.encode())
        digest.update(self.mosaic.pixels.contiguous().numpy().data)
        return digest.hexdigest()

    def examples(
        self, model: Model, recipe: RewardRecipe, run: Path, *, report: Callable[[str], None], deadline: float
    ) -> tuple[Examples, Examples] | None:
        """See `Pictures.examples`."""
        wanted: dict[Literal["train", "validation"], int] = {
            "train": recipe.views,
            "validation": recipe.validation_views,
        }
        sets = []
        for split, count in wanted.items():
            report(f"{split}: features of {count} views")
            if not extract_views(
                model.encoder,  # type: ignore[arg-type]
                self.mosaic,
                run / split,
                split=split,
                start=_FIRST_VIEW[split],
                count=count,
                seasons=0.0,
                report=report,
                stop_after_s=deadline - time.monotonic(),
            ):
                return None
            near = run / f"{split}-neighbours"
            found = _looked_up(model, *load_shards(run / split), near, report=report, deadline=deadline)
            if found is None:
                return None
            sets.append(found)
        return sets[0], sets[1]


@dataclass(frozen=True)
class FeatureFolder:
    """Pictures of a folder of features.

    Attributes:
        features: the folder, of the model's encoder.
        index: its index with neighbours, where the pictures are the model's gallery; None where they are others.
    """

    features: Path
    index: Path | None = None

    @property
    def told(self) -> str:
        """See `Pictures.told`."""
        return f"pictures of {self.features.name}"

    def digest(self, run: Path) -> str:
        """See `Pictures.digest`: of every shard, and of the index."""
        digest = hashlib.sha256(self._records(run).digest.encode())
        if self.index is not None:
            folder, _ = opened(self.index)
            digest.update((folder.path / "manifest.json").read_bytes())
        return digest.hexdigest()

    def _records(self, run: Path) -> Records:
        return read_records(self.features, checked=run / "checked.json")

    def examples(
        self, model: Model, recipe: RewardRecipe, run: Path, *, report: Callable[[str], None], deadline: float
    ) -> tuple[Examples, Examples] | None:
        """See `Pictures.examples`; whole S2 cells are kept to judge by.

        Raises:
            InputError: the features can't be used.
            ConfigError: they, the index and the model do not belong together.
        """
        plan = finished_plan(self.features)
        if plan is not None:
            model.check_features(str(self.features), plan.encoder_digest)
        records = self._records(run)
        width = model.config.alignment.feature_width
        if records.features.shape[1] != width:
            raise ConfigError(
                f"{self.features}: features {records.features.shape[1]} wide, but {model.config.name} takes {width}; "
                "extract them with the model's encoder."
            )
        parts = split_rows(records.lat_lon, _VALIDATION_SHARE)
        counts = recipe.views, recipe.validation_views
        order = [
            torch.randperm(len(part), generator=step_generator(recipe.seed, split, stream=_CHOICE))
            for split, part in enumerate(parts)
        ]
        chosen = [part[drawn[:count]] for part, drawn, count in zip(parts, order, counts, strict=True)]
        if self.index is not None:
            whole = neighboured(
                records,
                self.index,
                alignment=model.alignment,
                neighbours=model.config.neighbours,
                encoder_digest=None if plan is None else plan.encoder_digest,
            )
            return complete(whole.only(chosen[0])), complete(whole.only(chosen[1]))
        sets = []
        for split, rows in zip(("train", "validation"), chosen, strict=True):
            part, near = records[rows], run / f"{split}-neighbours"
            features = part.features[torch.arange(len(part))]
            found = _looked_up(model, features, part.lat_lon, near, report=report, deadline=deadline)
            if found is None:
                return None
            self._refuse_own(found)
            sets.append(found)
        return sets[0], sets[1]

    def _refuse_own(self, pictures: Examples) -> None:
        """A picture that finds itself is told where it was taken, as no new picture will be."""
        near = pictures.gallery.lat_lon[pictures.rows.flatten()].view(*pictures.rows.shape, 2)
        km = haversine_km(*pictures.places.T.numpy()[..., None], *near.movedim(-1, 0).numpy())
        own = ((torch.from_numpy(km) < _SAME_KM) & (pictures.similarities > _SAME)).any(1)
        if own.float().mean() > _FEW:
            raise InputError(
                f"{self.features}: {int(own.sum())} of {len(own)} pictures find themselves in the model's gallery, and "
                "would be told where they were taken; name their index with --index, or give other pictures."
            )


def _looked_up(
    model: Model,
    features: Tensor,
    lat_lon: Tensor,
    folder: Path,
    *,
    report: Callable[[str], None],
    deadline: float,
) -> Examples | None:
    """Pictures that are not in the gallery, with their neighbours there, which `folder` keeps.

    In a gallery of millions this takes as long as training: processes share it. None if the deadline came first.
    """
    parts = torch.split(torch.arange(len(features)), _ROWS_AT_ONCE)
    paths = [folder / f"{int(rows[0]):08d}.safetensors" for rows in parts]

    def make(number: int) -> dict[str, Tensor]:
        searched = model.searched(features[parts[number]].float())
        similarities, rows = model.index.search(searched, model.config.neighbours)
        return {"rows": rows, "similarities": similarities}

    def told(number: int) -> None:
        report(f"{folder.name}: neighbours of pictures, part {number + 1} of {len(parts)}")

    if not share(paths, make, deadline=deadline, told=told):
        return None
    found = [load_file(path) for path in paths]
    return Examples(
        features,
        lat_lon,
        rows=torch.cat([part["rows"] for part in found]),
        similarities=torch.cat([part["similarities"] for part in found]),
        alignment=model.alignment,
        gallery=model.gallery,
        widths=model.config.gallery_widths,
        chosen=torch.arange(len(features)),
    )
