"""Building an index on disk, in memory that does not grow with it, and going on where it was stopped.

    out/building/vectors.safetensors    grows by blocks; progress.json says how many of its rows are safe on disk
    out/building/rows-R-SHA256.faiss    lists and codes of the first R rows; R = 0: learnt, and empty

What is finished is renamed into its place, and the manifest comes last. The same vectors and settings give the same
bytes, stopped or not, on the same machine.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from pydantic import ValidationError
from torch import Tensor

from graticule.errors import ConfigError, ModelFormatError
from graticule.retrieval.folder import BODY, INDEX, LAT_LON, NEIGHBOURS, VECTORS, IndexPlan
from graticule.retrieval.ivfpq import IvfPqIndexConfig, body_bytes, read_body, train_body
from graticule.retrieval.work import Pace, file_digest, work_folder
from graticule.store import make_folder, save_tensors, write_manifest, write_whole

__all__ = ["Unindexed", "build_index", "refuse_foreign"]

_BLOCK_ROWS: Final = 65_536
_CHECKPOINT_ROWS: Final = 8 * _BLOCK_ROWS


@dataclass(frozen=True)
class Unindexed:
    """N rows to be indexed.

    Attributes:
        lat_lon: (N, 2) float64, degrees.
        read: which of the rows -> their unit vectors (M, D).
    """

    lat_lon: Tensor
    read: Callable[[slice], Tensor]


def build_index(
    source: Unindexed,
    out: Path,
    plan: IndexPlan,
    *,
    report: Callable[[str], None] = print,
    stop_after_s: float = math.inf,
) -> bool:
    """Write the folder of an index, or go on with it; one that is finished is left alone.

    Args:
        source: what is indexed.
        out: the folder.
        plan: what it is, and how it is built; a folder holds one index.
        report: gets lines of progress.
        stop_after_s: stop, resumable, after so many seconds.

    Returns:
        Whether it is finished; a run that is stopped has done a block at least.

    Raises:
        ConfigError: the folder holds something else, an index of something else, or one built otherwise.
        InputError: nothing can be written to it.
        MissingExtraError: faiss is needed and not installed.
    """
    deadline = time.monotonic() + stop_after_s
    make_folder(out)
    _settle(out, plan)
    if (out / "manifest.json").exists():
        return True
    work = work_folder(out)
    finished = _write_vectors(source, out, work, plan, deadline=deadline, report=report)
    if finished and isinstance(plan.settings, IvfPqIndexConfig):
        finished = _write_body(out, work, plan, plan.settings, deadline=deadline, report=report)
    if finished:
        save_tensors(out / LAT_LON, {"lat_lon": source.lat_lon})
        body = [BODY] if plan.kind == "ivfpq" else []
        shutil.rmtree(work)  # before the manifest: a folder that has one is not come back to
        write_manifest(out, {name: file_digest(out / name) for name in (INDEX, VECTORS, LAT_LON, *body)})
    return finished


def refuse_foreign(out: Path) -> None:
    """See that a folder holds an index, finished or not, or nothing that would be taken for one or replaced.

    Raises:
        ConfigError: it holds a model, say.
    """
    if (out / INDEX).exists():
        return
    held = [name for name in ("manifest.json", VECTORS, LAT_LON, BODY, NEIGHBOURS) if (out / name).exists()]
    if held:
        raise ConfigError(
            f"{out}: holds {', '.join(held)} but no {INDEX}: it is of something else. Name another folder."
        )


def _settle(out: Path, plan: IndexPlan) -> None:
    """Write the folder's plan, or see that the one it has is the same."""
    path = out / INDEX
    refuse_foreign(out)
    if not path.exists():
        write_whole(path, (plan.model_dump_json(indent=2) + "\n").encode())
        return
    try:
        before = IndexPlan.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise ModelFormatError(f"{path}: {error}") from error
    for field in IndexPlan.model_fields:
        then, now = getattr(before, field), getattr(plan, field)
        # What the vectors are is said in words, and an alignment that moved is called otherwise.
        if then != now and field != "vectors":
            raise ConfigError(
                f"{path}: {field} was {then!r} and is {now!r} now. Index as before, or into another folder."
            )


