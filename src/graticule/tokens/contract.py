"""The contract of cell models: given a picture and a prefix of cell tokens, say where next.

Greedy, beam, sampling, constraints and credible regions are written once, against this.
"""

from __future__ import annotations

from typing import Protocol, TypeVar

from torch import Tensor

from graticule.earth.cells import TokenScheme
from graticule.tokens.query import Query

__all__ = ["CellModel", "State", "StateT"]


class State(Protocol):
    """W prefixes of equal length for each of B pictures, and whatever the model keeps about them.

    States are values: `advance` gives a new one and leaves the old one usable.
    """

    @property
    def length(self) -> int:
        """Tokens chosen so far, 0 at `begin` and at most T."""
        ...


StateT = TypeVar("StateT", bound=State)


class CellModel(Protocol[StateT]):
    """Anything that can say where next.

    Nothing here loops over pictures or prefixes: a state carries all `(B, W)` of them at once.
    """

    @property
    def scheme(self) -> TokenScheme:
        """The token alphabet the model speaks: T tokens, the t-th out of V_t."""
        ...

    def begin(self, query: Query) -> StateT:
        """The state of the empty prefix: W = 1, length 0.

        Args:
            query: B pictures.
        """
        ...

    def next_log_probs(self, state: StateT) -> Tensor:
        """Normalised log-probabilities of the next token after each prefix.

        Args:
            state: `(B, W)` prefixes of length t < T.

        Returns:
            `(B, W, V_t)` float, natural logarithms.

        Raises:
            ValueError: The prefixes are complete.
        """
        ...

    def advance(self, state: StateT, parents: Tensor, tokens: Tensor) -> StateT:
        """Continue prefix `parents[b, j]` of picture b with `tokens[b, j]`.

        A parent may be continued any number of times, or never.

        Args:
            state: `(B, W)` prefixes of length t < T.
            parents: `(B, W')` int64 in 0..W-1.
            tokens: `(B, W')` int64 in 0..V_t-1.

        Returns:
            `(B, W')` prefixes of length t + 1.

        Raises:
            ValueError: The prefixes are complete.
        """
        ...
