"""The candidate that a reward model holds most likely to be near the truth."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from graticule.decoding.candidates import Candidates
from graticule.decoding.select.contract import answers_only
from graticule.earth.cells import TokenScheme
from graticule.errors import ConfigError
from graticule.tokens.query import Query
from graticule.tokens.reward import RewardModel

__all__ = ["Reward"]


@dataclass(frozen=True)
class Reward:
    """The log-probability that each candidate is near the truth (GeoToken, sec. III-C).

    Attributes:
        model: Trained on samples of the cell model whose candidates are judged.
    """

    model: RewardModel

    def __call__(self, query: Query, candidates: Candidates, scheme: TokenScheme) -> Tensor:
        """`(B, W)` float32; see `Selector`.

        Raises:
            ConfigError: The reward model reads cells of another scheme.
        """
        if scheme != self.model.scheme:
            raise ConfigError(
                f"selector reward: its model reads S2 levels {self.model.scheme.levels}, but the candidates have "
                f"{scheme.levels}; train one for this model."
            )
        return answers_only(self.model.log_near(query, candidates.tokens), candidates)
