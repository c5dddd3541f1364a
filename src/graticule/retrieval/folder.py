"""The folder of an index: vectors, places, what finds them, and digests that bind all of it together.

index.json                what it is an index of, and how it was built
vectors.safetensors       (N, D) float16 unit vectors
lat_lon.safetensors       (N, 2) float64 degrees
index.faiss               lists and codes, where the kind is ivfpq
neighbours.safetensors    maybe: the nearest other rows of each row
manifest.json             the SHA-256 of every other file, written last
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationError
from torch import Tensor

from graticule.errors import ModelFormatError, ModelNotFoundError
from graticule.registry import INDEXES
from graticule.retrieval.exact import ExactIndexConfig
from graticule.retrieval.gallery import Gallery, check_places
from graticule.retrieval.ivfpq import IvfPqIndex, IvfPqIndexConfig, body_bytes, read_body
from graticule.store import ModelFolder, make_folder, save_tensors, write_whole

__all__ = [
    "BODY",
    "EXACT_ROWS",
    "INDEX",
    "LAT_LON",
    "NEIGHBOURS",
    "VECTORS",
    "IndexConfig",
    "IndexPlan",
    "index_config",
    "mapped_matrix",
    "open_gallery",
    "open_index",
    "opened",
    "save_gallery",
]

INDEX, BODY = "index.json", "index.faiss"
VECTORS, LAT_LON, NEIGHBOURS = "vectors.safetensors", "lat_lon.safetensors", "neighbours.safetensors"

EXACT_ROWS = 100_000
"""Up to here comparing a query with all takes some 20 ms at a width of 512, on two cores."""


class IndexConfig(Protocol):
    """What a folder reads in an index's settings; the rest is the index's own."""

    @property
    def kind(self) -> str:
        """Its name in the registry."""
        ...


class IndexPlan(BaseModel):
    """The content of index.json."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    kind: Literal["exact", "ivfpq"]
    rows: int = Field(ge=1)
    width: int = Field(ge=1)
    encoder_digest: str | None
    """Of the encoder whose features these are, as in extract.json; None if it is not known."""
    vectors: str
    """What they are, for people."""
    features: str
    """SHA-256 of what the vectors were made from."""
    settings: Annotated[IndexConfig, PlainValidator(INDEXES.settings)]


def open_index(path: Path, *, encoder_digest: str | None = None) -> Gallery:
    """A gallery of what was indexed; its vectors stay on disk.

    Args:
        path: the folder.
        encoder_digest: of the encoder that queries come from, as in extract.json; None: it is not looked at.

    Raises:
        ModelNotFoundError: it is not the folder of a finished index.
        ModelFormatError: its files are damaged, do not belong together, or are of another encoder.
        MissingExtraError: faiss is needed and not installed.
    """
    folder, plan = opened(path)
    if encoder_digest is not None and plan.encoder_digest != encoder_digest:
        raise ModelFormatError(
            f"{path / INDEX}: encoder_digest is {plan.encoder_digest}, but queries come from the encoder "
            f"{encoder_digest}; their features can't be compared. Index features of this encoder."
        )
    return open_gallery(folder, plan.settings, rows=plan.rows, width=plan.width)


def open_gallery(folder: ModelFolder, config: IndexConfig, *, rows: int, width: int) -> Gallery:
    """The gallery in a folder with vectors.safetensors, of an index or of a model.

    Args:
        folder: whose manifest is held against every file before it is used.
        config: the settings of its index.
        rows: N, as the folder's settings say.
        width: D.

    Raises:
        ModelFormatError: files are damaged, or do not belong together.
        MissingExtraError: faiss is needed and not installed.
    """
    vectors = mapped_matrix(folder, VECTORS, "vectors", (rows, width))
    lat_lon = mapped_matrix(folder, LAT_LON, "lat_lon", (rows, 2))
    check_places(lat_lon, name=str(folder.path / LAT_LON))
    if not vectors.is_floating_point():
        raise ModelFormatError(
            f"{folder.path / VECTORS}: holds {vectors.dtype}, not unit vectors; make it anew."
        )
    if isinstance(config, IvfPqIndexConfig):
        name = str(folder.path / BODY)
        body = read_body(folder.data(BODY), name=name)
        return Gallery(lat_lon, vectors, IvfPqIndex(vectors, body, config, name=name))
    return Gallery(lat_lon, vectors)


def save_gallery(path: Path, gallery: Gallery) -> dict[str, str]:
    """Write the files that `open_gallery` reads.

    Returns:
        File name -> SHA-256, for the folder's manifest.
    """
    make_folder(path)
    digests = {
        VECTORS: save_tensors(path / VECTORS, {"vectors": gallery.vectors.half()}),
        LAT_LON: save_tensors(path / LAT_LON, {"lat_lon": gallery.lat_lon}),
    }
    if isinstance(gallery.built, IvfPqIndex):
        body = body_bytes(gallery.built.body)
        write_whole(path / BODY, body)
        digests[BODY] = hashlib.sha256(body).hexdigest()
    return digests


def index_config(gallery: Gallery) -> IndexConfig:
    """The settings of what searches a gallery."""
    return gallery.built.config if isinstance(gallery.built, IvfPqIndex) else ExactIndexConfig()


def opened(path: Path) -> tuple[ModelFolder, IndexPlan]:
    """The folder of a finished index, and what it is.

    Raises:
        ModelNotFoundError: it is none.
        ModelFormatError: it is damaged.
    """
    if not (path / "manifest.json").is_file():
        raise ModelNotFoundError(
            f"{path}: holds no finished index; `graticule index` makes one, and goes on with one that was stopped."
        )
    folder = ModelFolder(path, what="index")
    try:
        return folder, IndexPlan.model_validate_json(bytes(folder.data(INDEX)))
    except ValidationError as error:
        raise ModelFormatError(f"{path / INDEX}: {error}") from error


def mapped_matrix(folder: ModelFolder, file: str, name: str, shape: tuple[int, int | None]) -> Tensor:
    """A tensor of one of the folder's files, left on disk; a width of None stands for any.

    Raises:
        ModelFormatError: the file is damaged, or holds something else.
    """
    tensors = folder.mapped(file)
    held = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    rows, width = shape
    if name not in held or held[name] != (rows, held[name][-1] if width is None else width):
        wanted = f"{rows} x {'K' if width is None else width}"
        raise ModelFormatError(f"{folder.path / file}: holds {held}, not {name} of {wanted}; make it anew.")
    return tensors[name]
