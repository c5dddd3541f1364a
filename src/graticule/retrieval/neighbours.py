"""The nearest others of every row: what training reads in place of a search.

A picture that is trained on lies in the gallery itself, and so may its twins: the next shot, the same file uploaded
twice. At test time there are none. A network that learnt from them would learn to copy. So a row's neighbours leave out

    itself,
    rows of its own author, and of its own sequence, where the records know them,
    rows that look alike (a cosine of at least 0.98) and lie within 100 m.

Likeness alone leaves nothing out, nor does place alone: many photos of one sight from one spot are what retrieval is
for.
"""

from __future__ import annotations

import hashlib
import math
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import torch
from pydantic import BaseModel, ConfigDict, Field
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor
from torch.nn import functional

from graticule.earth.distance import haversine_km
from graticule.errors import ModelNotFoundError
from graticule.retrieval.folder import NEIGHBOURS, mapped_matrix, open_index, opened
from graticule.retrieval.gallery import Gallery
from graticule.retrieval.work import Pace, file_digest, work_folder
from graticule.store import ModelFolder, save_tensors, write_manifest, write_whole

__all__ = ["NeighbourConfig", "build_neighbours", "nearest_others", "read_neighbours"]

_ROWS_AT_ONCE: Final = 16_384
_FOUND_AT_ONCE: Final = 100 * _ROWS_AT_ONCE
"""Rows held at a time while a search is widened."""
_KEY: Final = "key"


