"""One's own photos as data to learn from: their features, where and when they were taken, and which are left out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from graticule.data.sources.contract import Problem, Problems, Scan
from graticule.extract.finished import finished_features
from graticule.extract.ledger import REFUSED
from graticule.extract.plan import read_plan

__all__ = ["Photos", "day_of", "read_photos"]


@dataclass(frozen=True)
class Photos:
    """N photos with known places, and what could not be used.

    Attributes:
        features: (N, F) float32.
        lat_lon: (N, 2) float64, degrees.
        days: when each was taken by the camera's clock; None where that is not known.
        left_out: files and rows of a table, and why.
    """

    features: Tensor
    lat_lon: NDArray[np.float64]
    days: tuple[date | None, ...]
    left_out: Problems

    def __len__(self) -> int:
        return len(self.features)


def read_photos(scan: Scan, extracted: Path) -> Photos:
    """The photos of a folder whose features are extracted; those that could not be read are left out.

    Args:
        scan: what the folder holds.
        extracted: the folder of features that `extract_scan` made of it, finished.

    Raises:
        InputError: the features are damaged.
    """
    rows, features = finished_features(extracted, read_plan(extracted))
    records = scan.records.take(rows)
    lat_lon = np.stack([records[axis].to_numpy() for axis in ("latitude", "longitude")], axis=1)
    days = tuple(map(day_of, records["captured_at"].to_pylist()))
    return Photos(features, lat_lon, days, Problems.join(scan.problems, _refused(extracted)))


def day_of(captured_at: str | None) -> date | None:
    """The day of a time as EXIF readers and tables write it; None where it is no ISO 8601."""
    try:
        return datetime.fromisoformat(captured_at or "").date()
    except ValueError:
        return None


def _refused(extracted: Path) -> Problems:
    """The pictures that extraction could not read; those with one fault in the same words."""
    lines = [json.loads(line) for line in (extracted / REFUSED).read_text(encoding="utf-8").splitlines()]
    whys = [line["error"].partition(f"{line['id']}: ")[2] or line["error"] for line in lines]
    return Problems.of(*(Problem(line["id"], why) for line, why in zip(lines, whys, strict=True)))
