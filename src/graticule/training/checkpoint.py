"""Checkpoints: one safetensors file, written whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from graticule.errors import InputError, ModelFormatError
from graticule.store import write_whole

__all__ = ["load_checkpoint", "save_checkpoint"]


def save_checkpoint(
    path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, progress: dict[str, Any]
) -> None:
    """Save weights, optimizer state and where training stands.

    Raises:
        InputError: the file can't be written; one that was there is as it was.
    """
    tensors = {f"model/{name}": value.contiguous() for name, value in model.state_dict().items()}
    names = _parameter_names(model, optimizer)
    for parameter, state in optimizer.state.items():
        for key, value in state.items():
            tensors[f"optimizer/{names[id(parameter)]}/{key}"] = torch.as_tensor(value).contiguous()
    try:
        write_whole(path, save(tensors, metadata={"progress": json.dumps(progress)}))
    except OSError as error:
        raise InputError(
            f"{path}: this checkpoint can't be written ({error.strerror}); make room, and run again to go on from the "
            "last one."
        ) from error


def load_checkpoint(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Put a checkpoint back, and say where training stood.

    Raises:
        ModelFormatError: the file is damaged, or belongs to another model.
    """
    try:
        with safe_open(path, framework="pt") as file:
            progress: dict[str, Any] = json.loads(file.metadata()["progress"])
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        model.load_state_dict(
            {k.removeprefix("model/"): v for k, v in tensors.items() if k.startswith("model/")}
        )
        for parameter_name, parameter in _named(model, optimizer).items():
            prefix = f"optimizer/{parameter_name}/"
            state: dict[str, Tensor] = {
                k.removeprefix(prefix): _laid_out(v, parameter)
                for k, v in tensors.items()
                if k.startswith(prefix)
            }
            if state:
                optimizer.state[parameter] = state
    except (SafetensorError, KeyError, TypeError, RuntimeError, json.JSONDecodeError) as error:
        raise ModelFormatError(
            f"{path}: this checkpoint can't be resumed ({error}); delete it, or train in another folder."
        ) from error
    return progress


def _laid_out(value: Tensor, parameter: nn.Parameter) -> Tensor:
    """The state in its parameter's memory layout, and where it is.

    A file keeps none, and the fused optimizer walks through memory: left as it was read, the state of a
    channels-last filter would be paired with other weights.
    """
    if value.shape == parameter.shape:
        return torch.empty_like(parameter).copy_(value)
    return value.to(parameter.device)


def _named(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, nn.Parameter]:
    trained = {id(p) for group in optimizer.param_groups for p in group["params"]}
    return {name: p for name, p in model.named_parameters() if id(p) in trained}


def _parameter_names(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[int, str]:
    return {id(parameter): name for name, parameter in _named(model, optimizer).items()}
