"""The whole road: pictures in, estimates out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from graticule.decoding.beam import frontiers
from graticule.decoding.candidates import Candidates
from graticule.decoding.constrain import CellMask
from graticule.decoding.density import density_of_beam
from graticule.decoding.familiarity import evenly
from graticule.decoding.sample import Sampling
from graticule.decoding.shown import candidates, circles_km, neighbours
from graticule.earth.density import HALF_WAY_ROUND_KM, Density
from graticule.earth.regions import Region, parse_region
from graticule.encoders.contract import ImageEncoder
from graticule.errors import ConfigError, ModelFormatError, PictureError
from graticule.images.address import Picture
from graticule.images.batches import Decoded, Pictures, prepared, read_batches, walk
from graticule.images.open import MAX_PIXELS, open_picture
from graticule.model import Model
from graticule.precision import Precision, in_precision
from graticule.prediction import MASS, Prediction, Refusal, Result
from graticule.registry import OFFERS
from graticule.store import ModelFolder, installed_models, shipped_models
from graticule.tokens.query import Query

if TYPE_CHECKING:
    from graticule.choosing import Chooser
    from graticule.decoding.judge.config import JudgeConfig

__all__ = ["BEAM_WIDTH", "Decode", "Geolocator", "ModelListing", "answers", "explore", "list_models"]

BEAM_WIDTH = 6
"""Prefixes that beam search follows."""
SHOWN = 96
"""Candidates it gives: the children of the prefixes followed, which are known anyway."""
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
    def load(cls, name_or_folder: str | Path, *, precision: Precision = "float32") -> Geolocator:
        """A shipped or installed model by name, or a model folder by path.

        Args:
            name_or_folder: which.
            precision: what products are computed in; less is sooner where the processor has instructions for it.

        Raises:
            ModelNotFoundError: there is no such model.
            ModelFormatError: its files are damaged, or do not belong together.
            ConfigError: the precision would change the model's answers.
        """
        return cls(in_precision(Model.open(name_or_folder), precision))

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
        pictures: Pictures,
        *,
        decode: Decode | Sampling = "beam",
        select: str | None = None,
        top_k: int = 5,
        within: Region | str | Sequence[str] | None = None,
        min_confidence: float | None = None,
        confidence_km: float | None = None,
        reward: Path | None = None,
        judge: JudgeConfig | None = None,
        start: int = 0,
        batch_size: int = 64,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> Iterator[Result]:
        """Estimate where pictures were taken.

        Args:
            pictures: a file or folder, or several; folders are walked. An `Address` is fetched, a text never is.
            decode: how cells are searched; `Sampling` draws the candidates that a selector chooses among.
            select: the selector that chooses the estimate among candidates, by its name in `registry.SELECTORS`. If not
                said, the place of least expected loss under all of the probability is the estimate; of samples, the
                one of least expected loss; with a judge or a reward model, its choice.
            top_k: candidates a picture at most: a coarse answer has few cells.
            within: where they were taken, as far as that is known: a region, or what `parse_region` reads. No answer
                lies elsewhere, but for places that a judge names itself.
            min_confidence: with less probability than this within `confidence_km` of the estimate, a prediction is
                marked `not_sure`.
            confidence_km: given together with `min_confidence`.
            reward: the folder of a reward model, for the selector `reward`.
            judge: the server that is asked. Pictures are sent there, and nowhere if there is none.
            start: begin with this picture, counted from 0, because those before it are answered. At a multiple of
                `batch_size` the answers are those of a run from the beginning, to the last bit.
            batch_size: pictures encoded together; it does not change the answers by more than rounding.
            progress: told (done, total).

        Yields:
            For each picture, in order, a prediction, or the refusal that says why there is none.

        Raises:
            ConfigError: there is no such decoding or selector, it lacks what it needs, or a number is out of range.
            InputError: the region can't be understood, or is empty.
        """
        if not isinstance(decode, Sampling) and decode not in get_args(Decode):
            raise ConfigError(f"decode: there is no {decode!r}; choose {' or '.join(get_args(Decode))}.")
        if top_k < 1 or batch_size < 1 or start < 0:
            raise ConfigError(
                f"top_k {top_k} and batch_size {batch_size} must be 1 or more, and start {start} 0 or more."
            )
        doubt = _doubt(min_confidence, confidence_km)
        mask = self.mask(within)
        chooser = self._chooser(decode, select, reward, judge)
        asked = _Asked(decode, top_k, mask, chooser)
        paths = walk(pictures)
        done = start
        for batch in self._batches(paths[start:], batch_size):
            readable = [pixels for _, pixels in batch if isinstance(pixels, np.ndarray)]
            names = [str(path) for path, pixels in batch if isinstance(pixels, np.ndarray)]
            numbers = [
                done + place for place, (_, pixels) in enumerate(batch) if isinstance(pixels, np.ndarray)
            ]
            answered = iter(self._answer(np.stack(readable), names, numbers, asked) if readable else [])
            for path, pixels in batch:
                if isinstance(pixels, np.ndarray):
                    result = next(answered)
                    yield doubt(result) if isinstance(result, Prediction) else result
                else:
                    yield Refusal(str(path), pixels)
            done += len(batch)
            progress(done, len(paths))

    def pixels(
        self, source: Path | bytes, *, name: str | None = None, max_pixels: int = MAX_PIXELS
    ) -> NDArray[np.uint8]:
        """What the model looks at of one picture, for `answer`: (3, S, S) uint8.

        Args:
            source: a file, or the bytes of one.
            name: what messages call it.
            max_pixels: the cap of `open_picture`.

        Raises:
            PictureError: it can't be read, or must not be.
        """

        def opened(shortest: int | None) -> Image.Image:
            return open_picture(source, name=name, max_pixels=max_pixels, shortest=shortest)

        return prepared(opened, self._encoder.size, getattr(self._encoder, "prepare", None))

    def answer(
        self, pixels: NDArray[np.uint8], names: Sequence[str], *, top_k: int = 5, mask: CellMask | None = None
    ) -> list[Result]:
        """What `locate` says of pictures that are open already, by beam.

        Args:
            pixels: (B, 3, S, S) uint8, as `pixels` gives them.
            names: of the B pictures.
            top_k: as for `locate`.
            mask: where they may be, as `mask` makes it; it remembers what it has worked out.
        """
        return self._answer(pixels, list(names), list(range(len(names))), _Asked("beam", top_k, mask, None))

    def densities(
        self,
        pictures: Pictures,
        *,
        within: Region | str | Sequence[str] | None = None,
        batch_size: int = 64,
    ) -> Iterator[tuple[str, Density | Refusal]]:
        """All of the probability, for pictures one by one: cells, credible regions, entropy, any region's share.

        Args:
            pictures: as for `locate`.
            within: as for `locate`.
            batch_size: as for `locate`.

        Yields:
            For each picture, in order, its path, and a density of one row or the refusal that says why there is none.

        Raises:
            InputError: the region can't be understood, or is empty.
        """
        mask = self.mask(within)
        for batch in self._batches(walk(pictures), batch_size):
            readable = [pixels for _, pixels in batch if isinstance(pixels, np.ndarray)]
            if readable:
                pixels = np.stack(readable)
                doubted = [notice is not None for notice in self._notices(pixels)]
                found = explore(self.model, self._query(pixels), mask=mask, doubted=doubted).density
            row = 0
            for path, read in batch:
                if isinstance(read, np.ndarray):
                    yield str(path), found.row(row)
                    row += 1
                else:
                    yield str(path), Refusal(str(path), read)

    def mask(self, within: Region | str | Sequence[str] | None) -> CellMask | None:
        """The cells that a region reaches into: what `answer` confines its answers to. None for None."""
        if within is None:
            return None
        region = within if isinstance(within, Region) else parse_region(within)
        return CellMask(self.model.cell_model.scheme, region)

    def _batches(self, paths: Sequence[Picture], batch_size: int) -> Iterator[list[Decoded]]:
        prepare = getattr(self._encoder, "prepare", None)
        return read_batches(paths, self._encoder.size, batch_size=batch_size, prepare=prepare)

    @torch.inference_mode()
    def _query(self, pixels: np.ndarray) -> Query:
        """(B, 3, S, S) uint8 -> what the cell model is asked."""
        return self.model.query_of_features(self._encoder.encode(torch.from_numpy(pixels)))

    def _notices(self, pixels: np.ndarray) -> list[str | None]:
        """(B, 3, S, S) uint8 -> why nothing is known of each picture, or None."""
        return self.model.notices(torch.from_numpy(pixels))

    def _chooser(
        self, decode: Decode | Sampling, select: str | None, reward: Path | None, judge: JudgeConfig | None
    ) -> Chooser | None:
        """What chooses among candidates; None where the density answers."""
        if select is None and judge is not None:
            select = "judge"
        if select is None and reward is not None:
            select = "reward"
        if select is None and isinstance(decode, Sampling):
            select = "minimum-risk"
        if select is None:
            return None
        # Most answers need none of it.
        from graticule.choosing import Chooser
        from graticule.decoding.judge.client import Judge

        # The judge's own checks come before the first picture is read.
        return Chooser.named(select, self.model, reward=reward, judge=None if judge is None else Judge(judge))

    @torch.inference_mode()
    def _answer(
        self, pixels: np.ndarray, names: list[str], numbers: list[int], asked: _Asked
    ) -> list[Result]:
        """(B, 3, S, S) uint8 -> what to say of each; `numbers` are their places among all that were asked about."""
        query, notices = self._query(pixels), self._notices(pixels)
        chooser, doubted = asked.chooser, np.array([notice is not None for notice in notices])
        found = explore(
            self.model, query, asked.decode, mask=asked.mask, keys=torch.tensor(numbers), doubted=doubted
        )
        points, selections = found.density.point(), None
        if chooser is not None:
            chosen, selections = chooser.choose(
                query, found.candidates, self.model, paths=names, mask=asked.mask
            )
            points = np.where(np.isnan(chosen), points, chosen)
        # Circles were calibrated around the model's own answers by beam, anywhere on Earth.
        fitted = asked.decode == "beam" and asked.mask is None and selections is None
        calibration = self.model.calibration if fitted else None
        circles = circles_km(found.density, points, calibration, doubted=doubted)
        likeliest = candidates(found.density, self.model.cell_model.scheme, asked.top_k, asked.mask)
        alike = neighbours(query)
        results: list[Result] = []
        for row, name in enumerate(names):
            total = float(found.density.total[row])
            if not total > 0:
                where = "" if asked.mask is None else f" in {asked.mask.region.name}"
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
                    candidates=likeliest[row],
                    model=self.name,
                    circles_km=circles[row],
                    region_probability=None if asked.mask is None else min(1.0, total),
                    selection=None if selections is None else selections[row],
                    notice=notices[row],
                    neighbours=alike[row],
                    density=found.density.row(row),
                    levels=tuple(self.model.cell_model.scheme.levels),
                )
            )
        return results


@dataclass(frozen=True)
class _Asked:
    """What was asked for all pictures alike."""

    decode: Decode | Sampling
    top_k: int
    mask: CellMask | None
    chooser: Chooser | None


@dataclass(frozen=True)
class Found:
    """What a search saw.

    Attributes:
        density: all of the probability: that of the region, if there is one.
    """

    density: Density
    _search: Callable[[], Candidates]

    @cached_property
    def candidates(self) -> Candidates:
        """The cells of the finest level that are reached, or drawn, under the model itself, the most probable first.

        A calibrated model is searched once more for them: its tempered probabilities are for the density alone.
        """
        return self._search()


@torch.inference_mode()
def explore(
    model: Model,
    query: Query,
    decode: Decode | Sampling = "beam",
    *,
    mask: CellMask | None = None,
    keys: Tensor | None = None,
    doubted: Sequence[bool] | NDArray[np.bool_] | None = None,
) -> Found:
    """Search a query's cells, and keep what was passed by.

    Args:
        model: with its calibration, if it has one.
        query: B pictures.
        decode: how to search; samples are drawn beside a beam, which tells the density.
        mask: where the pictures may be.
        keys: (B,) int64, what tells the pictures apart where samples are drawn; their places in the batch if not said.
        doubted: (B,) the pictures of which nothing is known, whatever the model says; none if not said.
    """
    scheme, width = model.cell_model.scheme, 1 if decode == "greedy" else BEAM_WIDTH
    cell_model = model.cell_model if model.calibration is None else model.calibration.apply(model.cell_model)
    steps = frontiers(cell_model, query, width=width, shown=width * max(scheme.vocabulary), mask=mask)
    density = density_of_beam(steps, scheme, width=width, mask=mask)
    if model.calibration is not None:
        density = model.calibration.pooled(density, query, model.alignment)
    if doubted is not None:
        density = evenly(density, doubted)

    @torch.inference_mode()
    def searched() -> Candidates:
        if isinstance(decode, Sampling):
            return decode.draw(model.cell_model, query, keys=keys, mask=mask)
        shown = 1 if decode == "greedy" else SHOWN
        own = steps
        if cell_model is not model.cell_model:
            own = frontiers(model.cell_model, query, width=width, shown=shown, mask=mask)
        return own[-1].best(shown)

    return Found(density, searched)


def answers(model: Model, query: Query, decode: Decode | Sampling = "beam") -> NDArray[np.float64]:
    """The estimates for B pictures: latitudes and longitudes in degrees (B, 2)."""
    return explore(model, query, decode).density.point()


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

    return lambda prediction: prediction.doubted(min_confidence, confidence_km)
