"""What makes two pictures of one place differ: light, haze, sensor, season.

`ordinary` is the camera's everyday variation; every split has it. `Seasons` is what training adds, so that a place
is recognised in a month nobody has seen: snow, green and dry, seas without relief, other sensors. It is invented
from colours alone: no picture of another month, and no relief, enters it.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["ORDINARY_DRAWS", "Seasons", "ordinary"]

ORDINARY_DRAWS = 8

_LUMA = torch.tensor([0.299, 0.587, 0.114])
_NOISE_LENGTH = 1 << 20


def ordinary(colours: Tensor, draws: np.ndarray) -> Tensor:
    """Exposure, contrast, channel gains, haze and sensor noise of an ordinary camera.

    Args:
        colours: (B, 3, S, S) in [0, 1].
        draws: (B, ORDINARY_DRAWS) uniform numbers: exposure, contrast, three gains, haze, noise, noise offset.

    Returns:
        (B, 3, S, S) in [0, 1].
    """
    u = torch.from_numpy(draws).float()
    exposure = torch.exp2((u[:, 0] - 0.5) * 0.8)  # +- 0.4 stops
    contrast = 0.8 + 0.4 * u[:, 1]
    gains = 0.9 + 0.2 * u[:, 2:5]
    haze = 0.25 * u[:, 5] ** 2
    sigma = 0.03 * u[:, 6]

    scale = ((exposure * contrast * (1 - haze))[:, None] * gains)[..., None, None]
    mean = colours.mean(dim=(1, 2, 3))
    lift = ((exposure * mean * (1 - contrast) * (1 - haze))[:, None] * gains)[..., None, None]
    veil = haze[:, None, None, None] * torch.tensor([0.75, 0.82, 0.92]).view(1, 3, 1, 1)
    out = colours * scale + lift + veil
    return (out + sigma[:, None, None, None] * _noise(u[:, 7], colours.shape)).clamp_(0, 1)


def _noise(where: Tensor, shape: torch.Size) -> Tensor:
    """Gaussian noise cut from one long seeded strip at a place each view chooses: the same on every machine."""
    each = math.prod(shape[1:])
    strip = _strip()
    repeats = -(-(each + 1) // len(strip)) + 1
    strip = strip.repeat(repeats) if each >= len(strip) else torch.cat([strip, strip[:each]])
    starts = (where.double() * (_NOISE_LENGTH - 1)).long().tolist()
    return torch.stack([strip[start : start + each] for start in starts]).view(shape)


@lru_cache(maxsize=1)
def _strip() -> Tensor:
    return torch.from_numpy(
        np.random.Generator(np.random.Philox(20)).standard_normal(_NOISE_LENGTH, np.float32)
    )


class Seasons:
    """Strong variation for training: other months, other seas, other sensors.

    A batch is a pure function of the generator handed in, so a training step can be repeated exactly.

    Attributes:
        strength: share of views that are varied strongly; the rest have ordinary variation only.
    """

    def __init__(self, strength: float = 0.7) -> None:
        self.strength = strength
        self._textures = _smooth_textures()

    def __call__(self, views: Tensor, lat: Tensor, generator: torch.Generator) -> Tensor:
        """Vary a batch.

        Args:
            views: (B, 4, S, S) red, green, blue, water in [0, 1], as `camera.render` gives.
            lat: (B,) degrees of the centres: the snow line depends on it.
            generator: where every random number comes from.

        Returns:
            (B, 3, S, S) in [0, 1].
        """
        batch, _, size, _ = views.shape
        rand = _Draws(generator, batch)
        colours, water = views[:, :3], views[:, 3:]
        land = 1 - water
        strong = rand.chance(self.strength)

        field = self._fields(batch, size, generator)
        luma = _luma(colours)
        colours = _melt(colours, luma, land, field[1], rand.chance(0.15) * strong)
        colours = _turn_vegetation(colours, land, field[0], rand, strong)
        colours = _snow(colours, land, field, rand, strong, lat)
        colours = _flatten_sea(colours, water, rand, strong)
        colours = _sensor(colours, field[2], rand, strong)
        colours = _resolve(colours, rand, strong)
        sigma = rand.between(0, 0.03) + strong * rand.chance(0.2) * rand.between(0, 0.04)
        noise = torch.randn(colours.shape, generator=generator)
        return torch.addcmul(colours, noise, sigma).clamp_(0, 1)

    def _fields(self, batch: int, size: int, generator: torch.Generator) -> Tensor:
        """(3, B, 1, S, S) smooth random fields, about standard normal."""
        count, _, side = self._textures.shape
        which = torch.randint(count, (3 * batch,), generator=generator)
        corner = torch.randint(side - size, (2, 3 * batch), generator=generator)
        steps = torch.arange(size)
        rows, columns = corner[0][:, None] + steps, corner[1][:, None] + steps
        cut = self._textures[which[:, None, None], rows[:, :, None], columns[:, None, :]]
        return cut.view(3, batch, 1, size, size)


class _Draws:
    """Per-view random numbers, shaped (B, 1, 1, 1)."""

    def __init__(self, generator: torch.Generator, batch: int) -> None:
        self._generator, self._batch = generator, batch

    def between(self, low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(self._batch, 1, 1, 1, generator=self._generator)

    def normal(self, scale: float) -> Tensor:
        return scale * torch.randn(self._batch, 1, 1, 1, generator=self._generator)

    def chance(self, probability: float | Tensor) -> Tensor:
        return (torch.rand(self._batch, 1, 1, 1, generator=self._generator) < probability).float()

    def matrices(self, spread: float) -> Tensor:
        """(B, 3, 3) colour matrices about the identity."""
        return torch.eye(3) + spread * torch.randn(self._batch, 3, 3, generator=self._generator)


def _luma(colours: Tensor) -> Tensor:
    return torch.einsum("bchw,c->bhw", colours, _LUMA)[:, None]


def _mix(colours: Tensor, matrices: Tensor) -> Tensor:
    """Apply (B, 3, 3) colour matrices."""
    return torch.bmm(matrices, colours.flatten(2)).view_as(colours)


def _melt(colours: Tensor, luma: Tensor, land: Tensor, field: Tensor, where: Tensor) -> Tensor:
    """Bare ground, brown to green, where the mosaic shows snow."""
    whiteness = ((colours.amin(1, keepdim=True) - 0.45) / 0.2).clamp(0, 1) * land * where
    ground = torch.tensor([0.30, 0.27, 0.20]).view(1, 3, 1, 1) * (0.4 + 0.6 * luma) * (1 + 0.25 * field)
    return torch.lerp(colours, ground, whiteness)


def _turn_vegetation(colours: Tensor, land: Tensor, field: Tensor, rand: _Draws, strong: Tensor) -> Tensor:
    """Green turns dry, dry turns green: more in one part of a view than in another."""
    luma = _luma(colours)
    dry = luma * torch.tensor([1.45, 1.12, 0.72]).view(1, 3, 1, 1)
    lush = luma * torch.tensor([0.62, 0.85, 0.35]).view(1, 3, 1, 1)
    season = (rand.normal(0.45) + rand.between(0, 0.35) * field).clamp_(-0.9, 0.9) * strong * land
    # Deserts (bright and red) have no leaves to lose: they change a third as much.
    leaves = 1 - 0.65 * ((luma - 0.35) / 0.2).clamp(0, 1)
    season = season * leaves
    colours = torch.lerp(colours, dry, season.clamp(min=0))
    return torch.lerp(colours, lush, (-season).clamp(min=0))


def _snow(colours: Tensor, land: Tensor, field: Tensor, rand: _Draws, strong: Tensor, lat: Tensor) -> Tensor:
    """Snow on land: everywhere, or to a line across the view; thin under trees, deep in the open."""
    high = ((lat.abs().float().view(-1, 1, 1, 1) - 25) / 25).clamp(0.06, 0.8)
    falls = rand.chance(high) * strong
    luma = _luma(colours)
    size = colours.shape[-1]
    steps = torch.linspace(-1, 1, size)
    angle = rand.between(0, 2 * math.pi)
    across = angle.cos() * steps.view(1, 1, 1, -1) + angle.sin() * steps.view(1, 1, -1, 1)
    line = rand.between(-1.0, 3.0) + rand.normal(0.8) * across + rand.between(0.2, 1.0) * field[1]
    cover = torch.sigmoid(4 * line)
    open_ground = ((luma - 0.08) / 0.22).clamp(0, 1)
    under_trees = rand.between(0.05, 0.95)
    cover = cover * (under_trees + (1 - under_trees) * open_ground) * land * falls
    # What relief and tree lines leave visible on snow, sometimes inverted, sometimes nothing.
    relief = (luma - luma.mean((2, 3), keepdim=True)) * rand.between(-0.8, 1.2)
    tint = torch.cat([rand.between(0.9, 1.0), rand.between(0.94, 1.0), torch.ones_like(angle)], dim=1)
    white = (rand.between(0.55, 0.95) + relief + 0.04 * field[2]) * tint
    return torch.lerp(colours, white, cover)


def _flatten_sea(colours: Tensor, water: Tensor, rand: _Draws, strong: Tensor) -> Tensor:
    """Seas lose the relief of their floor, and take another blue; some freeze along the shore."""
    flat = rand.chance(0.6) * strong * rand.between(0.3, 1.0)
    depth = rand.between(0, 1)
    deep = torch.cat([rand.between(0.0, 0.1), 0.02 + 0.25 * depth, 0.06 + 0.5 * depth], dim=1)
    return torch.lerp(colours, deep.expand_as(colours), water * flat)


def _sensor(colours: Tensor, field: Tensor, rand: _Draws, strong: Tensor) -> Tensor:
    """Colour matrix, exposure, contrast, gamma and haze of another camera."""
    strong_matrix = strong.view(-1, 1, 1)
    matrices = torch.lerp(torch.eye(3).expand(len(colours), 3, 3), rand.matrices(0.06), strong_matrix)
    grey = (rand.chance(0.08) * strong).view(-1, 1, 1)
    matrices = torch.lerp(matrices, _LUMA.expand(3, 3).expand_as(matrices), grey)
    colours = _mix(colours, matrices)

    stops = rand.between(-0.4, 0.4) + strong * rand.normal(0.25)
    contrast = rand.between(0.8, 1.2) * (1 + strong * rand.between(-0.3, 0.3))
    gains = torch.cat([rand.between(0.9, 1.1) for _ in range(3)], dim=1)
    mean = colours.mean((1, 2, 3), keepdim=True)
    colours = torch.lerp(mean, colours, contrast) * (torch.exp2(stops) * gains)
    gamma = torch.exp(strong * rand.chance(0.5) * rand.normal(0.25))
    colours = colours.clamp(1e-4, 1) ** gamma

    haze = 0.25 * rand.between(0, 1) ** 2 + strong * rand.chance(0.3) * rand.between(0, 0.3)
    patchy = rand.chance(0.2) * strong
    haze = (haze * (1 + patchy * field)).clamp_(0, 0.8)
    return torch.lerp(colours, torch.tensor([0.75, 0.82, 0.92]).view(1, 3, 1, 1).expand_as(colours), haze)


def _resolve(colours: Tensor, rand: _Draws, strong: Tensor) -> Tensor:
    """Softer or sharper than the training mosaic, and now and then the blocks of a JPEG."""
    soft = functional.avg_pool2d(functional.pad(colours, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    amount = rand.between(-0.9, 1.0) * rand.chance(0.6) * strong  # negative sharpens
    colours = torch.lerp(colours, soft, amount)
    coarse = torch.nonzero(rand.chance(0.12).flatten() * strong.flatten()).flatten()
    if len(coarse) and colours.shape[-1] >= 32:
        small = functional.interpolate(colours[coarse], scale_factor=0.5, mode="area")
        back = functional.interpolate(small, size=colours.shape[-1], mode="bilinear", align_corners=False)
        colours = colours.index_copy(0, coarse, back)
    blocky = torch.nonzero(rand.chance(0.2).flatten() * strong.flatten()).flatten()
    if len(blocky) and colours.shape[-1] % 8 == 0:
        step = rand.between(0.01, 0.08)[blocky]
        colours = colours.index_copy(0, blocky, _jpeg_blocks(colours[blocky], step))
    return colours


def _jpeg_blocks(colours: Tensor, step: Tensor) -> Tensor:
    """Round the 8 x 8 cosine coefficients of each channel, coarser for finer waves (as JPEG does)."""
    n = torch.arange(8, dtype=torch.float32)
    basis = torch.cos(math.pi / 8 * (n[None] + 0.5) * n[:, None]) * math.sqrt(2 / 8)
    basis[0] /= math.sqrt(2)
    batch, channels, height, width = colours.shape
    blocks = colours.view(batch, channels, height // 8, 8, width // 8, 8).transpose(3, 4)
    waves = basis @ blocks @ basis.T
    table = step.view(-1, 1, 1, 1, 1, 1) * (1 + n[None] + n[:, None])
    blocks = basis.T @ (torch.round(waves / table) * table) @ basis
    return blocks.transpose(3, 4).reshape(batch, channels, height, width)


def _smooth_textures(count: int = 24, side: int = 256) -> Tensor:
    """(count, side, side) fractal noise, about standard normal, from one fixed seed."""
    generator = torch.Generator().manual_seed(30)
    total = torch.zeros(count, 1, side, side)
    for cells, weight in ((6, 1.0), (12, 0.7), (24, 0.5), (64, 0.35)):
        grid = torch.randn(count, 1, cells, cells, generator=generator)
        total += weight * functional.interpolate(grid, size=side, mode="bicubic", align_corners=True)
    total -= total.mean((2, 3), keepdim=True)
    return (total / total.std((2, 3), keepdim=True)).squeeze(1)
