"""The one training loop: alignment, GeoToken and whatever else learns by gradient all run through it.

A step is a pure function of the weights and the step's number: batches, dropout and augmentation draw from
generators seeded by (seed, step). So a run stopped anywhere and resumed equals one never stopped, to the bit.

Under `torchrun` it runs on every process alike: all compute a part of each step, and the first alone writes and
speaks (`distributed`).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from graticule.errors import ConfigError
from graticule.store import sweep
from graticule.training.checkpoint import load_checkpoint, save_checkpoint
from graticule.training.curves import Curves
from graticule.training.distributed import (
    WHOLE,
    Device,
    Part,
    agreed,
    average_gradients,
    averages,
    chosen_device,
    device_of,
    from_main,
    is_main,
    join_processes,
    only_main,
    rank,
    world_size,
)
from graticule.training.schedule import Schedule

__all__ = ["DivisibleTask", "Task", "TrainingConfig", "TrainingResult", "step_generator", "train"]


_DROPOUT = 7
"""The stream of random numbers for dropout."""


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
        """Figures on the validation split; `score` is the one to maximise. With several, one process computes it."""
        ...


@runtime_checkable
class DivisibleTask(Task, Protocol):
    """A task whose loss is a mean over the rows of a batch, so that parts of it can be computed apart.

    Other tasks compute the whole loss on every process; they may share their encoders' work by `spread`.
    """

    def part_loss(self, step: int, part: Part) -> tuple[Tensor, dict[str, float]]:
        """`loss` of one part of the batch: `loss(step)` is `part_loss(step, WHOLE)`."""
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
    accumulate: int = Field(default=1, ge=1)
    """Parts of a batch that a process computes one after another, in as much less memory, before it takes the step."""
    device: Device = "cpu"
    """Where the model is trained, if its task can be anywhere else than on the CPU."""
    log_every: int = Field(default=10, ge=1)
    """Steps from one entry of the log to the next."""


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
        folder: holds checkpoint.safetensors, best.safetensors (the best validated weights), log.jsonl and, where
            TensorBoard is installed, tensorboard/. Several processes need to see the same folder.
        report: gets a line of progress every few seconds, on the first process.
        stop_after_s: stop (resumable) after so many seconds of this call.

    Raises:
        ConfigError: the loss became infinite or not a number, the folder's run had other settings, or the task can't
            be trained so.
        GraticuleError: another process has ended.
    """
    join_processes(config.device)
    report = only_main(report)
    task.model.to(chosen_device(config.device))
    optimizer = torch.optim.AdamW(
        _groups(task.model, config.weight_decay), lr=config.learning_rate, betas=config.betas, fused=True
    )
    checkpoint, best = folder / "checkpoint.safetensors", folder / "best.safetensors"
    if is_main():
        folder.mkdir(parents=True, exist_ok=True)
        sweep(folder)
    progress = _begun(checkpoint, task, optimizer, config)
    if progress["step"]:
        report(f"resumed at step {progress['step']} of {config.steps}")

    start, before_s, first_step = time.monotonic(), progress["seconds"], progress["step"]
    saved = told = start
    with Curves(folder, step=first_step) if is_main() else nullcontext() as curves:

        def keep() -> None:
            progress["seconds"] = before_s + time.monotonic() - start
            if curves:
                curves.flush()
                about = {**progress, "config": config.model_dump(mode="json")}
                save_checkpoint(checkpoint, task.model, optimizer, about)

        while progress["step"] < config.steps and not _out_of_patience(progress, config):
            step = progress["step"]
            figures = _step(task, optimizer, config, step)
            progress["step"] = step + 1
            now, last = time.monotonic(), step + 1 == config.steps
            if curves and (last or (step + 1) % config.log_every == 0):
                curves.train(step + 1, figures)
            if now - told > 10 or last:
                told = now
                report(_line(figures, step + 1, config.steps, (step + 1 - first_step) / (now - start)))
            if last or (step + 1) % config.validate_every == 0:
                figures = from_main(lambda: _validated(task))
                if figures["score"] > progress["best_score"]:
                    progress.update(best_score=figures["score"], best_step=step + 1)
                    if is_main():
                        save_checkpoint(best, task.model, optimizer, {"step": step + 1, **figures})
                report(
                    f"  validation at {step + 1}: " + ", ".join(f"{k} {v:.4g}" for k, v in figures.items())
                )
                if curves:
                    curves.validation(step + 1, figures)
            if now - saved > config.checkpoint_every_s:
                saved = now
                keep()
            if stop_after_s < math.inf and agreed(now - start > stop_after_s):
                break
        keep()
    return TrainingResult(
        **progress, finished=progress["step"] >= config.steps or _out_of_patience(progress, config)
    )


