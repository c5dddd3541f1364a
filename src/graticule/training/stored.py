"""Rows of matrices that stay on disk: a step reads its batch, and memory does not grow with the data.

Rows are read, not mapped: the pages of a map count as memory in use until something else wants it, and each row
touched brings 64 KB of them along. What was read lately the system keeps for itself, as far as it has room.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final, TypeAlias

import torch
from safetensors import safe_open
from torch import Tensor

from graticule.errors import InputError

__all__ = ["Matrix", "Rows", "StoredRows", "matrices", "selected", "some"]

_FLOATS: Final = {
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F32": torch.float32,
    "F64": torch.float64,
}
_AT_ONCE: Final = 4096


@dataclass(frozen=True)
class Matrix:
    """A matrix of floating-point numbers in a safetensors file, and where in it."""

    path: Path
    dtype: torch.dtype
    shape: tuple[int, int]
    offset: int
    """Bytes from the beginning of the file."""

    def rows(self, numbers: Sequence[int]) -> Tensor:
        """(M,) row numbers, best rising, to (M, W) float16."""
        out = torch.empty(len(numbers), self.shape[1], dtype=self.dtype)
        self._read(numbers, out.view(len(numbers), 1, -1))
        return out.half()

    def blocks(self) -> Iterator[Tensor]:
        """All rows in order, some thousands at a time, (M, W) float16."""
        count, width = self.shape
        for start in range(0, count, _AT_ONCE):
            out = torch.empty(min(_AT_ONCE, count - start), width, dtype=self.dtype)
            self._read([start], out[None])
            yield out.half()

    def _read(self, starts: Sequence[int], out: Tensor) -> None:
        """Fill each (n, W) of `out` (M, n, W) with the n rows from a start on."""
        bytes_a_row = self.shape[1] * self.dtype.itemsize
        buffer = memoryview(out.view(torch.uint8).numpy().data).cast("B") if out.numel() else memoryview(b"")
        size = len(buffer) // max(1, len(starts))
        try:
            with self.path.open("rb", buffering=0) as file:
                for place, start in enumerate(starts):
                    file.seek(self.offset + start * bytes_a_row)
                    if file.readinto(buffer[place * size : (place + 1) * size]) != size:
                        raise InputError(f"{self.path}: has become shorter while it is read; make it anew.")
        except OSError as error:
            raise InputError(f"{self.path}: can't be read any more ({error}).") from error


def matrices(path: Path) -> dict[str, Matrix]:
    """The matrices of floating-point numbers in a safetensors file, by name; none of them is read.

    Raises:
        OSError, SafetensorError: the file can't be read, or is not whole.
    """
    with safe_open(path, framework="pt"):
        pass  # The library checks that tensors lie where the header says, and fill the file.
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    return {
        name: Matrix(
            path, _FLOATS[entry["dtype"]], tuple(entry["shape"]), 8 + length + entry["data_offsets"][0]
        )
        for name, entry in header.items()
        if name != "__metadata__" and entry["dtype"] in _FLOATS and len(entry["shape"]) == 2
    }


class StoredRows:
    """(N, W) float16 rows, read when they are asked for."""

    def __init__(self, parts: Sequence[Matrix], rows: Tensor | None = None) -> None:
        """Rows of several matrices.

        Args:
            parts: matrices of one width, numbered through from the first row of the first.
            rows: (N,) int64, which of them, in which order; -1 is a row of zeros. None: all, in order.
        """
        self._parts = parts
        self._ends = torch.tensor([part.shape[0] for part in parts]).cumsum(0)
        self._rows = torch.arange(int(self._ends[-1])) if rows is None else rows

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def shape(self) -> tuple[int, int]:
        """(N, W)."""
        return len(self), self._parts[0].shape[1]

    def __getitem__(self, rows: Tensor | slice) -> Tensor:
        """(M,) numbers, or (M, K), to (M, W), or (M, K, W): the only thing here that reads."""
        wanted = self._rows[rows]
        numbers, place = wanted.flatten().sort()
        found = torch.zeros(len(numbers), self.shape[1], dtype=torch.float16)
        # Where each matrix's rows begin and end among the sorted numbers; those before the first are -1.
        ends = torch.searchsorted(
            numbers, torch.cat([torch.zeros(1, dtype=torch.int64), self._ends])
        ).tolist()
        starts = [0, *self._ends.tolist()]
        for part, start, (begin, end) in zip(self._parts, starts, pairwise(ends), strict=False):
            if begin < end:
                found[begin:end] = part.rows((numbers[begin:end] - start).tolist())
        out = torch.empty_like(found)
        out[place] = found
        return out.view(*wanted.shape, self.shape[1])

    def only(self, rows: Tensor) -> StoredRows:
        """(M,) of the rows, still on disk."""
        return StoredRows(self._parts, self._rows[rows])

    def digest(self) -> bytes:
        """SHA-256 of the matrices and of which rows are taken."""
        digest = hashlib.sha256(self._rows.contiguous().numpy().data)
        for part in self._parts:
            for block in part.blocks():
                digest.update(block.numpy().data)
        return digest.digest()


Rows: TypeAlias = Tensor | StoredRows
"""(N, W), in memory or on disk: either way `rows[numbers]` gives (M, W) of them."""


def selected(rows: Rows, numbers: Tensor) -> Rows:
    """(M,) of the rows, left where they are."""
    return rows.only(numbers) if isinstance(rows, StoredRows) else rows[numbers]


def some(count: int, most: int) -> Tensor:
    """At most so many of `count` rows, rising; the same ones every time."""
    return torch.randperm(count, generator=torch.Generator().manual_seed(0))[:most].sort().values
