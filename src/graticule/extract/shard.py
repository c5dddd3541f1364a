"""One shard: records in, files out. Every engine runs this, and its files are the same to the bit wherever it runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import save
from torch import nn

from graticule.data.parts import joined_bytes
from graticule.data.records import read_picture
from graticule.earth.places.countries import find_country
from graticule.encoders.contract import ImageEncoder
from graticule.errors import ConfigError, InputError, PictureError
from graticule.extract.encoder import find_encoder
from graticule.extract.plan import parquet, read_plan, read_rows, shard_path, writing
from graticule.images.batches import decode_batches
from graticule.images.open import open_picture
from graticule.store import write_whole

__all__ = ["AHEAD", "BLOCK", "Shard", "extract_shard"]

BLOCK: Final = 32
"""Pictures the encoder gets together.

Matrix products round differently for another number of rows. A picture's block and place in it follow from its row
alone (a refused one leaves its place empty), so that no setting of a run changes a bit of the features.
"""
AHEAD: Final = 256
"""Pictures decoded before the encoder needs them."""


@dataclass(frozen=True)
class Shard:
    """What became of a shard.

    Attributes:
        number: which.
        rows: how many pictures have features.
        refused: `row`, `id` and `error` of those that have none.
        seconds: it took.
    """

    number: int
    rows: int
    refused: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0


def extract_shard(
    folder: Path,
    number: int,
    *,
    ahead: int = AHEAD,
    workers: int | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> Shard:
    """Encode the pictures of one shard, and write its files.

    Nothing but the folder's plan says what is done, so a shard can be made anywhere and made again.

    Args:
        folder: of features, with its plan.
        number: which shard.
        ahead: pictures decoded before the encoder needs them.
        workers: threads that decode; as many as there are cores, at most 8, if not given.
        progress: told how many of the shard's pictures are done.

    Raises:
        InputError: the plan is damaged, the source has changed, a disk or the memory is full, or a disk fails.
        ConfigError: the encoder is not the one of the plan.
        ModelError: the encoder can't be read.
    """
    began = time.monotonic()
    plan = read_plan(folder)
    encoder = _opened(plan.encoder, plan.encoder_digest)
    table = read_rows(folder, number)
    rows = table.to_pylist()
    features, errors = _features(encoder, Path(plan.path), rows, ahead, workers, progress)
    kept = np.array([place not in errors for place in range(len(rows))])
    with writing(folder):
        _write(shard_path(folder, number), table.filter(kept), features[torch.from_numpy(kept)])
    refused = [
        {"row": rows[place]["row"], "id": rows[place]["id"], "error": error}
        for place, error in errors.items()
    ]
    return Shard(number, int(kept.sum()), refused, time.monotonic() - began)


def _features(
    encoder: ImageEncoder,
    root: Path,
    rows: list[dict[str, Any]],
    ahead: int,
    workers: int | None,
    progress: Callable[[int], None],
) -> tuple[torch.Tensor, dict[int, str]]:
    """(N, F) float16, and the places in `rows` whose features mean nothing, with why."""
    features = torch.empty(len(rows), encoder.width, dtype=torch.float16)
    errors: dict[int, str] = {}
    batches = decode_batches(
        rows,
        partial(_open_record, root),
        encoder.size,
        batch_size=BLOCK,
        ahead=ahead,
        workers=workers,
        prepare=getattr(encoder, "prepare", None),
    )
    first = 0
    with closing(batches):
        for batch in batches:
            block = _encode(encoder, [decoded for _, decoded in batch])
            finite = block.isfinite().all(1).tolist()
            features[first : first + len(batch)] = block
            for place, (row, decoded) in enumerate(batch, start=first):
                if isinstance(decoded, PictureError):
                    _see_whose_fault(root, row, decoded)
                    errors[place] = str(decoded)
                elif not finite[place - first]:
                    errors[place] = f"{_name(row)}: its features are beyond the numbers of float16."
            first += len(batch)
            progress(first)
    return features, errors


@lru_cache(maxsize=1)
def _opened(name: str, digest: str) -> ImageEncoder:
    """The encoder, once a process; on a GPU if there is one."""
    stored = find_encoder(name)
    if stored.digest != digest:
        raise ConfigError(f"{name}: this encoder is not the one that the folder's other features are of.")
    encoder = stored.open()
    return encoder.to(_device()) if isinstance(encoder, nn.Module) else encoder


def _device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def _encode(encoder: ImageEncoder, decoded: list[NDArray[np.uint8] | PictureError]) -> torch.Tensor:
    """(B, F) float16 features; a refused picture's are those of black."""
    black = np.zeros((3, encoder.size, encoder.size), dtype=np.uint8)
    pixels = np.stack([black if isinstance(one, PictureError) else one for one in decoded])
    return encoder.encode(torch.from_numpy(pixels).to(_device())).half().cpu()


def _open_record(root: Path, row: Mapping[str, Any], shortest: int | None) -> Image.Image:
    return open_picture(read_picture(root, row), name=_name(row), shortest=shortest)


def _name(row: Mapping[str, Any]) -> str:
    return "/".join(part for part in (row["container"], row["member"]) if part)


def _see_whose_fault(root: Path, row: Mapping[str, Any], error: PictureError) -> None:
    """A damaged picture is refused; a file that was there at the scan and is gone, or too little memory, stops the run.

    Else a disk that comes loose would leave a folder full of refusals, and finished.
    """
    if isinstance(error.__cause__, MemoryError):
        raise InputError(
            f"{_name(row)}: the memory does not suffice to decode it. Run the same again with fewer --workers."
        ) from error
    end = row["offset"] + row["size"] if row["member"] else 0
    if not (root / row["container"]).exists() or joined_bytes(root / row["container"]) < end:
        raise InputError(
            f"{error} It was there when the extraction began: bring it back and run the same again."
        ) from error


def _in_words(country: str | None) -> str | None:
    """A country by its English name, where a source gives its code: what is aligned with pictures is read as text."""
    known = find_country(country) if country else None
    return country if known is None else known.name


def _write(path: Path, records: Any, features: torch.Tensor) -> None:
    """The features come last: where they are, the rest is."""
    write_whole(path.with_suffix(".parquet"), parquet(records))
    cities, regions, countries = (records[label].to_pylist() for label in ("city", "region", "country"))
    names = [
        ", ".join(" ".join(part.split()) for part in parts if part)
        for parts in zip(cities, regions, map(_in_words, countries), strict=True)
    ]
    if any(names):
        write_whole(path.with_suffix(".txt"), "".join(name + "\n" for name in names).encode())
    lat_lon = np.stack([records[axis].to_numpy() for axis in ("latitude", "longitude")], axis=-1)
    tensors = {
        "features": features,
        "lat_lon": torch.from_numpy(lat_lon.astype(np.float64)),
        "row": torch.from_numpy(records["row"].to_numpy().copy()),
    }
    write_whole(path, save(tensors))