def _begun(
    checkpoint: Path, task: Task, optimizer: torch.optim.Optimizer, config: TrainingConfig
) -> dict[str, Any]:
    """Where the run stands, its weights and optimizer state put back."""
    if not from_main(checkpoint.exists):
        return {"step": 0, "best_score": -math.inf, "best_step": 0, "seconds": 0.0}
    progress = load_checkpoint(checkpoint, task.model, optimizer)
    # Read as settings: those of an earlier version lack the newer ones, which stand at their defaults.
    # On another device a run can go on, if not to the bit.
    if TrainingConfig.model_validate({**progress.pop("config"), "device": config.device}) != config:
        raise ConfigError(
            f"{checkpoint.parent}: its run has other settings; resume with those, or name another folder."
        )
    return progress


def _step(
    task: Task, optimizer: torch.optim.Optimizer, config: TrainingConfig, step: int
) -> dict[str, float]:
    """One step on the global batch; all processes end with the same weights, and the figures of all."""
    task.model.train()
    for group in optimizer.param_groups:
        group["lr"] = config.learning_rate * config.schedule.factor(step, config.steps)
    optimizer.zero_grad(set_to_none=True)
    parts = _parts(task, config.accumulate)
    sums: dict[str, float] = {}
    for part in parts:
        _seed(config.seed, step, part)
        with torch.autocast(device_of(task.model).type, torch.bfloat16, enabled=config.bf16):
            loss, figures = _loss(task, step, part)
        (loss / len(parts)).backward()  # type: ignore[no-untyped-call]
        for name, value in {"loss": loss.item(), **figures}.items():
            sums[name] = sums.get(name, 0.0) + value / len(parts)
    figures = averages(sums)
    if not math.isfinite(figures["loss"]):
        raise ConfigError(f"step {step}: the loss is {figures['loss']}; lower learning_rate or raise warmup.")
    average_gradients([p for p in task.model.parameters() if p.requires_grad])
    nn.utils.clip_grad_norm_(task.model.parameters(), config.clip_norm)
    optimizer.step()
    return figures


def _parts(task: Task, accumulate: int) -> list[Part]:
    """What this process computes of a step's batch, one after another."""
    if isinstance(task, DivisibleTask):
        first = rank() * accumulate
        return [Part(number, world_size() * accumulate) for number in range(first, first + accumulate)]
    if accumulate > 1:
        raise ConfigError(
            "accumulate: this task compares the rows of a batch with each other, so its loss is not that of parts "
            "added up; leave it at 1, and choose the batch itself."
        )
    return [WHOLE]


def _loss(task: Task, step: int, part: Part) -> tuple[Tensor, dict[str, float]]:
    if part != WHOLE and isinstance(task, DivisibleTask):
        return task.part_loss(step, part)
    return task.loss(step)


def _seed(seed: int, step: int, part: Part) -> None:
    """Dropout is drawn by step, and by part: parts must not all lose the same."""
    generator = step_generator(seed, step, stream=_DROPOUT + 1000 * part.number)
    torch.manual_seed(int(torch.randint(2**62, (), generator=generator)))


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
