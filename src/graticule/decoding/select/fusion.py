"""Several selectors together: a weighted sum of their scores, with weights learnt on pictures of known place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError
from torch import Tensor

from graticule.decoding.candidates import Candidates
from graticule.decoding.select.contract import Selector
from graticule.earth.cells import TokenScheme
from graticule.errors import ConfigError, ModelFormatError
from graticule.tokens.query import Query

__all__ = ["Fused", "Fusion", "fit_weights"]

_ITERATIONS = 100
_RIDGE = 1e-5


class Fusion(BaseModel):
    """How much each selector counts; kept as JSON.

    Attributes:
        model: The model whose candidates it was fitted on.
        fitted_on: Which pictures and candidates, in words.
        pictures: How many.
        weights: Name of a selector -> what its scores are multiplied with.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    fitted_on: str
    pictures: int = Field(ge=0)
    weights: dict[str, FiniteFloat] = Field(min_length=1)

    @classmethod
    def from_json(cls, text: str | bytes, *, name: str = "fusion.json") -> Fusion:
        """Read what `to_json` wrote.

        Raises:
            ModelFormatError: It is not a fusion.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise ModelFormatError(f"{name}: not a fusion of selectors ({error}); fit it anew.") from error

    def to_json(self) -> str:
        """The fusion as a JSON object."""
        return self.model_dump_json(indent=2) + "\n"

    def total(self, scores: Mapping[str, Tensor]) -> Tensor:
        """The weighted sum of each selector's scores `(B, W)`, in float64; -inf where one of them is."""
        parts = torch.stack([scores[name].double() for name in self.weights])  # (K, B, W)
        answer = parts.isfinite()
        weights = parts.new_tensor(list(self.weights.values()))
        total = torch.einsum("k,kbw->bw", weights, parts.masked_fill(~answer, 0))
        return total.masked_fill(~answer.all(0), -torch.inf)


@dataclass(frozen=True)
class Fused:
    """The weighted sum of other selectors' scores.

    Attributes:
        fusion: The weights.
        selectors: Name -> selector; those that `fusion` names.

    Raises:
        ConfigError: The names differ.
    """

    fusion: Fusion
    selectors: Mapping[str, Selector]

    def __post_init__(self) -> None:
        if self.fusion.weights.keys() != self.selectors.keys():
            raise ConfigError(
                f"selector fusion: fitted for {', '.join(self.fusion.weights)}, but given "
                f"{', '.join(self.selectors) or 'none'}; give those it was fitted for."
            )

    def __call__(self, query: Query, candidates: Candidates, scheme: TokenScheme) -> Tensor:
        """`(B, W)` float64; see `Selector`."""
        return self.fusion.total({n: part(query, candidates, scheme) for n, part in self.selectors.items()})


def fit_weights(scores: Mapping[str, Tensor], worth: Tensor) -> dict[str, float]:
    """The weights under which a soft choice is worth most.

    With weights v, candidate i of a picture is taken with probability softmax(sum over k of v_k s_k)_i; what is
    maximised is the mean over pictures of the worth expected then. As the weights grow, the soft choice becomes the
    highest sum; a small price on their squares keeps them from growing for the sake of a few pictures. Found by
    L-BFGS from equal weights on scores of equal spread, without any randomness.

    Args:
        scores: Name of a selector -> its scores `(B, W)`, -inf for candidates that are no answers.
        worth: `(B, W)`, of answering with each candidate, such as its GeoScore; 0 to 5000 or any other range.

    Returns:
        Name -> weight.

    Raises:
        ConfigError: There is no selector, or no picture with an answer.
    """
    if not scores:
        raise ConfigError("fusion: names no selector; give one or more.")
    stacked = torch.stack([part.double() for part in scores.values()], dim=-1)  # (B, W, K)
    answer = stacked.isfinite().all(-1)
    pictures = answer.any(1)
    if not pictures.any():
        raise ConfigError("fusion: no picture has a candidate to learn from; give pictures with answers.")
    stacked, answer, worth = stacked[pictures], answer[pictures], worth[pictures].double()
    stacked = stacked.masked_fill(~answer.unsqueeze(-1), 0)
    # Only differences within a picture matter: their spread sets the scale of each selector.
    mean = stacked.sum(1, keepdim=True) / answer.sum(1)[:, None, None]
    centred = (stacked - mean).masked_fill(~answer.unsqueeze(-1), 0)
    spread = (centred.square().sum((0, 1)) / answer.sum()).sqrt().clamp(min=1e-9)
    centred = centred / spread
    worth = worth.masked_fill(~answer, 0)
    worth = worth / worth.abs().amax().clamp(min=1e-9)
    weights = torch.full((len(scores),), 1 / len(scores), dtype=torch.float64, requires_grad=True)
    search = torch.optim.LBFGS(
        [weights], max_iter=_ITERATIONS, tolerance_change=1e-12, line_search_fn="strong_wolfe"
    )

    def lost() -> Tensor:
        search.zero_grad()
        total = (centred @ weights).masked_fill(~answer, -torch.inf)
        loss = _RIDGE * weights.square().sum() - (total.softmax(1) * worth).sum(1).mean()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    with torch.enable_grad():
        search.step(lost)  # type: ignore[no-untyped-call]
    return dict(zip(scores, (weights.detach() / spread).tolist(), strict=True))
