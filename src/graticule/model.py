"""A model: everything that must belong together to locate a picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, TypeVar

import torch
from pydantic import BaseModel, ConfigDict, PlainValidator, ValidationError, model_validator
from torch import Tensor, nn

from graticule.alignment.contract import ImageLocationAlignment
from graticule.decoding.calibration import Calibration
from graticule.decoding.familiarity import Familiarity
from graticule.decoding.select.fusion import Fusion
from graticule.earth.cells import TokenScheme
from graticule.encoders.contract import ImageEncoder, encoder_digest
from graticule.errors import ConfigError, ModelFormatError
from graticule.registry import ALIGNMENTS, ENCODERS, INDEXES
from graticule.restoring import restored
from graticule.retrieval.exact import ExactIndexConfig
from graticule.retrieval.folder import VECTORS, IndexConfig, index_config, open_gallery, save_gallery
from graticule.retrieval.gallery import Gallery, check_places
from graticule.retrieval.thumbnails import Thumbnails
from graticule.store import ModelFolder, Packing, save_folder
from graticule.tokens.assembly import end_to_end, neighbours_of, picture_vectors
from graticule.tokens.contract import CellModel
from graticule.tokens.gallery import GalleryCellModel, GalleryCellModelConfig
from graticule.tokens.geotoken import GeoToken, GeoTokenConfig
from graticule.tokens.query import Neighbours, Query

__all__ = ["Model", "ModelConfig", "check_widths"]

SHARD_ROWS = 20_000
CALIBRATION, FAMILIARITY, FUSION = "calibration.json", "familiarity.json", "fusion.json"
THUMBNAILS = "thumbnails.safetensors"

Part = TypeVar("Part")


class EncoderConfig(Protocol):
    """What a model reads in its encoder's settings; the rest is the encoder's own."""

    @property
    def kind(self) -> str: ...

    @property
    def width(self) -> int: ...


class AlignmentConfig(Protocol):
    """What a model reads in its alignment's settings; the rest is the alignment's own."""

    @property
    def kind(self) -> str: ...

    @property
    def feature_width(self) -> int: ...

    @property
    def width(self) -> int: ...


class ModelConfig(BaseModel):
    """What a model's parts are and how they are shaped; saved in every model folder."""

    model_config = ConfigDict(frozen=True)

    name: str
    domain: str
    """What pictures it is for, in a few words."""
    purpose: str
    """One sentence: what pictures it is for, and what not."""
    licence: str
    """Of the weights."""
    encoder: Annotated[EncoderConfig, PlainValidator(ENCODERS.settings)]
    """Settings of the registered encoder that their `kind` names."""
    alignment: Annotated[AlignmentConfig, PlainValidator(ALIGNMENTS.settings)]
    """Settings of the registered alignment that their `kind` names."""
    geotoken: GeoTokenConfig | None = None
    """The cell model, where it is GeoToken."""
    gallery_cells: GalleryCellModelConfig | None = None
    """The cell model, where it is the gallery."""
    gallery_of: Literal["pictures", "places"] = "pictures"
    """What the gallery's vectors are of: pictures taken at its places, or the places themselves."""
    gallery_spaces: tuple[str, ...] = ("location",)
    """The spaces whose vectors the gallery's hold end to end: what is searched, and what a neighbour brings."""
    gallery_rows: int
    index: Annotated[IndexConfig, PlainValidator(INDEXES.settings)] = ExactIndexConfig()
    """Settings of the registered index that their `kind` names: what finds neighbours in the gallery."""
    encoder_digest: str | None = None
    """What tells the encoder apart (`encoders.contract.encoder_digest`); saving and opening a model fill it in."""
    features_digest: str | None = None
    """The same of the encoder that made the features which the model learned from, where its weights were stored
    otherwise than here: a CLIP's, before they were rounded to float16."""

    @property
    def neighbours(self) -> int:
        """How many gallery rows the cell model reads; a gallery under its own softmax reads none."""
        return 0 if self.geotoken is None else self.geotoken.neighbours

    @property
    def gallery_widths(self) -> dict[str, int]:
        """Name and width of each of these spaces, in order."""
        widths = _widths(self.encoder, self.alignment)
        return {name: widths[name] for name in self.gallery_spaces}

    @model_validator(mode="after")
    def _belong_together(self) -> ModelConfig:
        if (self.geotoken is None) == (self.gallery_cells is None):
            raise ValueError("one cell model answers: give settings of either geotoken or gallery_cells.")
        check_widths(self.encoder, self.alignment, self.geotoken, spaces=self.gallery_spaces)
        if self.gallery_cells is not None and self.gallery_spaces != ("location",):
            raise ValueError("gallery_spaces: a gallery that answers itself holds location vectors alone.")
        return self


