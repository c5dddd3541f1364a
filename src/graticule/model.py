"""A model: everything that must belong together to locate a picture."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import torch
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from torch import Tensor, nn
from torch.nn import functional

from graticule.alignment.model import Alignment, AlignmentConfig
from graticule.encoders.orbit import OrbitEncoder, OrbitEncoderConfig
from graticule.errors import ModelFormatError
from graticule.retrieval.exact import ExactIndex
from graticule.retrieval.gallery import Gallery
from graticule.store import ModelFolder, Packing, save_folder
from graticule.tokens.geotoken import GeoToken, GeoTokenConfig
from graticule.tokens.query import Neighbours, Query

__all__ = ["Model", "ModelConfig", "check_widths"]

SHARD_ROWS = 20_000

Part = TypeVar("Part", bound=nn.Module)


class ModelConfig(BaseModel):
    """What a model's parts are and how they are shaped; saved in every model folder."""

    model_config = ConfigDict(frozen=True)

    name: str
    purpose: str
    """One sentence: what pictures it is for."""
    encoder: OrbitEncoderConfig
    alignment: AlignmentConfig
    geotoken: GeoTokenConfig
    gallery_rows: int

    @model_validator(mode="after")
    def _belong_together(self) -> ModelConfig:
        check_widths(self.encoder, self.alignment, self.geotoken)
        return self


def check_widths(encoder: OrbitEncoderConfig, alignment: AlignmentConfig, geotoken: GeoTokenConfig) -> None:
    """See that each part takes what the one before it gives.

    Raises:
        ValueError: a width differs; a pydantic validator makes this an error that names the config.
    """
    given = {"image": encoder.width, "location": alignment.location.width}
    if alignment.feature_width != encoder.width or not geotoken.vectors.items() <= given.items():
        raise ValueError(
            f"the encoder gives features {encoder.width} wide and the alignment vectors {given['location']} wide, but "
            f"the alignment takes {alignment.feature_width} and geotoken {geotoken.vectors}."
        )
    if not set(geotoken.neighbour_names) <= {"location"}:
        raise ValueError(
            f"neighbours bring location vectors only, but geotoken wants {geotoken.neighbour_names}."
        )


@dataclass
class Model:
    """An encoder, its alignment, a gallery with its index, and a GeoToken, ready to answer.

    Attributes:
        config: how the parts are shaped.
        encoder: pixels -> features.
        alignment: features and coordinates -> one space.
        gallery: pictures whose places are known.
        geotoken: the cell model.
        extras: further tensors by part name, such as the baselines that `evaluate` compares with.
    """

    config: ModelConfig
    encoder: OrbitEncoder
    alignment: Alignment
    gallery: Gallery
    geotoken: GeoToken
    extras: dict[str, dict[str, Tensor]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for part in (self.encoder, self.alignment, self.geotoken):
            part.eval().requires_grad_(requires_grad=False)
        self.index = ExactIndex(self.gallery.vectors)
        tokens = self.geotoken.scheme.encode(*self.gallery.lat_lon.T.numpy())
        self._gallery_tokens = torch.from_numpy(tokens)

    @torch.inference_mode()
    def query(self, pixels: Tensor) -> Query:
        """(B, 3, S, S) uint8 pictures -> what a cell model needs to know of them."""
        return self.query_of_features(self.encoder.encode(pixels))

    @torch.inference_mode()
    def query_of_features(self, features: Tensor) -> Query:
        """(B, F) encoder features -> the query, with its neighbours looked up."""
        aligned = self.alignment.images(features)
        similarities, rows = self.index.search(aligned, self.config.geotoken.neighbours)
        return Query(
            {"image": functional.normalize(features, dim=-1), "location": aligned},
            self.neighbours(similarities, rows),
        )

    def neighbours(self, similarities: Tensor, rows: Tensor) -> Neighbours:
        """Gallery rows (B, K) as a cell model sees them."""
        return Neighbours(
            vectors={"location": self.gallery.vectors[rows]},
            similarities=similarities,
            lat_lon=self.gallery.lat_lon[rows],
            tokens=self._gallery_tokens[rows],
        )

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
        shards = [folder.tensors(name) for name in folder.names("gallery-")]
        if not all({"lat_lon", "vectors"} <= shard.keys() for shard in shards) or not shards:
            raise ModelFormatError(
                f"{folder.path}: holds no gallery of places and vectors; get the model anew."
            )
        gallery = Gallery.from_shards(shards)
        if len(gallery) != config.gallery_rows or gallery.vectors.shape[1] != config.alignment.location.width:
            raise ModelFormatError(
                f"{folder.path}: the gallery holds {len(gallery)} rows of {gallery.vectors.shape[1]}, but config.json "
                f"says {config.gallery_rows} of {config.alignment.location.width}; get the model anew."
            )
        return cls(
            config=config,
            encoder=_restored(OrbitEncoder(config.encoder), folder, "encoder"),
            alignment=_restored(Alignment(config.alignment), folder, "alignment"),
            gallery=gallery,
            geotoken=_restored(GeoToken(config.geotoken), folder, "geotoken"),
            extras={
                name.removesuffix(".safetensors"): folder.tensors(name) for name in folder.names("baseline-")
            },
        )

    def save(self, path: Path, *, card: str, packing: dict[str, Packing] | None = None) -> None:
        """Write the model folder.

        Args:
            path: the folder.
            card: the text of MODEL_CARD.md.
            packing: how parts are stored; the gallery as int8 and all else as float16 where not said.
        """
        parts: dict[str, Any] = {
            "encoder": self.encoder.state_dict(),
            "alignment": self.alignment.state_dict(),
            "geotoken": self.geotoken.state_dict(),
            **self.extras,
        }
        stored: dict[str, Packing] = {**(packing or {})}
        for number, shard in enumerate(self.gallery.shards(SHARD_ROWS)):
            parts[f"gallery-{number:05d}"] = shard
            stored[f"gallery-{number:05d}"] = "int8"
        save_folder(
            path, self.config.model_dump(mode="json"), parts, packing=stored, texts={"MODEL_CARD.md": card}
        )


def _restored(module: Part, folder: ModelFolder, name: str) -> Part:
    try:
        module.load_state_dict(folder.tensors(f"{name}.safetensors"))
    except RuntimeError as error:
        raise ModelFormatError(
            f"{folder.path}: {name}.safetensors is of another design than config.json ({error})."
        ) from error
    return module
