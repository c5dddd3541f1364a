"""Whether a gallery holds the very pictures it is judged on, or their twins, and what that is worth.

Sets of photos come from the same collections: one photographer's next shot, or the same file under another name, lies
in the gallery of one paper and the test set of another, and retrieving it shows no skill. The audit drops every
gallery row that shares its author with a judged picture, has almost its vector, or lies at almost the same place,
and judges again. Weights stay as they are: what a network learnt from such pictures is not unlearnt.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from graticule.errors import ConfigError, InputError
from graticule.evaluation.comparison import Comparison
from graticule.evaluation.metrics import Summary
from graticule.evaluation.nearest import nearest
from graticule.evaluation.places import PlaceTable
from graticule.model import Model
from graticule.retrieval.contract import Index
from graticule.retrieval.gallery import Gallery

__all__ = ["Audit", "Leaks", "Nearness", "find_leaks", "without"]

_SAME_PLACE_KM = 0.001
"""Records and gallery rows this near are of one picture."""
_NEIGHBOURS = 32


@dataclass(frozen=True)
class Nearness:
    """What counts as a twin.

    Attributes:
        cosine: gallery rows whose vector is at least as similar as this to a judged picture's.
        km: gallery rows at most as far as this from a judged picture.
    """

    cosine: float = 0.98
    km: float = 0.1


@dataclass(frozen=True)
class Leaks:
    """Which gallery rows leak.

    Attributes:
        by_author: (G,) bool, share their author with a judged picture; None if authors are not known.
        by_vectors: (G,) bool, have almost the vector of one, in the space that is searched; None if the
            gallery holds no pictures.
        by_place: (G,) bool, lie at almost the same place as one.
    """

    by_author: NDArray[np.bool_] | None
    by_vectors: NDArray[np.bool_] | None
    by_place: NDArray[np.bool_]

    @property
    def rows(self) -> NDArray[np.bool_]:
        """All of them."""
        known = [part for part in (self.by_author, self.by_vectors, self.by_place) if part is not None]
        return np.asarray(np.any(known, axis=0))

    def counts(self) -> dict[str, int | None]:
        """How many there are of each kind; None where it can't be known."""
        parts = {
            "same author": self.by_author,
            "near-duplicate vectors": self.by_vectors,
            "near-duplicate place": self.by_place,
            "any of these": self.rows,
        }
        return {name: None if part is None else int(part.sum()) for name, part in parts.items()}


@dataclass(frozen=True)
class Audit:
    """Figures without the gallery rows that leak."""

    nearness: Nearness
    gallery: int
    """Rows of the gallery as it is."""
    dropped: dict[str, int | None]
    """How many rows leak, by kind; None where it can't be known."""
    summaries: dict[str, Summary]
    """Method -> figures without these rows."""
    differences: dict[str, Comparison]
    """Method -> figures without them less figures with them, on the same pictures."""


@torch.inference_mode()
def find_leaks(
    model: Model,
    features: Tensor,
    lat_lon: NDArray[np.float64],
    *,
    authors: NDArray[np.object_] | None = None,
    table: PlaceTable | None = None,
    nearness: Nearness | None = None,
) -> Leaks:
    """Look for judged pictures in the gallery.

    Args:
        model: brings the gallery.
        features: (N, F) encoder features of the judged pictures.
        lat_lon: (N, 2) degrees, where they were taken.
        authors: (N,) who took them, or None.
        table: records of the pictures the gallery was made of: a gallery row is whose record lies at its place.
        nearness: what counts as a twin.

    Raises:
        MissingExtraError: scipy is not installed.
    """
    nearness = nearness or Nearness()
    places = model.gallery.lat_lon.numpy()
    alike = None
    if model.config.gallery_of == "pictures":
        alike = _alike(model, model.searched(features), nearness.cosine)
    _, km = nearest(places, lat_lon)
    return Leaks(_of_authors(places, authors, table), alike, km <= nearness.km)