def _widths(encoder: EncoderConfig, alignment: AlignmentConfig) -> dict[str, int]:
    return {"image": encoder.width, "location": alignment.width, **getattr(alignment, "widths", {})}


def check_widths(
    encoder: EncoderConfig,
    alignment: AlignmentConfig,
    geotoken: GeoTokenConfig | None,
    *,
    spaces: tuple[str, ...] = ("location",),
) -> None:
    """See that each part takes what the one before it gives.

    Args:
        encoder: gives features.
        alignment: makes vectors of them.
        geotoken: reads the vectors.
        spaces: those that the gallery's vectors hold.

    Raises:
        ValueError: a width differs; a pydantic validator makes this an error that names the config.
    """
    given = _widths(encoder, alignment)
    wanted = {} if geotoken is None else geotoken.vectors
    if alignment.feature_width != encoder.width or not wanted.items() <= given.items():
        raise ValueError(
            f"the encoder gives features {encoder.width} wide and the alignment vectors {alignment.width} wide, but "
            f"the alignment takes {alignment.feature_width} and geotoken {wanted}."
        )
    if not spaces or len(set(spaces)) != len(spaces) or not set(spaces) <= set(given):
        raise ValueError(f"gallery_spaces {spaces}: name some of {', '.join(given)}, each once.")
    if geotoken is not None and not set(geotoken.neighbour_names) <= set(spaces):
        raise ValueError(
            f"the gallery holds vectors of {', '.join(spaces)} only, but geotoken wants its neighbours' "
            f"{', '.join(geotoken.neighbour_names)}."
        )


