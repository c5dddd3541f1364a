"""How a model computes its large products: to the last digit, or in fewer, sooner.

Only products with large weights change, for there the time goes: in linear layers and convolutions. Between them
everything stays float32: norms, attention, sums, probabilities, the index.

    float32    nothing is rounded. oneDNN multiplies in linear layers, as it does in convolutions: on AMD processors
               in half the time of MKL, which torch takes for them. Sums differ in their last digits
    bfloat16   weights and what they are multiplied with are rounded to 8 bits
    int8       in linear layers both are rounded to whole steps, -127 to 127; each output of a layer and each token
               of a picture has a step of its own. Convolutions are in bfloat16

Rounding is offered where it keeps the answers. That depends on the weights, so each model is tried on a few made-up
pictures, and refused if too much of its probability moves.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy, deepcopy
from typing import Any, Final, Literal, TypeGuard, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from graticule.errors import ConfigError
from graticule.model import Model
from graticule.tokens.linear import one_dnn

__all__ = ["MOST_SHIFT", "PRECISIONS", "Precision", "in_precision", "shifts"]

Precision = Literal["float32", "bfloat16", "int8"]
PRECISIONS: Final[tuple[Precision, ...]] = get_args(Precision)

MOST_SHIFT: Final = 0.05
"""The share of the probability that rounding may move, on average over pictures and levels. On views of Orbit a shift
of 0.01 leaves 98 answers of 100 within 25 km of where they were, and the GeoScore as it was."""

NARROW: Final = 64
"""Layers with fewer inputs or outputs stay as they are: they take no time, and the last of them are logits."""

_PICTURES = 4

Rounding = Callable[[nn.Module], nn.Module]


def in_precision(model: Model, precision: Precision) -> Model:
    """The same model, whose encoder and GeoToken compute in this precision: for inference, not to be saved.

    Trying whether rounding keeps the answers takes about as long as locating four pictures.

    Args:
        model: as opened. It stays as it is; what is not rounded the two share.
        precision: one of `PRECISIONS`.

    Raises:
        ConfigError: there is no such precision, or it moves more than `MOST_SHIFT` of the model's probability.
    """
    if precision not in PRECISIONS:
        raise ConfigError(f"precision: there is no {precision!r}; choose {' or '.join(PRECISIONS)}.")
    # An encoder's faster form is made before rounding: it computes new weights from the true ones.
    faster = getattr(model.encoder, "for_inference", None)
    rounding: Rounding = {"float32": _in_float32, "bfloat16": _in_bfloat16, "int8": _in_int8}[precision]
    # Not a new model: all that is made of the gallery is shared.
    rounded = copy(model)
    rounded.encoder = _rounded(model.encoder if faster is None else faster(), rounding)
    rounded.geotoken = _rounded(model.geotoken, rounding)
    if precision == "float32":
        return rounded
    moved = float(shifts(model, rounded, _made_up(model.encoder.size)).mean())
    if not moved <= MOST_SHIFT:  # a rounding that overflows gives NaN
        raise ConfigError(
            f"precision: {precision} moves {moved:.1%} of the probability of {model.config.name}, more than "
            f"{MOST_SHIFT:.0%}; choose another of {', '.join(PRECISIONS)}."
        )
    return rounded


@torch.inference_mode()
def shifts(model: Model, other: Model, pixels: Tensor) -> Tensor:
    """How much of the probability one model puts elsewhere than another.

    Both are led down the likeliest cells of the first. At each, the shift is half the sum of the differences over its
    children (total variation): 0 where the two agree, 1 where they share nothing.

    Args:
        model: leads.
        other: has the same cells.
        pixels: (B, 3, S, S) uint8.

    Returns:
        (B, T), a shift for each level.
    """
    pair: list[Any] = [model.cell_model, other.cell_model]
    states = [part.cell_model.begin(part.query(pixels)) for part in (model, other)]
    parents = torch.zeros(len(pixels), 1, dtype=torch.int64)
    found: list[Tensor] = []
    for left in reversed(range(pair[0].scheme.length)):
        first, second = (cells.next_log_probs(state).exp() for cells, state in zip(pair, states, strict=True))
        found.append((first - second).abs().sum(-1).squeeze(1) / 2)
        if left:
            likeliest = first.argmax(-1)
            states = [
                cells.advance(state, parents, likeliest) for cells, state in zip(pair, states, strict=True)
            ]
    return torch.stack(found, dim=1)


def _made_up(size: int) -> Tensor:
    """Soft random colours with some grain: nothing in particular, but as far from flat as photos are."""
    draws = torch.Generator().manual_seed(0)
    colours = torch.rand(_PICTURES, 3, 8, 8, generator=draws) * 255
    soft = functional.interpolate(colours, size=(size, size), mode="bicubic")
    grain = torch.randn(soft.shape, generator=draws) * 6
    return (soft + grain).clamp(0, 255).to(torch.uint8)


def _rounded(network: Any, rounding: Rounding) -> Any:
    """A network in which `rounding` has replaced layers; what is no network stays as it is."""
    if not isinstance(network, nn.Module):
        return network
    replaced = rounding(network)
    if replaced is not network:
        return replaced
    twin = copy(network)
    twin._modules = {name: _rounded(child, rounding) for name, child in network._modules.items()}
    return twin


def _in_float32(layer: nn.Module) -> nn.Module:
    available = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return _OneDnnLinear(layer) if available and _is_wide(layer) else layer


def _in_bfloat16(layer: nn.Module) -> nn.Module:
    if not isinstance(layer, nn.Conv2d) and not _is_wide(layer):
        return layer
    rounded = deepcopy(layer).to(torch.bfloat16)
    rounded.register_forward_pre_hook(lambda _, given: given[0].to(torch.bfloat16))
    rounded.register_forward_hook(lambda _, given, answer: answer.float())
    return rounded


def _in_int8(layer: nn.Module) -> nn.Module:
    return _Int8Linear(layer) if _is_wide(layer) else _in_bfloat16(layer)


def _is_wide(layer: nn.Module) -> TypeGuard[nn.Linear]:
    return isinstance(layer, nn.Linear) and min(layer.in_features, layer.out_features) >= NARROW


class _OneDnnLinear(nn.Module):
    """x W' + b, multiplied by oneDNN."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.weight, self.bias = linear.weight, linear.bias

    def forward(self, x: Tensor) -> Tensor:
        return one_dnn(x, self.weight, self.bias)


class _Int8Linear(nn.Module):
    """x W' + b with both factors in whole steps ("vector-wise" in Dettmers et al. 2022, sec. 2).

    With steps s of the rows of x and t of the rows of W it is round(x / s) round(W / t)' * s * t' + b; the sums of
    products are exact.
    """

    weight: Tensor
    step: Tensor
    bias: Tensor | None

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        step = _step(linear.weight)
        self.register_buffer("weight", _in_steps(linear.weight, step))
        self.register_buffer("step", step.squeeze(1))
        self.register_buffer("bias", linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        rows = x.reshape(-1, x.shape[-1])
        step = _step(rows)
        sums = torch._int_mm(_in_steps(rows, step), self.weight.T).float().mul_(step)
        answer = sums.mul_(self.step) if self.bias is None else torch.addcmul(self.bias, sums, self.step)
        return answer.view(*x.shape[:-1], len(self.step))


def _step(rows: Tensor) -> Tensor:
    """`(N, n)` to `(N, 1)`: 127 steps reach each row's largest number."""
    return rows.abs().amax(1, keepdim=True).clamp_min(1e-30) / 127


def _in_steps(rows: Tensor, step: Tensor) -> Tensor:
    return (rows / step).round_().to(torch.int8)
