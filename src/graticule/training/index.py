"""Making an index of a folder of features: what `graticule index` does."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor
from torch.nn import functional

from graticule.alignment.stored import open_alignment
from graticule.errors import ConfigError, InputError
from graticule.extract.finished import finished_plan
from graticule.extract.plan import writing
from graticule.lock import locked
from graticule.registry import INDEXES
from graticule.retrieval.build import Unindexed, build_index, refuse_foreign
from graticule.retrieval.folder import EXACT_ROWS, IndexPlan
from graticule.retrieval.neighbours import NeighbourConfig, build_neighbours
from graticule.store import make_folder
from graticule.tokens.assembly import end_to_end, picture_vectors
from graticule.training.shards import Records, read_records

__all__ = ["Kind", "index_folder"]

Kind = Literal["auto", "exact", "ivfpq"]
_ALIKE_COLUMNS = ("author", "sequence")
_ALIGNED_AT_ONCE = 8192


def index_folder(
    features: Path,
    out: Path,
    *,
    alignment: str | None = None,
    spaces: Sequence[str] = ("location",),
    kind: Kind = "auto",
    neighbours: NeighbourConfig | None = None,
    report: Callable[[str], None] = print,
    stop_after_s: float = math.inf,
) -> bool:
    """Index the pictures of a folder of features, by their places where an alignment says how.

    Args:
        features: shards, as `graticule extract` leaves them.
        out: the folder to write; what a stopped run did is kept there.
        alignment: a model, or the folder of one or of an alignment, whose image vectors are indexed; None: the
            features themselves, made unit length.
        spaces: of the alignment, whose vectors are indexed end to end: location, or all it has.
        kind: which index; auto: exact up to `EXACT_ROWS` rows.
        neighbours: also find the nearest others of every row; None: don't.
        report: gets lines of progress.
        stop_after_s: stop, resumable, after so many seconds.

    Returns:
        Whether it is finished.

    Raises:
        InputError: the shards can't be used, or their extraction is not finished.
        ConfigError: the folder holds another index or something else, or the alignment takes other features.
        ModelError: the alignment can't be read.
        MissingExtraError: faiss or pyarrow is not installed.
    """
    make_folder(out)
    refuse_foreign(out)
    with locked(out), writing(out):
        return _index(
            features,
            out,
            alignment=alignment,
            spaces=spaces,
            kind=kind,
            neighbours=neighbours,
            report=report,
            deadline=time.monotonic() + stop_after_s,
        )


def _index(
    features: Path,
    out: Path,
    *,
    alignment: str | None,
    spaces: Sequence[str],
    kind: Kind,
    neighbours: NeighbourConfig | None,
    report: Callable[[str], None],
    deadline: float,
) -> bool:
    extraction = finished_plan(features)
    encoder_digest = None if extraction is None else extraction.encoder_digest
    records = read_records(features, checked=out / "checked.json")
    aligned, what, digest = _aligned(alignment, records, spaces, encoder_digest=encoder_digest)
    chosen = ("exact" if len(records) <= EXACT_ROWS else "ivfpq") if kind == "auto" else kind
    width = records.features.shape[1] if aligned is None else aligned(records.features[:1].float()).shape[1]
    plan = IndexPlan(
        kind=chosen,
        rows=len(records),
        width=width,
        encoder_digest=encoder_digest,
        vectors=what,
        features=f"{records.digest}{digest}",
        settings=INDEXES.settings({"kind": chosen}),
    )
    source = Unindexed(records.lat_lon, lambda rows: _vectors(records.features[rows], aligned))
    if not build_index(source, out, plan, report=report, stop_after_s=deadline - time.monotonic()):
        return False
    if neighbours is None:
        return True
    groups = [_codes(features, column, len(records)) for column in _ALIKE_COLUMNS]
    return build_neighbours(
        out,
        neighbours,
        groups=[group for group in groups if group is not None],
        report=report,
        stop_after_s=deadline - time.monotonic(),
    )


def _aligned(
    name: str | None, records: Records, spaces: Sequence[str], *, encoder_digest: str | None
) -> tuple[Callable[[Tensor], Tensor] | None, str, str]:
    """What makes vectors of features, what these are in words, and the digest of the weights."""
    if name is None:
        return None, "features, made unit length", ""
    alignment, digest = open_alignment(name, encoder_digest=encoder_digest)
    given, taken = records.features.shape[1], alignment.config.feature_width  # type: ignore[attr-defined]
    if taken != given:
        raise ConfigError(
            f"{name}: takes features {taken} wide, but these are {given}; name the alignment that was trained on them."
        )
    known = list(picture_vectors(alignment, records.features[:1].float()))
    if list(spaces) not in (["location"], known):
        raise ConfigError(f"spaces: {', '.join(spaces)} of {name}; choose location, or {','.join(known)}.")
    what = f"{', '.join(spaces)} vectors of pictures by the alignment {Path(name).name}"
    return lambda features: end_to_end(picture_vectors(alignment, features), spaces), what, f"-{digest}"


@torch.inference_mode()
def _vectors(features: Tensor, aligned: Callable[[Tensor], Tensor] | None) -> Tensor:
    """(M, F) float16 features -> (M, D) unit vectors."""
    if aligned is None:
        return functional.normalize(features.float(), dim=-1)
    return torch.cat([aligned(part.float()) for part in torch.split(features, _ALIGNED_AT_ONCE)])


def _codes(features: Path, column: str, rows: int) -> Tensor | None:
    """A number for each row's author or sequence, -1 where it is not known (N,); None: there are no records of it.

    Raises:
        InputError: the records can't be read, or are not those of the shards' rows.
    """
    paths = [shard.with_suffix(".parquet") for shard in sorted(features.glob("shard-*.safetensors"))]
    if not any(path.exists() for path in paths):
        return None
    try:
        if not all(column in pq.read_schema(path).names for path in paths):
            return None
        tables = [pq.read_table(path, columns=[column]) for path in paths]
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{features}: records can't be read ({error}); extract them again.") from error
    known = pa.concat_tables(tables, promote_options="permissive").column(0).combine_chunks()
    if len(known) != rows:
        raise InputError(
            f"{features}: shard-*.parquet hold {len(known)} records for {rows} rows of features; extract them again."
        )
    codes = known.cast(pa.string()).dictionary_encode().indices
    return torch.from_numpy(codes.fill_null(-1).to_numpy().astype("int64"))