@dataclass
class Model:
    """An encoder, its alignment, a gallery with its index, and maybe a GeoToken, ready to answer.

    Attributes:
        config: how the parts are shaped.
        encoder: pixels -> features.
        alignment: features and coordinates -> one space.
        gallery: known places, with vectors of pictures taken there or of the places themselves.
        geotoken: the cell model; None where the gallery is.
        calibration: what was learnt of how far its probabilities can be trusted; None if nothing was.
        familiarity: what pictures like those it was calibrated on look like; None if nobody looked.
        fusion: how its selectors are weighed against each other; None if that was not fitted.
        thumbnails: small pictures of the gallery, left on disk; None if it has none.
        extras: further tensors by part name, such as the baselines that `evaluate` compares with.
        geotoken_digest: SHA-256 of the file that GeoToken's weights were read from, which tells models of one name
            apart; None where they were not read from a folder.
    """

    config: ModelConfig
    encoder: ImageEncoder
    alignment: ImageLocationAlignment
    gallery: Gallery
    geotoken: GeoToken | None = None
    calibration: Calibration | None = None
    familiarity: Familiarity | None = None
    fusion: Fusion | None = None
    thumbnails: Thumbnails | None = None
    extras: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    geotoken_digest: str | None = None

    def __post_init__(self) -> None:
        for part in self._networks().values():
            part.eval().requires_grad_(requires_grad=False)
        self.index = self.gallery.index
        if self.geotoken is None:
            self._gallery_cells = self._gallery_as_cells(
                self.config.gallery_cells or GalleryCellModelConfig()
            )

    @property
    def cell_model(self) -> CellModel[Any]:
        """The part that answers: GeoToken where the model has one, else the gallery."""
        return self._gallery_cells if self.geotoken is None else self.geotoken

    @property
    def cell_model_name(self) -> str:
        """What to call it in a report."""
        return "gallery cells" if self.geotoken is None else "GeoToken"

    def check_features(self, of: str, digest: str) -> None:
        """See that features are of this model's encoder.

        Args:
            of: what they are, for the message.
            digest: of the encoder that made them.

        Raises:
            ConfigError: they are of another.
        """
        known = [name for name in (self.config.encoder_digest, self.config.features_digest) if name]
        if known and digest not in known:
            raise ConfigError(
                f"{of}: features of the encoder {digest[:12]}, but {self.config.name} takes those of {known[-1][:12]}: "
                "they can't be compared. Extract them with the model's encoder, or name the model they are for."
            )

    def notices(self, pixels: Tensor) -> list[str | None]:
        """Why nothing is known of (B, 3, S, S) uint8 pictures, in words; None of those like the ones it knows."""
        return [None] * len(pixels) if self.familiarity is None else self.familiarity.notices(pixels)

    @torch.inference_mode()
    def query(self, pixels: Tensor) -> Query:
        """(B, 3, S, S) uint8 pictures -> what a cell model needs to know of them."""
        return self.query_of_features(self.encoder.encode(pixels))

    @torch.inference_mode()
    def query_of_features(self, features: Tensor) -> Query:
        """(B, F) encoder features -> the query, with its neighbours looked up where GeoToken reads them."""
        vectors = picture_vectors(self.alignment, features)
        if not self.config.neighbours:
            return Query(vectors)
        searched = end_to_end(vectors, self.config.gallery_spaces)
        return Query(vectors, self.neighbours(*self.index.search(searched, self.config.neighbours)))

    @torch.inference_mode()
    def searched(self, features: Tensor) -> Tensor:
        """(B, F) encoder features -> (B, D) unit vectors as the gallery's."""
        return end_to_end(picture_vectors(self.alignment, features), self.config.gallery_spaces)

    def neighbours(self, similarities: Tensor, rows: Tensor) -> Neighbours:
        """Gallery rows (B, K) as GeoToken sees them; a gallery of millions keeps no tokens of them."""
        return neighbours_of(
            self.gallery,
            self.cell_model.scheme,
            widths=self.config.gallery_widths,
            rows=rows,
            similarities=similarities,
        )

    @torch.inference_mode()
    def location_vectors(self) -> Tensor:
        """(N, D) unit vectors of the gallery's places; computed where the gallery holds those of pictures."""
        if self.config.gallery_of == "places":
            return self.gallery.vectors
        return torch.cat([self.alignment.locations(part) for part in torch.split(self.gallery.lat_lon, 8192)])

    def _gallery_as_cells(self, settings: GalleryCellModelConfig) -> GalleryCellModel:
        """The gallery as a cell model; unless a temperature is set, at that of the alignment's training."""
        return GalleryCellModel(
            TokenScheme(settings.levels),
            self.gallery.lat_lon,
            self.gallery.vectors,
            temperature=settings.temperature or 1 / float(self.alignment.scale),
            epsilon=settings.epsilon,
        )

    def _networks(self) -> dict[str, nn.Module]:
        """The parts with weights, by the names of their files."""
        parts = {"encoder": self.encoder, "alignment": self.alignment, "geotoken": self.geotoken}
        return {name: part for name, part in parts.items() if isinstance(part, nn.Module)}

    @classmethod
    def open(cls, name_or_folder: str | Path) -> Model:
        """Read a model folder.

        Raises:
            ModelNotFoundError: there is no such model.
            ModelFormatError: its files are damaged, or do not belong together.
        """
        folder = ModelFolder.find(name_or_folder)
        try:
            config = ModelConfig.model_validate(folder.config())
        except ValidationError as error:
            raise ModelFormatError(f"{folder.path / 'config.json'}: {error}") from error
        return cls(
            config=config.model_copy(update={"encoder_digest": _encoder_digest(folder, config)}),
            encoder=restored(ENCODERS.find(config.encoder.kind), config.encoder, folder, "encoder"),
            alignment=restored(ALIGNMENTS.find(config.alignment.kind), config.alignment, folder, "alignment"),
            gallery=_gallery(folder, config),
            geotoken=restored(GeoToken, config.geotoken, folder, "geotoken") if config.geotoken else None,
            calibration=_read(folder, CALIBRATION, Calibration.from_json),
            familiarity=_read(folder, FAMILIARITY, Familiarity.from_json),
            fusion=_read(folder, FUSION, Fusion.from_json),
            thumbnails=_thumbnails(folder, config),
            extras={
                name.removesuffix(".safetensors"): folder.tensors(name) for name in folder.names("baseline-")
            },
            geotoken_digest=folder.digests.get("geotoken.safetensors"),
        )

    def save(self, path: Path, *, card: str, packing: dict[str, Packing] | None = None) -> None:
        """Write the model folder.

        Args:
            path: the folder.
            card: the text of MODEL_CARD.md.
            packing: how parts are stored; the "gallery" as int8 and all else as float16 where not said.
        """
        parts: dict[str, Any] = {name: part.state_dict() for name, part in self._networks().items()}
        parts |= self.extras
        if self.thumbnails is not None:
            parts["thumbnails"] = self.thumbnails.tensors()
        stored: dict[str, Packing] = {"gallery": "int8", **(packing or {})}
        config = self.config.model_copy(update={"index": index_config(self.gallery)})
        written: dict[str, str] = {}
        if self.gallery.large:
            written = save_gallery(path, self.gallery)
        else:
            for number, shard in enumerate(self.gallery.shards(SHARD_ROWS)):
                parts[f"gallery-{number:05d}"] = shard
                stored[f"gallery-{number:05d}"] = stored["gallery"]
        learnt = {CALIBRATION: self.calibration, FAMILIARITY: self.familiarity, FUSION: self.fusion}
        texts = {name: part.to_json() for name, part in learnt.items() if part is not None}

        def bound(digests: Mapping[str, str]) -> dict[str, Any]:
            """The settings with the encoder's digest, which is that of the file just written."""
            own = _digest_of(self.config.encoder, digests)
            told = self.config.features_digest or self.config.encoder_digest
            told = None if told == own else told
            return config.model_copy(update={"encoder_digest": own, "features_digest": told}).model_dump(
                mode="json"
            )

        save_folder(
            path,
            bound,
            parts,
            packing=stored,
            texts={"MODEL_CARD.md": card, **texts},
            written=written,
        )