def _write_vectors(
    source: Unindexed,
    out: Path,
    work: Path,
    plan: IndexPlan,
    *,
    deadline: float,
    report: Callable[[str], None],
) -> bool:
    if (out / VECTORS).exists():
        return True
    path, progress = work / VECTORS, work / "progress.json"
    done = json.loads(progress.read_bytes())["rows"] if progress.exists() and path.exists() else 0
    head, pace, before = _head(plan), Pace("vectors", plan.rows, report), done
    with path.open("r+b" if done else "wb") as file:
        if not done:
            file.write(head)
        file.seek(len(head) + 2 * plan.width * done)
        file.truncate()
        while done < plan.rows:
            if done > before and time.monotonic() > deadline:
                return False
            rows = slice(done, min(done + _BLOCK_ROWS, plan.rows))
            file.write(source.read(rows).half().contiguous().numpy().data)
            file.flush()
            os.fsync(file.fileno())
            pace.tell(rows.start, rows.stop)
            done = rows.stop
            write_whole(progress, json.dumps({"rows": done}).encode())
    path.replace(out / VECTORS)
    return True


def _write_body(
    out: Path,
    work: Path,
    plan: IndexPlan,
    config: IvfPqIndexConfig,
    *,
    deadline: float,
    report: Callable[[str], None],
) -> bool:
    if (out / BODY).exists():
        return True
    kept = _checkpoint(work)
    if kept is None:
        lists = config.lists_of(plan.rows)
        sample = _sample(out, plan, config.sample_of(plan.rows))
        report(f"index: {lists:,} lists and their codes are learnt from {len(sample):,} rows")
        kept = 0, train_body(sample, lists, config)
        _keep(work, *kept)
    done, body = kept
    pace, before = Pace("index", plan.rows, report), done
    while done < plan.rows:
        if done > before and time.monotonic() > deadline:
            _keep(work, done, body)
            return False
        block = _stored(out, plan, done)
        body.add(block.float().numpy())
        pace.tell(done, done + len(block))
        done += len(block)
        if done % _CHECKPOINT_ROWS == 0:
            _keep(work, done, body)
    write_whole(out / BODY, body_bytes(body))
    return True


def _checkpoint(work: Path) -> tuple[int, Any] | None:
    """How many rows were added, and what to; the bytes are checked before faiss sees them."""
    for path in sorted(work.glob("rows-*.faiss"), reverse=True):
        _, rows, digest = path.stem.split("-")
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() == digest:
            return int(rows), read_body(data, name=str(path))
    return None


def _keep(work: Path, rows: int, body: Any) -> None:
    data = body_bytes(body)
    path = work / f"rows-{rows:012d}-{hashlib.sha256(data).hexdigest()}.faiss"
    write_whole(path, data)
    for older in work.glob("rows-*.faiss"):
        if older != path:
            older.unlink()


def _sample(out: Path, plan: IndexPlan, rows: np.ndarray) -> Tensor:
    """Some of the vectors (M, D), by rising row numbers."""
    parts = []
    for start in range(0, plan.rows, _BLOCK_ROWS):
        here = rows[(start <= rows) & (rows < start + _BLOCK_ROWS)] - start
        parts.append(_stored(out, plan, start)[torch.from_numpy(here)])
    return torch.cat(parts)


def _stored(out: Path, plan: IndexPlan, start: int) -> Tensor:
    """The block of vectors from a row on, (M, D) float16; read, as pages of a map would count as memory in use."""
    count = min(_BLOCK_ROWS, plan.rows - start)
    offset = len(_head(plan)) + 2 * plan.width * start
    block = np.fromfile(out / VECTORS, np.float16, count * plan.width, offset=offset)
    return torch.from_numpy(block.reshape(count, plan.width))


def _head(plan: IndexPlan) -> bytes:
    """How a safetensors file of the vectors begins: https://github.com/huggingface/safetensors#format."""
    shape = [plan.rows, plan.width]
    entry = {"dtype": "F16", "shape": shape, "data_offsets": [0, 2 * math.prod(shape)]}
    header = json.dumps({"vectors": entry}).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header
