"""Reading a folder of features whose extraction is finished: what it is of, its records, its features."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from graticule.errors import InputError
from graticule.extract.plan import PLAN, RECORDS, Plan, read_plan

__all__ = ["finished_features", "finished_plan", "finished_records"]


def finished_plan(features: Path) -> Plan | None:
    """The plan that a folder of features was made by; None where nothing says, as `graticule extract` did not make it.

    Raises:
        InputError: the extraction is not finished, or its plan is damaged.
    """
    if not (features / PLAN).exists():
        return None
    plan = read_plan(features)
    found = len(list(features.glob("shard-*.safetensors")))
    if found != plan.shards:
        raise InputError(
            f"{features}: holds {found} shards of {plan.shards}; run the same `graticule extract` again to finish it."
        )
    return plan


def finished_records(features: Path, plan: Plan) -> Any:
    """The records of all N pictures, a pyarrow table, those included that could not be read.

    Raises:
        InputError: they are damaged, or not those of the plan.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        records = pq.read_table(features / RECORDS)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{features / RECORDS}: can't be read ({error}); extract anew.") from error
    if records.num_rows != plan.records:
        raise InputError(
            f"{features / RECORDS}: {records.num_rows} records, but {PLAN} says {plan.records}; extract anew."
        )
    return records


def finished_features(features: Path, plan: Plan) -> tuple[NDArray[np.int64], Tensor]:
    """All features at once.

    Returns:
        Which of the N records those pictures are that could be read (R,), rising; and their features (R, F) float32.

    Raises:
        InputError: a shard is damaged, or not of the plan.
    """
    rows, found = [], []
    for path in sorted(features.glob("shard-*.safetensors")):
        try:
            shard = load_file(path)
            part, numbers = shard["features"].float(), shard["row"]
        except (OSError, SafetensorError, KeyError) as error:
            raise InputError(
                f"{path}: can't be read as features and row ({error}); extract it anew."
            ) from error
        if part.shape != (len(numbers), plan.width) or not bool(part.isfinite().all()):
            raise InputError(
                f"{path}: features are {[*part.shape]}, not finite numbers {[len(numbers), plan.width]}; extract anew."
            )
        rows.append(numbers)
        found.append(part)
    order = torch.cat(rows).numpy()
    if (np.diff(order) <= 0).any() or (len(order) and not 0 <= order[0] <= order[-1] < plan.records):
        raise InputError(f"{features}: its shards are not of one extraction; extract anew.")
    return order, torch.cat(found)