def _digest_of(encoder: Any, digests: Mapping[str, str]) -> str | None:
    """What tells an encoder of these settings apart, where one of these files holds its weights."""
    weights = digests.get("encoder.safetensors")
    return None if weights is None else encoder_digest(encoder, [weights])


def _encoder_digest(folder: ModelFolder, config: ModelConfig) -> str | None:
    """What tells the folder's encoder apart; folders of earlier versions do not say it themselves."""
    found = _digest_of(config.encoder, folder.digests)
    if config.encoder_digest not in (None, found):
        raise ModelFormatError(
            f"{folder.path}: encoder.safetensors is not the encoder that config.json and the gallery are of; get the "
            "model anew."
        )
    return found


def _gallery(folder: ModelFolder, config: ModelConfig) -> Gallery:
    """The gallery of a folder: a large one lies in one file and stays there, a small one in shards."""
    width = sum(config.gallery_widths.values())
    if VECTORS in folder.digests:
        return open_gallery(folder, config.index, rows=config.gallery_rows, width=width)
    shards = [folder.tensors(name) for name in folder.names("gallery-")]
    if not all({"lat_lon", "vectors"} <= shard.keys() for shard in shards) or not shards:
        raise ModelFormatError(f"{folder.path}: holds no gallery of places and vectors; get the model anew.")
    for shard in shards:
        check_places(shard["lat_lon"], name=str(folder.path))
        vectors, rows = shard["vectors"], len(shard["lat_lon"])
        if vectors.shape != (rows, width) or not vectors.is_floating_point():
            raise ModelFormatError(
                f"{folder.path}: the gallery holds vectors of {tuple(vectors.shape)}, but they should be {rows} x "
                f"{width}; get the model anew."
            )
    gallery = Gallery.from_shards(shards)
    if len(gallery) != config.gallery_rows:
        raise ModelFormatError(
            f"{folder.path}: the gallery holds {len(gallery)} rows, but config.json says {config.gallery_rows}; "
            "get the model anew."
        )
    return gallery


def _thumbnails(folder: ModelFolder, config: ModelConfig) -> Thumbnails | None:
    if THUMBNAILS not in folder.digests:
        return None
    name = str(folder.path / THUMBNAILS)
    return Thumbnails.of_tensors(folder.mapped(THUMBNAILS), rows=config.gallery_rows, name=name)


def _read(folder: ModelFolder, name: str, parse: Callable[..., Part]) -> Part | None:
    text = folder.text(name)
    return None if text is None else parse(text, name=str(folder.path / name))
