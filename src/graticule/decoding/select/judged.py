"""The candidate that a multimodal language model picks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from graticule.decoding.candidates import Candidates
from graticule.decoding.judge.client import Judge, Picture
from graticule.decoding.judge.verdict import JudgeCandidate
from graticule.decoding.select.contract import answers_only
from graticule.earth.cells import TokenScheme
from graticule.errors import ConfigError, InputError
from graticule.tokens.query import Query

__all__ = ["Judged", "offer"]


@dataclass(frozen=True)
class Judged:
    """A judge's choice: 0 for the candidate it picks and -1 for the others.

    How much a choice counts beside other selectors is for a fusion to say. Where the judge gives no answer all
    candidates score 0, so that the most probable one, which is the first, stands.

    Attributes:
        judge: Whom to ask; its mode must be `pool`.
        pictures: The query's B pictures, in order. They are what leaves the machine.

    Raises:
        ConfigError: The judge names places of its own.
    """

    judge: Judge
    pictures: Sequence[Picture]

    def __post_init__(self) -> None:
        if self.judge.config.mode != "pool":
            raise ConfigError(
                f"selector judge: mode {self.judge.config.mode!r} names places of its own; choose 'pool'."
            )

    def __call__(self, query: Query, candidates: Candidates, scheme: TokenScheme) -> Tensor:
        """`(B, W)` float32; see `Selector`.

        Raises:
            InputError: There are not as many pictures as the query has.
        """
        if len(self.pictures) != query.batch_size:
            raise InputError(
                f"selector judge: {len(self.pictures)} pictures for a query of {query.batch_size}; give each one's."
            )
        scores = torch.zeros(candidates.log_probs.shape)
        # Candidates that are no answers come last, so the judge's numbers are columns.
        rows = [row for row, log_prob in enumerate(candidates.log_probs[:, 0]) if log_prob.isfinite()]
        places = candidates.lat_lon(scheme)
        offered = [offer(places[row], candidates.log_probs[row]) for row in rows]
        verdicts = self.judge.judge([self.pictures[row] for row in rows], offered)
        for row, verdict in zip(rows, verdicts, strict=True):
            if verdict.how == "judge" and verdict.chosen is not None:
                scores[row] = -1
                scores[row, verdict.chosen] = 0
        return answers_only(scores.to(candidates.log_probs.device), candidates)


def offer(places: Tensor, log_probs: Tensor) -> list[JudgeCandidate]:
    """What a judge is told of one picture's candidates that are answers.

    Args:
        places: `(W, 2)` degrees.
        log_probs: `(W,)`, -inf for those that are none.
    """
    answers = log_probs.isfinite().cpu()
    points, shares = places[answers].tolist(), log_probs.cpu()[answers].exp().tolist()
    return [JudgeCandidate(lat, lon, share) for (lat, lon), share in zip(points, shares, strict=True)]
