"""What a GeoToken draws for pictures of known places: what its reward model learns from and is judged by."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import torch
from pydantic import BaseModel, ConfigDict
from safetensors.torch import load_file
from torch import Tensor

from graticule.decoding.sample import Sampling
from graticule.earth.distance import haversine_km
from graticule.tokens.geotoken import GeoToken
from graticule.training.distributed import device_of
from graticule.training.examples import Examples
from graticule.training.share import share

__all__ = ["Samples"]

_BATCH: Final = 256
_SHARD_ROWS: Final = 4096
"""Pictures whose samples are drawn before they are kept: what a stopped run loses at most."""


class Samples(BaseModel):
    """What a GeoToken drew for N pictures, up to W different places each.

    Attributes:
        tokens: (N, W, T) int64.
        counts: (N, W) int64, how often each was drawn; 0 where there is none.
        km: (N, W) float64, how far each is from the truth.
    """

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    tokens: Tensor
    counts: Tensor
    km: Tensor

    @classmethod
    def draw(
        cls, geotoken: GeoToken, pictures: Examples, *, sampling: Sampling, rows: Tensor | None = None
    ) -> Samples:
        """Draw them, where the weights are.

        Args:
            geotoken: draws.
            pictures: of known places.
            sampling: says how many, at what temperature, and the seed. A picture's samples depend on its row alone.
            rows: (N,) of the pictures; None: all.
        """
        scheme, device = geotoken.scheme, device_of(geotoken)
        rows = torch.arange(len(pictures)) if rows is None else rows
        tokens = torch.zeros(len(rows), sampling.count, scheme.length, dtype=torch.int64)
        counts = torch.zeros(len(rows), sampling.count, dtype=torch.int64)
        for start in range(0, len(rows), _BATCH):
            part = rows[start : start + _BATCH]
            found = sampling.draw(geotoken, pictures.query(scheme, part).to(device), keys=part)
            assert found.counts is not None
            there = slice(start, start + len(part))
            tokens[there, : found.tokens.shape[1]] = found.tokens.cpu()
            counts[there, : found.counts.shape[1]] = found.counts.cpu()
        lat, lon = scheme.centres(tokens.numpy())
        km = haversine_km(lat, lon, *pictures.places[rows].T.numpy()[..., None])
        return cls(tokens=tokens, counts=counts, km=torch.from_numpy(km))

    @classmethod
    def kept(
        cls,
        geotoken: GeoToken,
        pictures: Examples,
        folder: Path,
        *,
        sampling: Sampling,
        report: Callable[[str], None],
        deadline: float,
    ) -> Samples | None:
        """Those of a folder, where what is missing is drawn first, some thousand pictures at a time.

        Processes share the work, and all get all samples.

        Args:
            geotoken: draws.
            pictures: of known places, always the same for a folder.
            folder: keeps the samples.
            sampling: how.
            report: gets lines of progress.
            deadline: on the monotonic clock; after it no more than what is begun is drawn.

        Returns:
            None if the deadline came first.
        """
        parts = torch.split(torch.arange(len(pictures)), _SHARD_ROWS)
        paths = [folder / f"{int(rows[0]):08d}.safetensors" for rows in parts]

        def make(number: int) -> dict[str, Tensor]:
            made = cls.draw(geotoken, pictures, sampling=sampling, rows=parts[number])
            return {"tokens": made.tokens, "counts": made.counts, "km": made.km}

        def told(number: int) -> None:
            report(f"{folder.name}: samples of pictures, part {number + 1} of {len(parts)}")

        if not share(paths, make, deadline=deadline, told=told):
            return None
        found = [load_file(path) for path in paths]
        return cls(**{name: torch.cat([part[name] for part in found]) for name in cls.model_fields})
