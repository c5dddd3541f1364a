"""The parts of a model folder: what its settings describe, with the weights that lie beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, Final, TypeVar

import torch
from torch import nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from graticule.errors import ModelFormatError
from graticule.store import ModelFolder

__all__ = ["restored"]

Part = TypeVar("Part")

_SPARE: Final = 2**20
"""Numbers that a network may hold while it is built beyond twice those that are stored."""


def restored(part: Callable[[Any], Part], settings: Any, folder: ModelFolder, name: str) -> Part:
    """A part with the weights stored under its name; what is no network is made of its settings alone.

    Args:
        part: the class. If it is `large`, it is built without random weights, since drawing them takes longer than
            reading its own; for small ones it does not, and the meta device would bring a second of imports.
        settings: of the part.
        folder: of the model.
        name: of the part's file, without its ending.

    Raises:
        ModelFormatError: the weights are missing or damaged, or of another design than the settings'.
    """
    file = f"{name}.safetensors"
    weights = folder.tensors(file) if file in folder.digests else {}
    nowhere = torch.device("meta") if getattr(part, "large", False) else nullcontext()
    try:
        with _at_most(2 * sum(tensor.numel() for tensor in weights.values()) + _SPARE), nowhere:
            built = part(settings)
    except (ArithmeticError, IndexError, MemoryError, RuntimeError, TypeError, ValueError) as error:
        raise ModelFormatError(
            f"{folder.path}: {file} is of another design than config.json, of which no {name} can be made ({error})."
        ) from error
    if isinstance(built, nn.Module):
        try:
            # Assigned, not copied: a large encoder's weights are held once.
            built.load_state_dict(weights or folder.tensors(file), assign=True)
        except RuntimeError as error:
            raise ModelFormatError(
                f"{folder.path}: {file} is of another design than config.json ({error})."
            ) from error
    return built


@contextmanager
def _at_most(count: int) -> Iterator[None]:
    """Stop what is being built in the block once it has more parameters than that, before they are filled.

    Settings of a few bytes could describe a network that fills the memory, or takes an hour to make.
    """
    left = count

    def counted(module: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
        nonlocal left
        left -= 0 if parameter is None else parameter.numel()
        if left < 0:
            raise ValueError("it would be larger than the weights")

    hook = register_module_parameter_registration_hook(counted)
    try:
        yield
    finally:
        hook.remove()
