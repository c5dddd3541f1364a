"""An answer chosen among candidates by a named selector, where the place of least expected loss is not wanted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from graticule.decoding.candidates import Candidates
from graticule.decoding.constrain import CellMask
from graticule.decoding.judge.client import Judge
from graticule.decoding.judge.verdict import JudgeCandidate, Verdict
from graticule.decoding.select import Selector
from graticule.decoding.select.fusion import Fused
from graticule.decoding.select.judged import offer
from graticule.decoding.select.probability import LogProbability
from graticule.decoding.select.reward import Reward
from graticule.decoding.select.risk import MinimumRisk
from graticule.decoding.select.similarity import Similarity
from graticule.earth.regions import Region
from graticule.errors import ConfigError
from graticule.model import Model
from graticule.prediction import Selection
from graticule.registry import SELECTORS
from graticule.tokens.query import Query
from graticule.tokens.reward import RewardModel

__all__ = ["Chooser"]

OFFERED = 10
"""Candidates that a judge chooses among."""
NONE = "no candidate is possible"
"""Why there was nothing to choose from."""


@dataclass(frozen=True)
class Chooser:
    """Picks one candidate a picture.

    Attributes:
        name: One of `registry.SELECTORS`.
        selector: What scores the candidates; None for a judge.
        judge: Whom to ask; None for the others.
    """

    name: str
    selector: Selector | None
    judge: Judge | None = None

    @classmethod
    def named(
        cls, name: str, model: Model, *, reward: Path | None = None, judge: Judge | None = None
    ) -> Chooser:
        """The selector of that name, for a model.

        Args:
            name: One of `registry.SELECTORS`.
            model: Whose candidates are chosen among.
            reward: A folder that `graticule reward` wrote; for `reward`, and for a `fusion` that weighs it.
            judge: For `judge`.

        Raises:
            ConfigError: There is no such selector, or it lacks what it needs.
        """
        SELECTORS.find(name)
        if name == "judge":
            if judge is None:
                raise ConfigError("select judge: no server is named; give the URL of one and its model.")
            return cls(name, None, judge)
        if name != "fusion":
            return cls(name, _selector(name, model, reward))
        if model.fusion is None:
            raise ConfigError(
                f"select fusion: {model.config.name} holds no fusion.json; `graticule calibrate` fits one."
            )
        parts = {part: _selector(part, model, reward) for part in model.fusion.weights}
        return cls(name, Fused(model.fusion, parts))

    def choose(
        self,
        query: Query,
        found: Candidates,
        model: Model,
        *,
        paths: Sequence[str],
        mask: CellMask | None = None,
    ) -> tuple[NDArray[np.float64], list[Selection]]:
        """One place a picture.

        Args:
            query: B pictures.
            found: Their candidates.
            model: Whose they are.
            paths: The picture files; what a judge is shown.
            mask: Where the answers must lie.

        Returns:
            Latitudes and longitudes in degrees (B, 2), NaN where no candidate is an answer; and how each was chosen.
        """
        scheme = model.cell_model.scheme
        places, possible = found.lat_lon(scheme), found.log_probs.isfinite().cpu()
        if mask is not None:
            places, shares = mask.places(found.tokens)
            possible &= shares > 0
        if self.judge is not None:
            log_probs = found.log_probs.cpu().masked_fill(~possible, -torch.inf)
            return self._judged(self.judge, paths, places, log_probs, None if mask is None else mask.region)
        assert self.selector is not None
        scores = self.selector(query, found, scheme).cpu().double().masked_fill(~possible, -torch.inf)
        chosen = places[torch.arange(len(places)), scores.argmax(1)]
        points = torch.where(possible.any(1)[:, None], chosen, torch.nan).numpy()
        return points, [Selection(self.name, None if some else NONE) for some in possible.any(1).tolist()]

    def _judged(
        self, judge: Judge, paths: Sequence[str], places: Tensor, log_probs: Tensor, within: Region | None
    ) -> tuple[NDArray[np.float64], list[Selection]]:
        points = np.full((len(paths), 2), np.nan)
        selections = [Selection(self.name, NONE)] * len(paths)
        asked = torch.nonzero(log_probs.isfinite().any(1))[:, 0].tolist()
        offered = [offer(places[row], log_probs[row])[:OFFERED] for row in asked]
        verdicts = judge.judge([Path(paths[row]) for row in asked], offered)
        for row, candidates, verdict in zip(asked, offered, verdicts, strict=True):
            points[row], why = _obeying(verdict, candidates[0], within)
            selections[row] = Selection(
                self.name,
                why or None,
                tokens=verdict.prompt_tokens + verdict.completion_tokens,
                cost=verdict.cost,
            )
        return points, selections


def _obeying(verdict: Verdict, own: JudgeCandidate, within: Region | None) -> tuple[tuple[float, float], str]:
    """The place of a verdict, and why it is the model's own where it is: a judge may name one that was ruled out."""
    place = verdict.latitude, verdict.longitude
    if verdict.chosen is None and within is not None and not within.contains(place):
        return (own.latitude, own.longitude), "the judge named a place outside the region that was asked for"
    return place, verdict.why


def _selector(name: str, model: Model, reward: Path | None) -> Selector:
    if name == "similarity":
        return Similarity(model.alignment)
    if name == "minimum-risk":
        return MinimumRisk()
    if name == "log-probability":
        return LogProbability()
    if name == "reward":
        if reward is None:
            raise ConfigError(
                "select reward: no reward model is named; give the folder that `graticule reward` wrote."
            )
        judging = RewardModel.from_folder(reward)
        if judging.judges != model.config.name:
            raise ConfigError(
                f"select reward: {reward} judges candidates of {judging.judges!r}, not of {model.config.name!r}; "
                "train one for this model."
            )
        judged, own = judging.geotoken_digest, model.geotoken_digest
        if judged is not None and own is not None and judged != own:
            raise ConfigError(
                f"select reward: {reward} judges candidates of another model of the name {model.config.name!r}; train "
                "one for this model."
            )
        return Reward(judging)
    raise ConfigError(f"select {name}: can't be part of a fusion here; fit one of the others anew.")
