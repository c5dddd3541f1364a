"""Small pictures of a gallery, so that people can see what an answer was compared with."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from graticule.errors import ModelFormatError

__all__ = ["SIDE_PX", "Thumbnails"]

SIDE_PX: Final = 48
_QUALITY: Final = 50


@dataclass(frozen=True)
class Thumbnails:
    """One WebP picture for each of N rows of a gallery, end to end.

    Attributes:
        ends: (N,) int64, where each ends among the bytes; it begins where the one before ends.
        data: (M,) uint8, the bytes of all of them; they may lie on disk.
    """

    ends: Tensor
    data: Tensor

    def __len__(self) -> int:
        return len(self.ends)

    def get(self, row: int) -> bytes | None:
        """The WebP picture of a row, None if there is no such row."""
        if not 0 <= row < len(self.ends):
            return None
        begin = int(self.ends[row - 1]) if row else 0
        return self.data[begin : int(self.ends[row])].numpy().tobytes()

    def tensors(self) -> dict[str, Tensor]:
        """As a model folder stores them."""
        return {"ends": self.ends, "data": self.data}

    @classmethod
    def of_pictures(cls, pictures: Iterable[Image.Image]) -> Thumbnails:
        """Make them small: the middle square of each, `SIDE_PX` pixels on a side."""
        packed = [_small(picture) for picture in pictures]
        ends = np.cumsum([len(one) for one in packed], dtype=np.int64)
        return cls(torch.from_numpy(ends), torch.frombuffer(bytearray(b"".join(packed)), dtype=torch.uint8))

    @classmethod
    def of_tensors(cls, tensors: Mapping[str, Tensor], *, rows: int, name: str) -> Thumbnails:
        """Those that a model folder stores, checked against its gallery.

        Args:
            tensors: as `tensors` gives them.
            rows: of the gallery.
            name: of the file, for messages.

        Raises:
            ModelFormatError: they are not of this gallery.
        """
        ends, data = tensors.get("ends"), tensors.get("data")
        if ends is None or data is None or not _end_to_end(ends, data, rows):
            raise ModelFormatError(f"{name}: holds no thumbnails of {rows} gallery rows; get the model anew.")
        return cls(ends, data)


def _end_to_end(ends: Tensor, data: Tensor, rows: int) -> bool:
    """Whether so many pictures may lie in the data one after another."""
    if (
        (ends.dtype, data.dtype, data.ndim) != (torch.int64, torch.uint8, 1)
        or ends.shape != (rows,)
        or not rows
    ):
        return False
    return int(ends[0]) >= 0 and bool((ends.diff() >= 0).all()) and int(ends[-1]) == len(data)


def _small(picture: Image.Image) -> bytes:
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    square = picture.convert("RGB").resize(
        (SIDE_PX, SIDE_PX), Image.Resampling.LANCZOS, box=(left, top, left + side, top + side)
    )
    out = io.BytesIO()
    square.save(out, "WEBP", quality=_QUALITY, method=6)
    return out.getvalue()
