"""Two opinions as one: where the cell model says next, and where the alignment says alike.

GeoToken goes from coarse to fine and is sure of the region before it is of the place; the alignment compares the
picture with any place, and knows nothing of what lies around it. A logarithmic opinion pool multiplies their densities,
each raised to a weight (Genest and Zidek 1986):

    density(cell) ~ (mass / km2)^cells * exp(similarity * scale * cosine)

over the cells that are fine and probable enough; together they keep the mass they had. The weights are fitted on
pictures with known places, as `graticule.evaluation.calibration_fit` tells.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor
from torch.nn import functional

from graticule.alignment.contract import ImageLocationAlignment
from graticule.earth.density import Density
from graticule.errors import ConfigError
from graticule.tokens.query import Query

__all__ = ["Blend", "Evidence", "blended", "evidence"]


class Blend(BaseModel):
    """How two opinions are pooled.

    Attributes:
        cells: What the cell model's log-density is multiplied with.
        similarity: What the scaled cosine is multiplied with.
        coarsest_level: S2 level; coarser cells are too large to be compared as points.
        most: How many cells of a picture are compared, the most probable.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    cells: float = Field(gt=0, allow_inf_nan=False)
    similarity: float = Field(ge=0, allow_inf_nan=False)
    coarsest_level: int = Field(ge=0, le=30)
    most: int = Field(default=64, gt=0)


@dataclass(frozen=True)
class Evidence:
    """What both say of K cells of each of B pictures.

    Attributes:
        columns: `(B, K)` int64, the cells' places in the density.
        real: `(B, K)` bool; the others only fill up a row.
        log_mass: `(B, K)` float64, of each cell under the cell model.
        log_area: `(B, K)` float64, of its km2.
        similarity: `(B, K)` float64, the alignment's scaled cosine at its centre.
    """

    columns: NDArray[np.int64]
    real: NDArray[np.bool_]
    log_mass: NDArray[np.float64]
    log_area: NDArray[np.float64]
    similarity: NDArray[np.float64]

    def logits(self, cells: float | Tensor, similarity: float | Tensor) -> Tensor:
        """Unnormalised log-masses under these weights (B, K) float64, -inf where nothing is real."""
        thickness = torch.from_numpy(self.log_mass - self.log_area)
        pooled = cells * thickness + similarity * torch.from_numpy(self.similarity)
        return (pooled + torch.from_numpy(self.log_area)).masked_fill(
            torch.from_numpy(~self.real), -torch.inf
        )


def evidence(
    found: Density, query: Query, alignment: ImageLocationAlignment, *, coarsest_level: int, most: int
) -> Evidence:
    """Compare each picture with the places of its most probable cells.

    Args:
        found: Of B pictures.
        query: The same pictures, with their location-aligned vectors.
        alignment: The one that made these vectors.
        coarsest_level: Coarser cells are left out.
        most: How many cells a picture.

    Raises:
        ConfigError: The query has no location-aligned vectors.
    """
    if "location" not in query.vectors:
        raise ConfigError("blend: the query brings no vectors called location; choose no blend.")
    fine = np.where(found.levels >= coarsest_level, found.mass, 0.0)
    columns = np.argsort(-fine, axis=1, kind="stable")[:, :most]
    mass = np.take_along_axis(fine, columns, 1)
    real = mass > 0
    rows, places = np.nonzero(real)
    similarity = np.zeros(mass.shape)
    similarity[real] = _similarity(
        alignment, query.vectors["location"], rows, found.lat_lon[rows, columns[rows, places]]
    )
    return Evidence(
        columns=columns,
        real=real,
        log_mass=np.log(np.where(real, mass, 1.0)),
        log_area=np.log(np.where(real, np.take_along_axis(found.area_km2, columns, 1), 1.0)),
        similarity=similarity,
    )


def blended(found: Density, query: Query, alignment: ImageLocationAlignment, blend: Blend) -> Density:
    """The pooled density: its probable fine cells weighed anew, all else as it was.

    Args:
        found: Of B pictures.
        query: The same pictures.
        alignment: The one that made the query's location-aligned vectors.
        blend: The weights.

    Raises:
        ConfigError: The query has no location-aligned vectors.
    """
    seen = evidence(found, query, alignment, coarsest_level=blend.coarsest_level, most=blend.most)
    before = np.take_along_axis(found.mass, seen.columns, 1)
    # Where nothing is real the softmax is of nothing, and nothing is changed.
    shares = seen.logits(blend.cells, blend.similarity).softmax(1).nan_to_num().numpy()
    kept = np.where(seen.real, before, 0.0).sum(axis=1, keepdims=True)
    mass = found.mass.copy()
    np.put_along_axis(mass, seen.columns, np.where(seen.real, kept * shares, before), 1)
    return found.weighed(mass)


@torch.no_grad()
def _similarity(
    alignment: ImageLocationAlignment, vectors: Tensor, rows: NDArray[np.int64], lat_lon: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The scaled cosine of picture `rows[i]` and place `lat_lon[i]` (N,)."""
    places = torch.from_numpy(lat_lon).to(vectors.device)
    # Three times as fast where the processor has it; a cosine moves by a thousandth.
    with torch.autocast(vectors.device.type, torch.bfloat16, enabled=_has_bfloat16(vectors)):
        towards = alignment.locations(places).float()
    pictures = functional.normalize(vectors.float(), dim=-1)[torch.from_numpy(rows).to(vectors.device)]
    return (alignment.scale * (pictures * towards).sum(-1)).double().cpu().numpy()


def _has_bfloat16(vectors: Tensor) -> bool:
    if vectors.device.type != "cpu":
        return torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    available = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return bool(available and torch.ops.mkldnn._is_mkldnn_bf16_supported())
