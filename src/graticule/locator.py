"""The whole road: pictures in, estimates out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch

from graticule.decoding.beam import frontiers
from graticule.decoding.candidates import Candidates
from graticule.decoding.select import minimum_risk
from graticule.earth import s2
from graticule.earth.cells import TokenScheme
from graticule.encoders.contract import ImageEncoder
from graticule.errors import ConfigError
from graticule.images.batches import read_batches, walk
from graticule.model import Model
from graticule.prediction import MASS, Candidate, Prediction, Refusal, Result, credible_radius_km
from graticule.registry import OFFERS
from graticule.store import ModelFolder, installed_models, shipped_models
from graticule.tokens.query import Query

__all__ = ["BEAM_WIDTH", "Decode", "Geolocator", "ModelListing", "answers", "list_models", "search"]

BEAM_WIDTH = 6
"""Prefixes that beam search follows."""
SHOWN = 96
"""Cells it gives at each level: the children of the prefixes followed, which are known anyway."""
Decode = Literal["greedy", "beam"]


@dataclass(frozen=True)
class ModelListing:
    """One line of `list_models`.

    Attributes:
        name: what `Geolocator.load` takes.
        domain: the pictures it knows, in a few words.
        licence: of its weights.
        disk_bytes: what it takes on disk; about that where it is not installed.
        installed: whether it can be loaded; `graticule models pull` gets one that is not.
    """

    name: str
    domain: str
    licence: str
    disk_bytes: int
    installed: bool


def list_models() -> list[ModelListing]:
    """The models that came with the package, those that are installed, and those that can be fetched.

    Raises:
        ModelFormatError: a model's manifest or settings can't be read.
    """
    listed = {
        name: _listing(name, ModelFolder(path))
        for name, path in (installed_models() | shipped_models()).items()
    }
    for name, offer in OFFERS.items():
        listed.setdefault(
            name, ModelListing(name, offer.domain, offer.licence, offer.disk_bytes, installed=False)
        )
    return list(listed.values())


def _listing(name: str, folder: ModelFolder) -> ModelListing:
    config = folder.config()
    return ModelListing(
        name,
        str(config.get("domain", "?")),
        str(config.get("licence", "?")),
        folder.disk_bytes(),
        installed=True,
    )


class Geolocator:
    """Says where pictures were taken, and how sure it is.

    Example:
        >>> geolocator = Geolocator.load("orbit")  # doctest: +SKIP
        >>> for result in geolocator.locate(["holiday/"]):  # doctest: +SKIP
        ...     print(result)
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        # Some encoders have a faster form, which can't be saved: the model keeps the other.
        faster = getattr(model.encoder, "for_inference", None)
        self._encoder: ImageEncoder = model.encoder if faster is None else faster()

    @classmethod
    def load(cls, name_or_folder: str | Path) -> Geolocator:
        """A shipped or installed model by name, or a model folder by path.

        Raises:
            ModelNotFoundError: there is no such model.
            ModelFormatError: its files are damaged, or do not belong together.
        """
        return cls(Model.open(name_or_folder))

    @property
    def name(self) -> str:
        """The model's name."""
        return self.model.config.name

    @property
    def purpose(self) -> str:
        """What pictures the model is for."""
        return self.model.config.purpose

    def locate(
        self,
        pictures: Path | str | Iterable[Path | str],
        *,
        decode: Decode = "beam",
        top_k: int = 5,
        batch_size: int = 64,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> Iterator[Result]:
        """Estimate where pictures were taken.

        Args:
            pictures: a file or folder, or several; folders are walked.
            decode: how cells are searched.
            top_k: candidates a picture at most: greedy decoding has one, and a coarse answer few cells.
            batch_size: pictures encoded together; it does not change the answers.
            progress: told (done, total).

        Yields:
            For each picture, in order, a prediction, or the refusal that says why there is none.

        Raises:
            ConfigError: there is no such decoding, or a number is not positive.
        """
        if decode not in get_args(Decode):
            raise ConfigError(f"decode: there is no {decode!r}; choose {' or '.join(get_args(Decode))}.")
        if top_k < 1 or batch_size < 1:
            raise ConfigError(f"top_k {top_k} and batch_size {batch_size} must be 1 or more.")
        paths = walk(pictures)
        done = 0
        for batch in read_batches(paths, self._encoder.size, batch_size=batch_size):
            readable = [pixels for _, pixels in batch if isinstance(pixels, np.ndarray)]
            answers = iter(self._answer(np.stack(readable), decode, top_k) if readable else [])
            for path, pixels in batch:
                if isinstance(pixels, np.ndarray):
                    point, radius_km, candidates = next(answers)
                    yield Prediction(str(path), *point, radius_km, candidates, self.name)
                else:
                    yield Refusal(str(path), pixels)
            done += len(batch)
            progress(done, len(paths))

    @torch.inference_mode()
    def _answer(self, pixels: np.ndarray, decode: Decode, top_k: int) -> list[_Answer]:
        """(B, 3, S, S) uint8 -> a point, a radius and candidates for each."""
        query = self.model.query_of_features(self._encoder.encode(torch.from_numpy(pixels)))
        levels = search(self.model, query, decode, shown=top_k)
        scheme = self.model.cell_model.scheme
        points = answers(levels[-1], scheme)
        return [_summary(levels, row, point, scheme, top_k) for row, point in enumerate(points.tolist())]


_Answer = tuple[tuple[float, float], float, tuple[Candidate, ...]]


def search(model: Model, query: Query, decode: Decode, *, shown: int = 1) -> list[Candidates]:
    """Decode a query greedily or by beam: cells of each level, best first, the finest last."""
    if decode == "greedy":
        return frontiers(model.cell_model, query, width=1)
    return frontiers(model.cell_model, query, width=BEAM_WIDTH, shown=max(SHOWN, shown))


def answers(candidates: Candidates, scheme: TokenScheme) -> torch.Tensor:
    """The point that stands for each picture's candidates: (B, 2) degrees, the one of least expected loss."""
    lat_lon = candidates.lat_lon(scheme)
    chosen = minimum_risk(lat_lon, candidates.log_probs)
    return lat_lon[torch.arange(len(lat_lon)), chosen]


def _summary(
    levels: list[Candidates], row: int, point: list[float], scheme: TokenScheme, top_k: int
) -> _Answer:
    """Describe the distribution at the finest level at which the search still holds `MASS` of it.

    Finer cells were searched too, and say where the point is; but what the search left out there is unknown,
    and a radius must not pretend otherwise.
    """
    held = [level.log_probs[row].double().exp() for level in levels]
    finest = max((depth for depth, share in enumerate(held) if share.sum() >= MASS), default=None)
    depth = len(levels) - 1 if finest is None else finest
    share = held[depth].numpy()
    tokens = levels[depth].tokens[row].numpy()
    lat, lon = scheme.centres(tokens)
    cells = scheme.decode(tokens)
    latitude, longitude = point
    if finest is None:
        radius_km = HALF_WAY_ROUND_KM
    else:
        # Of the whole mass, not of what was found: 0.9 of 0.95 found is 0.947 of it.
        radius_km = min(
            HALF_WAY_ROUND_KM,
            credible_radius_km(
                latitude,
                longitude,
                np.stack([lat, lon], axis=1),
                share,
                mass=min(1.0, MASS / float(share.sum())),
                reach_km=reach_km(scheme.levels[depth]),
            ),
        )
    candidates = tuple(
        Candidate(float(a), float(o), float(p), s2.hex_token(int(c)))
        for a, o, p, c in zip(lat[:top_k], lon[:top_k], share[:top_k], cells[:top_k], strict=True)
    )
    return (latitude, longitude), radius_km, candidates


HALF_WAY_ROUND_KM = 20_015.1
"""As far as one can be: the radius of an answer that says nothing."""


def reach_km(level: int) -> float:
    """How far the farthest corner of any S2 cell of a level is from its centre."""
    return 0.843 * 9220.0 * 0.5**level if level else 6087.0
