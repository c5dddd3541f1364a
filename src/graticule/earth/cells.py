"""Places as sequences of tokens, coarse to fine: each token says which part of the last cell.

Source: GeoToken (arXiv 2511.01082), whose scheme is `TokenScheme.uniform(20)`.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from graticule.earth import s2
from graticule.errors import ConfigError, CoordinateError

__all__ = ["TokenScheme"]


@dataclass(frozen=True)
class TokenScheme:
    """How a cell is written as tokens, and read back.

    Token 0 numbers the cells of level `levels[0]` over the whole Earth; token t numbers the cells of
    level `levels[t]` inside the cell of the tokens before it. Both follow the Hilbert curve, so every
    sequence of tokens in range is a cell, and every prefix of it a cell that contains it.

    Example:
        >>> scheme = TokenScheme.uniform(6)
        >>> scheme.levels, scheme.vocabulary
        ((0, 2, 4, 6), (6, 16, 16, 16))
        >>> scheme.encode([48.8584], [2.2945])
        array([[ 2,  3, 15,  3]])
    """

    levels: tuple[int, ...]
    """The S2 level reached after each token, strictly increasing, in [0, 30]."""

    def __post_init__(self) -> None:
        if not self.levels:
            raise ConfigError("levels is empty: a place needs one token at least")
        if not (self.levels[0] >= 0 and self.levels[-1] <= s2.MAX_LEVEL):
            raise ConfigError(f"levels {self.levels} leave the range of S2, 0 to {s2.MAX_LEVEL}")
        if any(finer <= coarser for coarser, finer in pairwise(self.levels)):
            raise ConfigError(f"levels {self.levels} are not strictly increasing")

    @classmethod
    def uniform(cls, level: int, levels_per_token: int = 2) -> TokenScheme:
        """The face of the cube first, then tokens of equally many levels, the last of what is left.

        Args:
            level: Level of the finest cells, 0 to 30.
            levels_per_token: How many levels a token goes down: 2 gives 16 values a token.

        Raises:
            ConfigError: There is no such level, or `levels_per_token` is not positive.
        """
        if levels_per_token < 1:
            raise ConfigError(f"levels_per_token is {levels_per_token}: it must be 1 or more")
        return cls((*range(0, level, levels_per_token), level))

    @property
    def length(self) -> int:
        """Number of tokens of a place, T."""
        return len(self.levels)

    @property
    def vocabulary(self) -> tuple[int, ...]:
        """Number of values of each token (T,)."""
        steps = (finer - coarser for coarser, finer in pairwise(self.levels))
        return 6 * 4 ** self.levels[0], *(4**step for step in steps)

    @property
    def offsets(self) -> tuple[int, ...]:
        """Where each token's values start when all of them share one table (T,)."""
        return tuple(accumulate(self.vocabulary[:-1], initial=0))

    def encode(self, lat: ArrayLike, lon: ArrayLike) -> NDArray[np.int64]:
        """The tokens of each point's cell.

        Args:
            lat: Latitudes in degrees (N,), in [-90, 90].
            lon: Longitudes in degrees (N,), in [-180, 180].

        Returns:
            Tokens (N, T).

        Raises:
            CoordinateError: A latitude or longitude is NaN, infinite or out of range, or the shapes differ.
        """
        return self._tokens(s2.cell_ids(lat, lon, level=self.levels[-1]))

    def encode_ids(self, ids: ArrayLike) -> NDArray[np.int64]:
        """The tokens of each cell, or of the cell of the finest level that holds it.

        Args:
            ids: S2 cell ids (N,), at the level of the last token or finer.

        Returns:
            Tokens (N, T).

        Raises:
            CoordinateError: An id is not a cell's, or the cell is coarser than the last token.
        """
        return self._tokens(s2.parent(ids, self.levels[-1]))

    def decode(self, tokens: ArrayLike) -> NDArray[np.uint64]:
        """The cell of each sequence of tokens, whole or only begun.

        Args:
            tokens: The first t tokens of places (..., t), with t from 1 to T.

        Returns:
            S2 cell ids (...), of level `levels[t - 1]`.

        Raises:
            CoordinateError: A token is out of range or not an integer, or there are none or too many.
        """
        tokens = np.asarray(tokens)
        if not np.issubdtype(tokens.dtype, np.integer):
            raise CoordinateError(f"tokens are integers, not {tokens.dtype}")
        if tokens.ndim == 0 or not 1 <= tokens.shape[-1] <= self.length:
            raise CoordinateError(
                f"tokens of shape {tokens.shape}: the last axis holds 1 to {self.length} tokens"
            )
        rows = tokens.reshape(-1, tokens.shape[-1])
        ids = np.zeros(len(rows), dtype=np.uint64)
        for block in s2.blocks(len(rows)):
            for t, size in enumerate(self.vocabulary[: tokens.shape[-1]]):
                # As an unsigned number a negative token is larger than any size.
                token = rows[block, t].astype(np.uint64)
                if (token >= size).any():
                    row = block.start + int(np.argmax(token >= size))
                    raise CoordinateError(
                        f"token {rows[row, t]} at row {row}, place {t} is not in [0, {size})"
                    )
                ids[block] *= np.uint64(size)
                ids[block] += token
        # What is joined is all bits above the last one bit.
        level = self.levels[tokens.shape[-1] - 1]
        ids = ids << _bits_below(level) | np.uint64(1) << _bits_below(level) - np.uint64(1)
        return ids.reshape(tokens.shape[:-1])

    def centres(self, tokens: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The centre of the cell of each sequence of tokens, whole or only begun.

        Args:
            tokens: The first t tokens of places (..., t), with t from 1 to T.

        Returns:
            Latitudes and longitudes in degrees (...).

        Raises:
            CoordinateError: A token is out of range or not an integer, or there are none or too many.
        """
        return s2.centres(self.decode(tokens))

    def _tokens(self, ids: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Tokens (..., T) of cells known to be valid and fine enough (...)."""
        tokens = np.empty((ids.size, self.length), dtype=np.int64)
        flat = ids.ravel()
        for block in s2.blocks(ids.size):
            for t, (level, size) in enumerate(zip(self.levels, self.vocabulary, strict=True)):
                # Shifted so, the lowest bits are this token; those above are the tokens before it.
                column = flat[block] >> _bits_below(level)
                tokens[block, t] = column & np.uint64(size - 1) if t else column
        return tokens.reshape(*ids.shape, self.length)


def _bits_below(level: int) -> np.uint64:
    """How many bits of an id stand below the face and position of a cell of that level."""
    return np.uint64(2 * (s2.MAX_LEVEL - level) + 1)
