"""The index of millions: a few of many lists are looked through in short codes, and the best compared exactly.

Rows lie in lists, each around a centre of k-means. A query looks through the lists whose centres are nearest, where
each row is a code of D / 8 bytes (product quantisation: four numbers become four bits). The best some hundred by code
are then compared by their true vectors, which stay on disk in float16. Codes choose, vectors rank: so similarities
are exact, and only a neighbour whose code says it is far is ever missed.

faiss holds lists and codes. Nothing of it is loaded before its bytes are known to be those that were written.
"""

from __future__ import annotations

import math
from typing import Any, Final, Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor
from torch.nn import functional

from graticule.errors import MissingExtraError, ModelFormatError
from graticule.retrieval.contract import check_search
from graticule.retrieval.exact import ExactIndex

__all__ = ["IvfPqIndex", "IvfPqIndexConfig", "body_bytes", "read_body", "train_body"]

_NUMBERS_A_CODE: Final = 4
_CODE_BITS: Final = 4
_QUERIES_AT_ONCE: Final = 256
_TABLE: Final = 16
"""What faiss computes when it reads an index has so many bytes at most for each of its centres'."""


class IvfPqIndexConfig(BaseModel):
    """How it is built and searched."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["ivfpq"] = "ivfpq"
    lists: int | None = Field(default=None, ge=1)
    """None: the power of two nearest to twice the square root of the rows."""
    probes: int = Field(default=64, ge=1)
    """Lists looked through for a query."""
    candidates: int = Field(default=300, ge=1)
    """Rows compared by their true vectors, at least four times as many as are asked for."""
    sample: int = Field(default=64, ge=1)
    """Rows a list, on average, that centres and codes are learnt from."""
    seed: int = 0

    def lists_of(self, rows: int) -> int:
        """How many lists so many rows lie in."""
        return self.lists or 2 ** max(0, round(math.log2(2 * math.sqrt(rows))))

    def sample_of(self, rows: int) -> np.ndarray:
        """The rows to learn from, rising."""
        count = min(rows, self.sample * self.lists_of(rows))
        return np.sort(np.random.default_rng(self.seed).choice(rows, count, replace=False))


class IvfPqIndex:
    """Unit vectors, and the lists and codes that lead to them."""

    def __init__(
        self, vectors: Tensor, body: Any, config: IvfPqIndexConfig, *, name: str = "index.faiss"
    ) -> None:
        """Put together what belongs together.

        Args:
            vectors: (N, D) unit vectors, of any precision, in memory or mapped from disk.
            body: faiss's index over them, as `train_body` makes it, with all N added.
            config: how to search.
            name: of the body, for messages.

        Raises:
            ModelFormatError: the body is of other vectors than these.
        """
        if (body.ntotal, body.d) != tuple(vectors.shape):
            raise ModelFormatError(
                f"{name}: holds {body.ntotal} rows of {body.d}, but there are {len(vectors)} vectors of "
                f"{vectors.shape[1]}; make the index anew."
            )
        least, most = _row_range(body)
        if least < 0 or most >= len(vectors):
            raise ModelFormatError(
                f"{name}: its lists hold the rows {least} to {most} of {len(vectors)}; make the index anew."
            )
        body.nprobe = min(config.probes, body.nlist)
        self.vectors = vectors
        self.body = body
        self.config = config
        self._name = name

    @classmethod
    def build(cls, vectors: Tensor, config: IvfPqIndexConfig | None = None) -> IvfPqIndex:
        """Build it in memory; `graticule.retrieval.build` does so on disk, and goes on where it was stopped."""
        config = config or IvfPqIndexConfig()
        rows = len(vectors)
        body = train_body(vectors[torch.from_numpy(config.sample_of(rows))], config.lists_of(rows), config)
        body.add(vectors.float().numpy())
        return cls(vectors, body, config)

    def __len__(self) -> int:
        return len(self.vectors)

    @torch.no_grad()
    def search(self, queries: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """The most similar vectors of each query, best first: nearly all of the k nearest.

        Args:
            queries: (B, D).
            k: at most N.

        Returns:
            Similarities (B, k) float32, exact for the rows beside them, and rows (B, k) int64.

        Raises:
            ConfigError: k is not between 1 and N, or the widths differ.
            ModelFormatError: faiss can't search the body.
        """
        check_search(self.vectors, queries, k)
        found = [self._found(part.float(), k) for part in torch.split(queries, _QUERIES_AT_ONCE)]
        return torch.cat([values for values, _ in found]), torch.cat([rows for _, rows in found])

    def _found(self, queries: Tensor, k: int) -> tuple[Tensor, Tensor]:
        count = min(len(self), max(self.config.candidates, 4 * k))
        # Candidates are the nearest by distance, which for unit vectors are the most similar.
        try:
            _, nearest = self.body.search(functional.normalize(queries, dim=-1).numpy(), count)
        except RuntimeError as error:  # settings of its own that faiss looks at no sooner
            raise ModelFormatError(
                f"{self._name}: can't be searched ({_reason(error)}); make it anew."
            ) from error
        candidates = torch.from_numpy(nearest)
        similarities = self._similarities(queries, candidates)
        best, places = similarities.topk(k, dim=1)
        rows = candidates.gather(1, places)
        # Lists can be too short for so many neighbours. It is rare, and then the query is compared with all.
        short = rows.lt(0).any(1)
        if short.any():
            best[short], rows[short] = ExactIndex(self.vectors).search(queries[short], k)
        return best, rows

    def _similarities(self, queries: Tensor, candidates: Tensor) -> Tensor:
        """(B, D) and rows (B, C) -> (B, C); -inf for row -1, which is none."""
        found = torch.empty(candidates.shape)
        # One query's vectors at a time, in the same memory: they stay in a processor's cache.
        stored = self.vectors.new_empty(candidates.shape[1], self.vectors.shape[1])
        vectors = torch.empty(stored.shape)
        for query, rows, similarities in zip(queries, candidates.clamp(min=0), found, strict=True):
            torch.index_select(self.vectors, 0, rows, out=stored)
            torch.mv(vectors.copy_(stored), query, out=similarities)
        return found.masked_fill_(candidates < 0, -math.inf)


def _row_range(body: Any) -> tuple[int, int]:
    """The least and the greatest row in the lists of faiss's index; (0, 0) if they are empty."""
    lists, view = body.invlists, _faiss().rev_swig_ptr
    held = [number for number in range(body.nlist) if lists.list_size(number)]
    rows = [view(lists.get_ids(number), lists.list_size(number)) for number in held]
    if not rows:
        return 0, 0
    return min(int(part.min()) for part in rows), max(int(part.max()) for part in rows)


