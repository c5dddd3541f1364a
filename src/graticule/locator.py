"""The whole road: pictures in, estimates out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from graticule.decoding.beam import frontiers
from graticule.decoding.calibration import STEPS
from graticule.decoding.candidates import Candidates
from graticule.decoding.constrain import CellMask
from graticule.decoding.density import HALF_WAY_ROUND_KM, Density, density_of_beam
from graticule.decoding.select import minimum_risk
from graticule.earth import s2
from graticule.earth.cells import TokenScheme
from graticule.earth.regions import Region, parse_region
from graticule.encoders.contract import ImageEncoder
from graticule.errors import ConfigError, ModelFormatError, PictureError
from graticule.images.batches import read_batches, walk
from graticule.model import Model
from graticule.prediction import MASS, Candidate, NotSure, Prediction, Refusal, Result
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
    """The models that came with the package, those that are installed, and those that can be fetched."""
    listed = {name: _listing(name, path) for name, path in (installed_models() | shipped_models()).items()}
    for name, offer in OFFERS.items():
        listed.setdefault(
            name, ModelListing(name, offer.domain, offer.licence, offer.disk_bytes, installed=False)
        )
    return list(listed.values())


def _listing(name: str, path: Path) -> ModelListing:
    try:
        folder = ModelFolder(path)
        config = folder.config()
    except ModelFormatError:  # one damaged model does not hide the others
        return ModelListing(name, f"damaged: delete {path} and get it anew", "?", 0, installed=True)
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
        within: Region | str | Sequence[str] | None = None,
        min_confidence: float | None = None,
        confidence_km: float | None = None,
        batch_size: int = 64,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> Iterator[Result]:
        """Estimate where pictures were taken.

        Args:
            pictures: a file or folder, or several; folders are walked.
            decode: how cells are searched.
            top_k: candidates a picture at most: greedy decoding has one, and a coarse answer few cells.
            within: where they were taken, as far as that is known: a region, or what `parse_region` reads. No answer
                lies elsewhere.
            min_confidence: with less probability than this within `confidence_km` of the estimate, a prediction is
                marked `not_sure`.
            confidence_km: given together with `min_confidence`.
            batch_size: pictures encoded together; it does not change the answers.
            progress: told (done, total).

        Yields:
            For each picture, in order, a prediction, or the refusal that says why there is none.

        Raises:
            ConfigError: there is no such decoding, or a number is out of range.
            InputError: the region can't be understood, or is empty.
        """
        if decode not in get_args(Decode):
            raise ConfigError(f"decode: there is no {decode!r}; choose {' or '.join(get_args(Decode))}.")
        if top_k < 1 or batch_size < 1:
            raise ConfigError(f"top_k {top_k} and batch_size {batch_size} must be 1 or more.")
        doubt = _doubt(min_confidence, confidence_km)
        mask = None
        if within is not None:
            region = within if isinstance(within, Region) else parse_region(within)
            mask = CellMask(self.model.cell_model.scheme, region)
        paths = walk(pictures)
        done = 0
        prepare = getattr(self._encoder, "prepare", None)
        for batch in read_batches(paths, self._encoder.size, batch_size=batch_size, prepare=prepare):
            readable = [pixels for _, pixels in batch if isinstance(pixels, np.ndarray)]
            names = [str(path) for path, pixels in batch if isinstance(pixels, np.ndarray)]
            answered = iter(
                self._answer(np.stack(readable), names, decode, top_k=top_k, mask=mask) if readable else []
            )
            for path, pixels in batch:
                if isinstance(pixels, np.ndarray):
                    result = next(answered)
                    yield doubt(result) if isinstance(result, Prediction) else result
                else:
                    yield Refusal(str(path), pixels)
            done += len(batch)
            progress(done, len(paths))

    @torch.inference_mode()
    def _answer(
        self, pixels: np.ndarray, names: list[str], decode: Decode, *, top_k: int, mask: CellMask | None
    ) -> list[Result]:
        """(B, 3, S, S) uint8 -> what to say of each."""
        query = self.model.query_of_features(self._encoder.encode(torch.from_numpy(pixels)))
        scheme = self.model.cell_model.scheme
        found = explore(self.model, query, decode, shown=top_k, mask=mask)
        points = answers(found.levels[-1], scheme, mask=mask).numpy()
        lost = np.isnan(points).any(axis=1)
        # Too thin a strip of the region for a place in the finest cells: then in the best of all.
        points[lost] = found.density.lat_lon[lost, found.density.mass[lost].argmax(axis=1)]
        circles = _circles_km(found.density, points)
        results: list[Result] = []
        for row, name in enumerate(names):
            total = float(found.density.total[row])
            if not total > 0:
                where = "" if mask is None else f" in {mask.region.name}"
                results.append(
                    Refusal(name, PictureError(f"{name}: the model finds no place{where} possible."))
                )
                continue
            results.append(
                Prediction(
                    path=name,
                    latitude=float(points[row, 0]),
                    longitude=float(points[row, 1]),
                    radius_km=circles[row][round(100 * MASS) - 1],
                    candidates=_candidates(found, row, scheme, top_k=top_k, mask=mask),
                    model=self.name,
                    circles_km=circles[row],
                    region_probability=None if mask is None else min(1.0, total),
                )
            )
        return results


@dataclass(frozen=True)
class Found:
    """What a search saw.

    Attributes:
        levels: cells of each level, best first, the finest last.
        density: all of the probability: that of the region, if there is one.
    """

    levels: list[Candidates]
    density: Density


def explore(
    model: Model, query: Query, decode: Decode, *, shown: int = 1, mask: CellMask | None = None
) -> Found:
    """Decode a query greedily or by beam, and keep what was passed by."""
    width = 1 if decode == "greedy" else BEAM_WIDTH
    scheme = model.cell_model.scheme
    children = width * max(scheme.vocabulary)
    steps = frontiers(model.cell_model, query, width=width, shown=children, mask=mask)
    most = 1 if decode == "greedy" else max(SHOWN, shown)
    return Found([step.best(most) for step in steps], density_of_beam(steps, scheme, width=width, mask=mask))


def search(model: Model, query: Query, decode: Decode, *, shown: int = 1) -> list[Candidates]:
    """Decode a query greedily or by beam: cells of each level, best first, the finest last."""
    if decode == "greedy":
        return frontiers(model.cell_model, query, width=1)
    return frontiers(model.cell_model, query, width=BEAM_WIDTH, shown=max(SHOWN, shown))


def answers(candidates: Candidates, scheme: TokenScheme, *, mask: CellMask | None = None) -> torch.Tensor:
    """The point that stands for each picture's candidates: (B, 2) degrees, the one of least expected loss.

    With a mask it lies in the region, and is NaN where none of the candidates does.
    """
    if mask is None:
        lat_lon, log_probs = candidates.lat_lon(scheme), candidates.log_probs
        chosen = minimum_risk(lat_lon, log_probs)
        return lat_lon[torch.arange(len(lat_lon)), chosen]
    lat_lon, shares = mask.places(candidates.tokens)
    log_probs = candidates.log_probs.cpu().double() + shares.log()
    possible = (log_probs > -torch.inf).any(dim=1)
    # Only for rows without any, whose choice is not used.
    chosen = minimum_risk(lat_lon, torch.where(possible[:, None], log_probs, 0.0))
    points = lat_lon[torch.arange(len(lat_lon)), chosen]
    return torch.where(possible[:, None], points, torch.nan)


def _circles_km(found: Density, points: NDArray[np.float64]) -> list[tuple[float, ...]]:
    """The radii of the circles around one point a picture that hold 1, 2, ... 99 % of the probability."""
    held = found.total > 0
    radii = np.full((len(points), STEPS), HALF_WAY_ROUND_KM)
    radii[held] = found.radii_km(points, np.arange(1, STEPS + 1) / (STEPS + 1))[held]
    return [tuple(row) for row in np.minimum(radii, HALF_WAY_ROUND_KM).tolist()]


def _candidates(
    found: Found, row: int, scheme: TokenScheme, *, top_k: int, mask: CellMask | None
) -> tuple[Candidate, ...]:
    """The likeliest cells of the finest level at which the search still holds `MASS` of the probability.

    Finer cells were searched too, and say where the point is; but what the search left out there is unknown.
    """
    density = found.density
    held = [(density.mass[row] * (density.levels[row] >= level)).sum() for level in scheme.levels]
    depth = max(
        d for d, share in enumerate(held) if d == 0 or share >= MASS * density.total[row] * (1 - 1e-9)
    )
    level = found.levels[depth]
    top_k = min(top_k, level.log_probs.shape[1])
    if mask is None:
        cells = scheme.decode(level.tokens[row, :top_k].cpu().numpy())
        probability = level.log_probs[row, :top_k].cpu().double().exp().numpy()
        places = np.stack(s2.centres(cells), axis=-1)
    else:
        # Of a cell across the border, what its parts say of the region: not an even share of all of it.
        fine = density.levels[row] >= scheme.levels[depth]
        ancestors = s2.parent(density.cells[row, fine], scheme.levels[depth])
        cells, parts = np.unique(ancestors, return_inverse=True)
        probability = np.bincount(parts, weights=density.mass[row, fine]) / density.total[row]
        best = [k for k in np.argsort(-probability, kind="stable")[:top_k] if probability[k] > 0]
        cells, probability = cells[best], probability[best]
        places = mask.region.points(cells)[0]
    return tuple(
        Candidate(float(lat), float(lon), float(p), s2.hex_token(int(cell)))
        for (lat, lon), p, cell in zip(places, probability, cells, strict=True)
    )


def _doubt(min_confidence: float | None, confidence_km: float | None) -> Callable[[Prediction], Prediction]:
    """Marks predictions that are not as sure as they should be."""
    if min_confidence is None and confidence_km is None:
        return lambda prediction: prediction
    if min_confidence is None or confidence_km is None:
        raise ConfigError("min_confidence and confidence_km: give both, such as 0.8 and 25, or neither.")
    if not 0 < min_confidence <= 0.99 or not 0 < confidence_km < HALF_WAY_ROUND_KM:
        raise ConfigError(
            f"min_confidence {min_confidence} must be above 0 and at most 0.99, and confidence_km {confidence_km} "
            f"above 0 and below {HALF_WAY_ROUND_KM:,.0f}."
        )

    def mark(prediction: Prediction) -> Prediction:
        probability = prediction.probability_within(confidence_km)
        if probability >= min_confidence:
            return prediction
        return replace(prediction, not_sure=NotSure(probability, min_confidence, confidence_km))

    return mark
