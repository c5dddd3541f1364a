"""The encoder of Orbit: a small residual network for views of the Earth from above.

A view has no upright: its heading is any of 360 degrees. So at inference the features are averaged over quarter
turns of the picture. And its answer is the point under the *centre*, so the last feature map is read position by
position, not averaged away.
"""

from __future__ import annotations

from copy import deepcopy
from itertools import pairwise
from typing import Literal, cast

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

__all__ = ["OrbitEncoder", "OrbitEncoderConfig", "channels_last", "folded"]


class OrbitEncoderConfig(BaseModel):
    """Sizes of the network."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["orbit"] = "orbit"
    size: int = 64
    """Pixels on a side."""
    widths: tuple[int, ...] = (32, 64, 160, 288)
    """Channels of the stages; each stage halves the side, the stem halves it once."""
    depths: tuple[int, ...] = (1, 1, 3, 2)
    """Residual blocks of the stages."""
    squeeze: int = 96
    """Channels a position of the last map keeps before the positions are read together."""
    width: int = 512
    """Length of a feature vector."""
    turns: Literal[1, 2, 4] = 4
    """Quarter turns averaged at inference."""


class OrbitEncoder(nn.Module):
    """64 x 64 views -> (B, width) features."""

    def __init__(self, config: OrbitEncoderConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or OrbitEncoderConfig()
        self.size, self.width = config.size, config.width
        first = config.widths[0]
        self.stem = nn.Sequential(_conv(6, first, stride=2), nn.ReLU())
        stages = []
        incoming = first
        for stage, (channels, depth) in enumerate(zip(config.widths, config.depths, strict=True)):
            for block in range(depth):
                stages.append(_Residual(incoming, channels, stride=2 if block == 0 and stage > 0 else 1))
                incoming = channels
        self.stages = nn.Sequential(*stages)
        side = config.size // 2 ** len(config.widths)
        self.squeeze = nn.Sequential(
            nn.Conv2d(incoming, config.squeeze, 1, bias=False), nn.BatchNorm2d(config.squeeze)
        )
        self.read = nn.Linear(config.squeeze * side * side, config.width)

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, 3, size, size) float pixels in [0, 1] -> (B, width) features of the pictures as they stand."""
        maps = self.stages(self.stem(_with_standardised(pixels)))
        return cast(Tensor, self.read(functional.relu(self.squeeze(maps)).flatten(1)))

    @torch.inference_mode()
    def encode(self, pixels: Tensor) -> Tensor:
        """(B, 3, size, size) uint8 -> (B, width) float32: features averaged over the quarter turns."""
        colours = pixels.float().div_(255).contiguous(memory_format=torch.channels_last)
        turned = (
            torch.rot90(colours, 4 // self.config.turns * k, dims=(2, 3)) for k in range(self.config.turns)
        )
        return torch.stack([self(view) for view in turned]).mean(0)

    def for_inference(self) -> OrbitEncoder:
        """A faster copy that is neither trained nor saved any more; see `folded`."""
        return folded(self)


def channels_last(encoder: OrbitEncoder) -> OrbitEncoder:
    """The same encoder with its filters laid out as the CPU's convolutions like them."""
    for parameter in encoder.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return encoder


def folded(encoder: OrbitEncoder) -> OrbitEncoder:
    """A copy for inference alone: each batch norm is folded into the convolution before it.

    The features are the same to rounding, a tenth sooner.
    """
    copy = deepcopy(encoder).eval()
    for module in copy.modules():
        if isinstance(module, nn.Sequential):
            for conv, norm in pairwise(list(module)):
                if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                    places = list(module)
                    module[places.index(conv)] = fuse_conv_bn_eval(conv, norm)
                    module[places.index(norm)] = nn.Identity()
    return channels_last(copy)


class _Residual(nn.Module):
    """Two 3 x 3 convolutions around a shortcut (He et al. 2016)."""

    def __init__(self, incoming: int, channels: int, *, stride: int) -> None:
        super().__init__()
        self.first = _conv(incoming, channels, stride=stride)
        self.second = _conv(channels, channels)
        same = incoming == channels and stride == 1
        self.shortcut = nn.Identity() if same else _shortcut(incoming, channels, stride)

    def forward(self, maps: Tensor) -> Tensor:
        inner = self.second(functional.relu(self.first(maps)))
        return functional.relu(inner + self.shortcut(maps))


def _conv(incoming: int, channels: int, *, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(incoming, channels, 3, stride=stride, padding=1, bias=False), nn.BatchNorm2d(channels)
    )


def _shortcut(incoming: int, channels: int, stride: int) -> nn.Sequential:
    pool: list[nn.Module] = [nn.AvgPool2d(stride)] if stride > 1 else []
    return nn.Sequential(*pool, nn.Conv2d(incoming, channels, 1, bias=False), nn.BatchNorm2d(channels))


def _with_standardised(pixels: Tensor) -> Tensor:
    """(B, 6, S, S): the colours, and the colours with each channel's own mean and spread taken out.

    Exposure, gains and haze leave the second three untouched.
    """
    mean = pixels.mean((2, 3), keepdim=True)
    spread = pixels.std((2, 3), keepdim=True)
    return torch.cat([pixels * 2 - 1, (pixels - mean) / (spread + 0.02)], dim=1)
