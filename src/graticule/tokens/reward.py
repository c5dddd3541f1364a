"""The reward model: a GeoToken that reads a finished place and says whether it is near the truth.

Source: GeoToken (arXiv 2511.01082), sec. III-C. The decoder reads [start, y0 .. y_T-1]; its last state goes through
Linear, ReLU, Linear to two logits. Here the logit of near also gets a learned multiple of the place's own
log-probability, read off the same states: without it the network tells easy pictures from hard ones, and not the places
of one picture from each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor, nn

from graticule.earth.cells import TokenScheme
from graticule.errors import ModelFormatError
from graticule.store import ModelFolder, save_folder
from graticule.tokens.geotoken import GeoToken, GeoTokenConfig
from graticule.tokens.query import Query

__all__ = ["RewardConfig", "RewardModel"]

_FAR, _NEAR = 0, 1
_WITHOUT_DROPOUT: Final = {"dropout": 0.0, "neighbour_dropout": 0.0, "all_neighbours_dropout": 0.0}


class RewardConfig(BaseModel):
    """Everything that shapes a reward model.

    Attributes:
        geotoken: Settings of the GeoToken it starts from.
        near_km: A place is near if it is less than this from the truth.
        hidden: Width of the layer between the decoder's state and the two logits.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    geotoken: GeoTokenConfig
    near_km: float = Field(default=200.0, gt=0)
    hidden: int = Field(default=2048, gt=0)


class RewardModel(nn.Module):
    """Says of finished places how likely each is near the truth. All of it is trained, without dropout."""

    def __init__(self, config: RewardConfig, *, judges: str = "", geotoken_digest: str | None = None) -> None:
        """Draw the new layers' weights.

        Args:
            config: Its shape.
            judges: The name of the model whose places it judges.
            geotoken_digest: Of that model's GeoToken, as `Model.geotoken_digest`; None: it is not known.
        """
        super().__init__()
        self.config = config
        self.judges, self.geotoken_digest = judges, geotoken_digest
        self.geotoken = GeoToken(config.geotoken.model_copy(update=_WITHOUT_DROPOUT))
        self.judge = nn.Sequential(
            nn.Linear(config.geotoken.d_model, config.hidden), nn.ReLU(), nn.Linear(config.hidden, 2)
        )
        self.own_weight = nn.Parameter(torch.ones(()))

    @classmethod
    def from_geotoken(cls, geotoken: GeoToken, *, near_km: float, hidden: int = 2048) -> RewardModel:
        """Start from a copy of a trained GeoToken, which itself is left alone."""
        reward = cls(RewardConfig(geotoken=geotoken.config, near_km=near_km, hidden=hidden))
        reward.geotoken.load_state_dict(geotoken.state_dict())
        return reward

    @property
    def scheme(self) -> TokenScheme:
        """The scheme of the places it reads."""
        return self.geotoken.scheme

    def forward(self, query: Query, tokens: Tensor) -> Tensor:
        """Logits of far and near.

        Args:
            query: B pictures. Each one's memory is computed once, and read by all of its places.
            tokens: `(B, W, T)` int64, W finished places a picture.

        Returns:
            `(B, W, 2)`.
        """
        states = self.geotoken.hidden(query, tokens)
        logits = cast(Tensor, self.judge(states[..., -1, :])).float()
        own = [
            F.log_softmax(head(states[..., t, :]).float(), dim=-1).gather(-1, tokens[..., t : t + 1])
            for t, head in enumerate(self.geotoken.heads)
        ]
        return logits + torch.cat([torch.zeros_like(own[0]), self.own_weight * sum(own)], dim=-1)

    def loss(self, query: Query, tokens: Tensor, *, near: Tensor, counts: Tensor) -> Tensor:
        """Cross-entropy a sample, in nats.

        Args:
            query: B pictures.
            tokens: `(B, W, T)` int64, different places.
            near: `(B, W)` bool, whether each is near the truth.
            counts: `(B, W)`, how many samples each stands for; 0 where there is none.
        """
        logits = self(query, tokens).float()
        nats = F.cross_entropy(logits.flatten(0, 1), near.flatten().long(), reduction="none")
        return (nats * counts.flatten()).sum() / counts.sum()

    @torch.no_grad()
    def log_near(self, query: Query, tokens: Tensor) -> Tensor:
        """Log-probability that each place `(B, W, T)` is near the truth: `(B, W)` float32."""
        return F.log_softmax(self(query, tokens).float(), dim=-1)[..., _NEAR]

    def save(self, folder: Path, *, about: Mapping[str, Any], card: str) -> None:
        """Write a folder that `from_folder` reads.

        Args:
            folder: Made if need be.
            about: What else config.json shall tell, such as the model that it judges.
            card: The text of MODEL_CARD.md.
        """
        config = {**about, "reward": self.config.model_dump(mode="json")}
        save_folder(folder, config, {"reward": self.state_dict()}, texts={"MODEL_CARD.md": card})

    @classmethod
    def from_folder(cls, folder: Path) -> RewardModel:
        """Read what `save` wrote: weights are those written, to the digits that float16 keeps.

        Raises:
            ModelNotFoundError: The folder is not a model's.
            ModelFormatError: It is damaged, or holds something else.
        """
        stored = ModelFolder.find(folder)
        try:
            about = stored.config()
            reward = cls(
                RewardConfig.model_validate(about.get("reward")),
                judges=str(about.get("model", "")),
                geotoken_digest=about.get("geotoken_digest"),
            )
            reward.load_state_dict(stored.tensors("reward.safetensors"))
        except (ValidationError, RuntimeError) as error:
            raise ModelFormatError(f"{folder}: not a reward model ({error}).") from error
        return reward.eval().requires_grad_(requires_grad=False)
