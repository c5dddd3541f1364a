"""Settings of GeoToken: the published network, and a small one for one machine."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["GeoTokenConfig"]


class GeoTokenConfig(BaseModel):
    """Everything that shapes a GeoToken model. Start from `paper` or `compact` and override by keyword.

    Attributes:
        design: Which of the two networks.
        levels: S2 level reached by each token.
        vectors: Name and width of each vector of a picture, in memory order.
        neighbour_vectors: Which of them the neighbours bring too; None for all.
        neighbours: The most neighbours a picture may bring.
        d_model: Width of the residual stream.
        heads: Attention heads.
        encoder_layers: Blocks over the memory.
        decoder_layers: Blocks over the prefix.
        feed_forward: Hidden width of the feed-forward layers.
        dropout: Dropout everywhere, in training.
        neighbour_dropout: Probability that a neighbour is hidden, in training (compact).
        all_neighbours_dropout: Probability that all of a picture's are hidden, in training (compact).
        prefix_place: Tell the decoder where the centre of the cell reached so far lies (compact).
        position_weights: Weight in the loss of the first and last token, linear in between.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    design: Literal["paper", "compact"] = "compact"
    levels: tuple[int, ...] = (0, 2, 4, 6, 8, 10)
    vectors: dict[str, int] = Field(default={"image": 768, "location": 768, "text": 768}, min_length=1)
    neighbour_vectors: tuple[str, ...] | None = None
    neighbours: int = Field(default=15, ge=0)
    d_model: int = Field(default=256, gt=0, multiple_of=2)
    heads: int = Field(default=4, gt=0)
    encoder_layers: int = Field(default=3, ge=0)
    decoder_layers: int = Field(default=4, gt=0)
    feed_forward: int = Field(default=1024, gt=0)
    dropout: float = Field(default=0.1, ge=0, lt=1)
    neighbour_dropout: float = Field(default=0.2, ge=0, lt=1)
    all_neighbours_dropout: float = Field(default=0.05, ge=0, le=1)
    prefix_place: bool = True
    position_weights: tuple[float, float] = (1.0, 1.0)

    @classmethod
    def compact(cls, **overrides: object) -> GeoTokenConfig:
        """The small design, for one machine: 7.5 M parameters."""
        return cls.model_validate(overrides)

    @classmethod
    def paper(cls, **overrides: object) -> GeoTokenConfig:
        """The published network: 54.8 M parameters, 11 tokens to S2 level 20 (GeoToken, sec. III)."""
        published = {
            "design": "paper",
            "levels": tuple(range(0, 21, 2)),
            "d_model": 512,
            "heads": 8,
            "encoder_layers": 10,
            "decoder_layers": 10,
            "feed_forward": 1024,
            "neighbour_dropout": 0.0,
            "all_neighbours_dropout": 0.0,
            "prefix_place": False,
            "position_weights": (2.0, 1.0),
        }
        return cls.model_validate({**published, **overrides})

    @property
    def neighbour_names(self) -> tuple[str, ...]:
        """The vectors a neighbour brings, in memory order."""
        return tuple(self.vectors) if self.neighbour_vectors is None else self.neighbour_vectors

    @model_validator(mode="after")
    def _consistent(self) -> GeoTokenConfig:
        if self.d_model % self.heads:
            raise ValueError(f"d_model {self.d_model} is not a multiple of heads {self.heads}.")
        unknown = set(self.neighbour_names) - set(self.vectors)
        if unknown:
            raise ValueError(
                f"neighbour_vectors {sorted(unknown)} are not among vectors {sorted(self.vectors)}."
            )
        if min(self.position_weights) < 0 or not 0 < sum(self.position_weights) < math.inf:
            raise ValueError(
                f"position_weights {self.position_weights}: give finite numbers, none negative and not both 0."
            )
        compact_only = self.prefix_place or self.neighbour_dropout or self.all_neighbours_dropout
        if self.design == "paper" and compact_only:
            raise ValueError("prefix_place and neighbour dropout belong to the compact design.")
        return self
