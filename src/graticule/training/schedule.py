"""Learning-rate schedules: a factor of the peak rate, as a function of the step alone."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import BaseModel, ConfigDict

__all__ = ["Schedule"]


class Schedule(BaseModel):
    """How the learning rate moves."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["cosine", "linear", "step"] = "cosine"
    """Fall to `floor` along half a cosine or a line; or fall by `decay` every `every` steps (StepLR)."""
    warmup: int = 0
    """Steps of linear rise at the start."""
    floor: float = 0.0
    """Share of the peak rate at the end (cosine, linear)."""
    decay: float = 0.9
    every: int = 1000

    def factor(self, step: int, steps: int) -> float:
        """Share of the peak rate at this step of so many."""
        if step < self.warmup:
            return (step + 1) / self.warmup
        if self.kind == "step":
            return float(self.decay ** ((step - self.warmup) // self.every))
        done = min(1.0, (step - self.warmup) / max(1, steps - self.warmup))
        fall = 0.5 * (1 + math.cos(math.pi * done)) if self.kind == "cosine" else 1 - done
        return self.floor + (1 - self.floor) * fall
