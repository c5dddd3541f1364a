"""The one training loop: alignment, GeoToken and whatever else learns by gradient all run through it.

A step is a pure function of the weights and the step's number: batches, dropout and augmentation draw from
generators seeded by (seed, step). So a run stopped anywhere and resumed equals one never stopped, to the bit.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from graticule.errors import ConfigError
from graticule.training.checkpoint import load_checkpoint, save_checkpoint
from graticule.training.schedule import Schedule

__all__ = ["Task", "TrainingConfig", "TrainingResult", "step_generator", "train"]


class Task(Protocol):
    """What is learned."""

    @property
    def model(self) -> nn.Module:
        """Holds everything that is trained, and every buffer a resumed run needs."""
        ...

    def loss(self, step: int) -> tuple[Tensor, dict[str, float]]:
        """The loss of step `step`'s batch, and figures worth logging."""
        ...

    def validate(self) -> dict[str, float]:
        """Figures on the validation split; `score` is the one to maximise."""
        ...


class TrainingConfig(BaseModel):
    """How long, how fast, how often looked at."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: int
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    betas: tuple[float, float] = (0.9, 0.98)
    schedule: Schedule = Schedule(warmup=200)
    clip_norm: float = 1.0
    bf16: bool = True
    """Run forward passes in bfloat16 where torch thinks it safe; weights and losses stay float32."""
    seed: int = 0
    validate_every: int = 500
    patience: int | None = None
    """Validations without a better score before training stops early; None: never."""
    checkpoint_every_s: float = 120.0


class TrainingResult(BaseModel):
    """How a run ended."""

    model_config = ConfigDict(frozen=True)

    step: int
    best_score: float
    best_step: int
    seconds: float
    finished: bool


def step_generator(seed: int, step: int, *, stream: int = 0) -> torch.Generator:
    """A generator that depends on seed, step and stream alone."""
    return torch.Generator().manual_seed(((seed * 1_000_003 + stream) * 1_000_003 + step) & (2**63 - 1))


def train(
    task: Task,
    config: TrainingConfig,
    folder: Path,
    *,
    report: Callable[[str], None] = print,
    stop_after_s: float = math.inf,
) -> TrainingResult:
    """Train in `folder`, going on from its checkpoint if there is one.

    Args:
        task: what is learned.
        config: how.
        folder: holds checkpoint.safetensors, best.safetensors (the best validated weights) and log.jsonl.
        report: gets a line of progress every few seconds.
        stop_after_s: stop (resumable) after so many seconds of this call.

    Raises:
        ConfigError: the loss became infinite or not a number, or the folder's run had other settings.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob(".*.tmp"):
        stale.unlink()
    optimizer = torch.optim.AdamW(
        _groups(task.model, config.weight_decay), lr=config.learning_rate, betas=config.betas, fused=True
    )
    checkpoint, best = folder / "checkpoint.safetensors", folder / "best.safetensors"
    progress: dict[str, Any] = {"step": 0, "best_score": -math.inf, "best_step": 0, "seconds": 0.0}
    if checkpoint.exists():
        progress = load_checkpoint(checkpoint, task.model, optimizer)
        if progress.pop("config") != config.model_dump(mode="json"):
            raise ConfigError(
                f"{folder}: its run has other settings; resume with those, or name another folder."
            )
        report(f"resumed at step {progress['step']} of {config.steps}")

    def keep() -> None:
        progress["seconds"] = before_s + time.monotonic() - start
        save_checkpoint(
            checkpoint, task.model, optimizer, {**progress, "config": config.model_dump(mode="json")}
        )

    start, before_s, first_step = time.monotonic(), progress["seconds"], progress["step"]
    saved = told = start
    log = (folder / "log.jsonl").open("a")
    with log:
        while progress["step"] < config.steps and not _out_of_patience(progress, config):
            step = progress["step"]
            figures = _step(task, optimizer, config, step)
            progress["step"] = step + 1
            now = time.monotonic()
            if now - told > 10 or step + 1 == config.steps:
                told = now
                report(_line(figures, step + 1, config.steps, (step + 1 - first_step) / (now - start)))
                log.write(json.dumps({"step": step + 1, **figures}) + "\n")
            if (step + 1) % config.validate_every == 0 or step + 1 == config.steps:
                figures = _validated(task)
                if figures["score"] > progress["best_score"]:
                    progress.update(best_score=figures["score"], best_step=step + 1)
                    save_checkpoint(best, task.model, optimizer, {"step": step + 1, **figures})
                report(
                    f"  validation at {step + 1}: " + ", ".join(f"{k} {v:.4g}" for k, v in figures.items())
                )
                log.write(json.dumps({"step": step + 1, "validation": figures}) + "\n")
                log.flush()
            if now - saved > config.checkpoint_every_s:
                saved = now
                keep()
            if now - start > stop_after_s:
                break
        keep()
    return TrainingResult(
        **progress, finished=progress["step"] >= config.steps or _out_of_patience(progress, config)
    )


def _step(
    task: Task, optimizer: torch.optim.Optimizer, config: TrainingConfig, step: int
) -> dict[str, float]:
    torch.manual_seed(int(torch.randint(2**62, (), generator=step_generator(config.seed, step, stream=7))))
    task.model.train()
    for group in optimizer.param_groups:
        group["lr"] = config.learning_rate * config.schedule.factor(step, config.steps)
    with torch.autocast("cpu", torch.bfloat16, enabled=config.bf16):
        loss, figures = task.loss(step)
    if not torch.isfinite(loss):
        raise ConfigError(f"step {step}: the loss is {loss.item()}; lower learning_rate or raise warmup.")
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(task.model.parameters(), config.clip_norm)
    optimizer.step()
    return {"loss": loss.item(), **figures}


def _validated(task: Task) -> dict[str, float]:
    task.model.eval()
    with torch.no_grad():
        return task.validate()


def _groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Matrices decay; biases, norms and single numbers do not."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]


def _out_of_patience(progress: dict[str, Any], config: TrainingConfig) -> bool:
    if config.patience is None:
        return False
    return bool(progress["step"] - progress["best_step"] >= config.patience * config.validate_every)


def _line(figures: dict[str, float], step: int, steps: int, rate: float) -> str:
    left = int((steps - step) / rate)
    shown = ", ".join(f"{name} {value:.4g}" for name, value in figures.items())
    end = datetime.now() + timedelta(seconds=left)
    return f"step {step}/{steps}  {shown}  {rate:.2f} steps/s, {left // 60} min left, ends {end:%H:%M}"