def without(model: Model, leaks: Leaks) -> Model:
    """The model with the gallery rows that don't leak.

    Raises:
        InputError: All do.
    """
    kept = torch.from_numpy(~leaks.rows)
    if not kept.any():
        raise InputError(
            f"{model.config.name}: the audit drops all {len(kept)} rows of the gallery; none is left to ask."
        )
    gallery = model.gallery
    if not gallery.large:
        return replace(model, gallery=Gallery(gallery.lat_lon[kept], gallery.vectors[kept]))
    # Of millions, a copy would not fit into memory. All that is ever done with vectors is to ask for rows of them.
    vectors = cast(Tensor, _KeptRows(gallery.vectors, kept.nonzero()[:, 0]))
    return replace(model, gallery=Gallery(gallery.lat_lon[kept], vectors, _Rest(gallery.index, kept)))


class _KeptRows:
    """Some rows of a matrix that stays where it is, each read when it is asked for."""

    def __init__(self, vectors: Tensor, kept: Tensor) -> None:
        """Which rows (M,) of (N, D) vectors."""
        self._vectors, self._kept = vectors, kept
        self.shape = torch.Size((len(kept), vectors.shape[1]))
        self.dtype, self.device = vectors.dtype, vectors.device

    def __len__(self) -> int:
        return len(self._kept)

    def __getitem__(self, rows: slice | Tensor) -> Tensor:
        """Numbers of any shape, each below M, to as many rows."""
        return self._vectors[self._kept[rows]]


class _Rest:
    """The same index without some of its rows, the others numbered anew.

    What it finds is what the index finds, less these rows: an exact index of the rest in its place would find
    neighbours that an approximate one misses, and the audit would tell the engine's difference for a leak's.
    """

    def __init__(self, index: Index, kept: Tensor) -> None:
        """Leave out the rows where `kept` (N,) is false."""
        self._index = index
        self._kept = kept
        self._numbers = kept.cumsum(0) - 1

    def __len__(self) -> int:
        return int(self._kept.sum())

    def search(self, queries: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """As `Index.search`: more are asked for than are wanted, and again as many while too few are left.

        Raises:
            ConfigError: k is not between 1 and the number of rows left, or the widths differ.
        """
        if not 1 <= k <= len(self):
            raise ConfigError(f"k: {k} neighbours of an index of {len(self)}; choose 1 to {len(self)}.")
        similarities = torch.empty(len(queries), k)
        rows = torch.empty(len(queries), k, dtype=torch.int64)
        asked, count = torch.arange(len(queries)), 2 * k
        while len(asked):
            values, found = self._index.search(queries[asked], min(count, len(self._kept)))
            stays = self._kept[found]
            # Those that stay come first, in the order they have.
            order = (~stays).int().argsort(dim=1, stable=True)[:, :k]
            done = stays.sum(dim=1) >= k
            similarities[asked[done]] = values.gather(1, order)[done]
            rows[asked[done]] = self._numbers[found.gather(1, order)[done]]
            asked, count = asked[~done], 2 * count
        return similarities, rows


def _alike(model: Model, aligned: Tensor, cosine: float) -> NDArray[np.bool_]:
    """Gallery rows that look almost like one of the pictures (G,)."""
    found = np.zeros(len(model.gallery), dtype=np.bool_)
    count = _NEIGHBOURS
    while len(aligned):
        similarities, rows = model.index.search(aligned, min(count, len(found)))
        near = similarities >= cosine
        found[rows[near].cpu().numpy()] = True
        # Where the last one found is near too, there may be more.
        aligned = aligned[near[:, -1]] if count < len(found) else aligned[:0]
        count *= 8
    return found


def _of_authors(
    places: NDArray[np.float64], authors: NDArray[np.object_] | None, table: PlaceTable | None
) -> NDArray[np.bool_] | None:
    if authors is None or table is None or "author" not in table.labels:
        return None
    judged = set(authors.tolist()) - {None}
    theirs = np.array([author in judged for author in table.labels["author"].tolist()], dtype=np.bool_)
    if not theirs.any():
        return np.zeros(len(places), dtype=np.bool_)
    return np.asarray(nearest(places, table.lat_lon[theirs])[1] <= _SAME_PLACE_KM)