class NeighbourConfig(BaseModel):
    """How many neighbours, and what is a near-duplicate."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    count: int = Field(default=15, ge=1)
    """K."""
    searched: int = Field(default=100, ge=1)
    """Rows looked at for each, at least four times K: what is left out must not leave too few."""
    widest: int = Field(default=6400, ge=1)
    """Where it does leave too few, as with an author of thousands of pictures, four times as many are looked at, and
    so on up to this."""
    duplicate_cosine: float = 0.98
    duplicate_km: float = 0.1


def nearest_others(
    gallery: Gallery, rows: slice, config: NeighbourConfig, *, groups: Sequence[Tensor] = ()
) -> tuple[Tensor, Tensor]:
    """The nearest rows of some rows, without themselves and near-duplicates.

    Args:
        gallery: N rows, with their index.
        rows: M of them.
        config: how many, and what is left out.
        groups: (N,) int64 each: rows of one number have one author, or one sequence; -1 is not known.

    Returns:
        Rows (M, K) int32 and similarities (M, K) float16, best first; -1 and 0 where there are no more.
    """
    asked = torch.arange(len(gallery))[rows]
    searched = min(len(gallery), max(config.searched, 4 * config.count) + 1)
    others, similarities = _others_among(gallery, asked, searched, config, groups)
    widest = min(len(gallery), config.widest)
    while searched < widest and len(short := (others[:, -1] < 0).nonzero()[:, 0]):
        searched = min(4 * searched, widest)
        for some in torch.split(short, max(1, _FOUND_AT_ONCE // searched)):
            others[some], similarities[some] = _others_among(gallery, asked[some], searched, config, groups)
    return others, similarities


def _others_among(
    gallery: Gallery, rows: Tensor, searched: int, config: NeighbourConfig, groups: Sequence[Tensor]
) -> tuple[Tensor, Tensor]:
    """As `nearest_others`, of rows (M,), among the `searched` nearest of each."""
    count = config.count
    similarities, found = gallery.index.search(gallery.vectors[rows].float(), searched)
    own = rows[:, None]
    dropped = found == own
    for group in groups:
        dropped |= (group[found] == group[own]) & (group[own] >= 0)
    # Distances are measured only where they can matter.
    asked, place = (similarities >= config.duplicate_cosine).nonzero(as_tuple=True)
    here, there = gallery.lat_lon[own[asked, 0]], gallery.lat_lon[found[asked, place]]
    km = torch.from_numpy(haversine_km(*here.T.numpy(), *there.T.numpy()))
    dropped[asked, place] |= km <= config.duplicate_km
    # A stable sort brings those that are kept to the front, in their order.
    order = dropped.to(torch.uint8).sort(dim=1, stable=True).indices[:, :count]
    none = dropped.gather(1, order)
    others = found.gather(1, order).masked_fill(none, -1).to(torch.int32)
    values = similarities.gather(1, order).masked_fill(none, 0).half()
    missing = (0, count - others.shape[1])
    return functional.pad(others, missing, value=-1), functional.pad(values, missing)


def build_neighbours(
    out: Path,
    config: NeighbourConfig,
    *,
    groups: Sequence[Tensor] = (),
    report: Callable[[str], None] = print,
    stop_after_s: float = math.inf,
) -> bool:
    """Find the nearest others of every row of a finished index, and keep them in its folder.

    What is found lies in `building/neighbours-KEY-ROW.safetensors` until all is; KEY stands for the settings.

    Args:
        out: the folder.
        config: how many, and what is left out.
        groups: as `nearest_others` wants them.
        report: gets lines of progress.
        stop_after_s: stop, resumable, after so many seconds.

    Returns:
        Whether it is finished; a run that is stopped has done a block at least.

    Raises:
        ModelNotFoundError: the folder holds no finished index.
        ModelFormatError: it is damaged.
    """
    deadline = time.monotonic() + stop_after_s
    key = _key(config, groups)
    if _key_of(out) == key:
        shutil.rmtree(work_folder(out))  # it may be there still, of a run that was killed at its end
        return True
    gallery, work = open_index(out), work_folder(out)
    starts = range(0, len(gallery), _ROWS_AT_ONCE)
    paths = [work / f"neighbours-{key[:16]}-{start:012d}.safetensors" for start in starts]
    pace, made = Pace("neighbours", len(gallery), report), False
    for start, path in zip(starts, paths, strict=True):
        if path.exists():
            continue
        if made and time.monotonic() > deadline:
            return False
        rows = slice(start, min(start + _ROWS_AT_ONCE, len(gallery)))
        others, similarities = nearest_others(gallery, rows, config, groups=groups)
        write_whole(path, save({"rows": others, "similarities": similarities}))
        pace.tell(rows.start, rows.stop)
        made = True
    parts = [load_file(path) for path in paths]
    whole = {name: torch.cat([part[name] for part in parts]) for name in ("rows", "similarities")}
    short = int((whole["rows"][:, -1] < 0).sum())
    if short:
        report(f"neighbours: {short:,} of {len(gallery):,} rows have fewer than {config.count}")
    digest = save_tensors(out / NEIGHBOURS, whole, metadata={_KEY: key})
    write_manifest(out, {**ModelFolder(out).digests, NEIGHBOURS: digest})
    shutil.rmtree(work)
    return True


def read_neighbours(path: Path) -> tuple[Tensor, Tensor]:
    """The nearest other rows of each row of an index.

    Args:
        path: its folder.

    Returns:
        Rows (N, K) int32, -1 where there are no more, and similarities (N, K) float16, there 0; mapped from disk.

    Raises:
        ModelNotFoundError: it is not the folder of a finished index, or has none.
        ModelFormatError: its files are damaged.
    """
    folder, plan = opened(path)
    if NEIGHBOURS not in folder.digests:
        raise ModelNotFoundError(f"{path}: holds no neighbours; `graticule index --neighbours K` adds them.")
    rows = mapped_matrix(folder, NEIGHBOURS, "rows", (plan.rows, None))
    return rows, mapped_matrix(folder, NEIGHBOURS, "similarities", (plan.rows, rows.shape[1]))


def _key(config: NeighbourConfig, groups: Sequence[Tensor]) -> str:
    digest = hashlib.sha256(config.model_dump_json().encode())
    for group in groups:
        digest.update(group.numpy().data)
    return digest.hexdigest()


def _key_of(out: Path) -> str | None:
    """The key of the neighbours in a folder; None if there are none that its manifest stands for."""
    path, (folder, _) = out / NEIGHBOURS, opened(out)
    if not path.exists() or folder.digests.get(NEIGHBOURS) != file_digest(path):
        return None
    try:
        with safe_open(path, framework="pt") as file:
            return (file.metadata() or {}).get(_KEY)
    except SafetensorError:
        return None
