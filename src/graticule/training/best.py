"""The best validated weights of a run."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import load_file
from torch import nn

__all__ = ["load_best"]

_PREFIX = "model/"


def load_best(model: nn.Module, run: Path) -> None:
    """Give a model the weights that validated best, and ready it to answer on the CPU.

    Args:
        model: of the design that was trained.
        run: the folder `training.loop.train` trained in.
    """
    tensors = load_file(run / "best.safetensors")
    weights = {name.removeprefix(_PREFIX): t for name, t in tensors.items() if name.startswith(_PREFIX)}
    model.cpu().load_state_dict(weights)
    model.eval()