def train_body(sample: Tensor, lists: int, config: IvfPqIndexConfig) -> Any:
    """An index of faiss with centres and codes learnt from a sample (M, D), and no rows yet.

    Raises:
        MissingExtraError: faiss is not installed.
    """
    faiss = _faiss()
    width = sample.shape[1]
    numbers = next(n for n in range(1, width + 1) if width % n == 0 and (n >= _NUMBERS_A_CODE or n == width))
    body = faiss.index_factory(width, f"IVF{lists},PQ{width // numbers}x{_CODE_BITS}fs", faiss.METRIC_L2)
    # All of the sample is used, and few rows are no fault: faiss would drop some, or warn of it.
    body.cp.seed, body.cp.min_points_per_centroid, body.cp.max_points_per_centroid = config.seed, 1, 1 << 30
    body.pq.cp.seed, body.pq.cp.min_points_per_centroid = config.seed, 1
    least = max(lists, 1 << _CODE_BITS)
    if len(sample) < least:
        sample = sample[torch.from_numpy(np.resize(np.arange(len(sample)), least))]
    body.train(sample.float().numpy())
    return body


def body_bytes(body: Any) -> memoryview:
    """What to write to a file."""
    return memoryview(_faiss().serialize_index(body))


def read_body(data: bytes | bytearray, *, name: str) -> Any:
    """An index of faiss again, from bytes that were checked against a digest.

    Args:
        data: what `body_bytes` gave.
        name: what to call it in a message.

    Raises:
        ModelFormatError: they are something else.
        MissingExtraError: faiss is not installed.
    """
    faiss = _faiss()
    # faiss sets aside what lengths claim, before it looks for as many bytes. Early versions can't be told.
    if hasattr(faiss, "set_deserialization_loop_limit"):
        faiss.set_deserialization_loop_limit(max(1, len(data)))
        faiss.set_deserialization_vector_byte_limit(_TABLE * len(data) + (1 << 20))
    try:
        body = faiss.deserialize_index(np.frombuffer(data, dtype=np.uint8))
    except (RuntimeError, MemoryError) as error:
        raise ModelFormatError(f"{name}: not an index of faiss ({_reason(error)}); make it anew.") from error
    if not isinstance(body, faiss.IndexIVFPQFastScan):
        raise ModelFormatError(f"{name}: an index of another kind than ivfpq; make it anew.")
    return body


def _reason(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _faiss() -> Any:
    try:
        import faiss
    except ImportError as error:
        raise MissingExtraError.of("scale", "faiss-cpu") from error
    return faiss
