"""What GeoToken's encoder and decoder are built of: positions, attention, residual steps, blocks.

Shapes: B pictures, W prefixes a picture, M memory tokens, d model width, h heads.
"""

from __future__ import annotations

import math
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graticule.tokens.dropout import Dropout, dropout
from graticule.tokens.geotoken_config import GeoTokenConfig
from graticule.tokens.linear import Linear

__all__ = [
    "Attention",
    "DecoderBlock",
    "EncoderBlock",
    "Residual",
    "attend_on_cpu",
    "feed_forward",
    "multi_scale",
    "sinusoidal_positions",
]


def multi_scale(x: Tensor, octaves: int) -> Tensor:
    """Sines and cosines at `octaves` frequencies 1, 2, 4, ...: sharp at every scale.

    Phases are taken in the precision of `x`: pass float64 where the finest octave matters.

    Args:
        x: `(..., n)`.
        octaves: Number of frequencies.

    Returns:
        `(..., 2 * n * octaves)` float32.
    """
    frequencies = 2.0 ** torch.arange(octaves, device=x.device, dtype=x.dtype)
    phases = (x.unsqueeze(-1) * frequencies).flatten(-2)
    return torch.cat([phases.sin(), phases.cos()], dim=-1).float()


def sinusoidal_positions(count: int, d_model: int) -> Tensor:
    """The fixed positions of "Attention Is All You Need", sec. 3.5: `(count, d)`."""
    position = torch.arange(count).unsqueeze(1)
    rate = torch.exp(torch.arange(0, d_model, 2) * (-math.log(10000.0) / d_model))
    table = torch.zeros(count, d_model)
    table[:, 0::2] = torch.sin(position * rate)
    table[:, 1::2] = torch.cos(position * rate)
    return table


class Attention(nn.Module):
    """Multi-head attention, with queries and keys projected apart so that keys can be kept."""

    def __init__(self, config: GeoTokenConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.dropout = config.dropout
        self.query = Linear(config.d_model, config.d_model)
        self.key_value = Linear(config.d_model, 2 * config.d_model)
        self.out = Linear(config.d_model, config.d_model)

    def _split(self, x: Tensor) -> Tensor:
        return x.reshape(*x.shape[:-1], self.heads, x.shape[-1] // self.heads).transpose(-2, -3)

    def queries(self, x: Tensor) -> Tensor:
        """`(..., n, d)` to `(..., h, n, d/h)`."""
        return self._split(self.query(x))

    def keys_values(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """`(..., n, d)` to two of `(..., h, n, d/h)`."""
        return self.split_keys_values(self.key_value(x))

    def split_keys_values(self, keys_values: Tensor) -> tuple[Tensor, Tensor]:
        """`(..., n, 2d)` to two views `(..., h, n, d/h)`."""
        keys, values = keys_values.chunk(2, dim=-1)
        return self._split(keys), self._split(values)

    def attend(
        self,
        queries: Tensor,
        keys: Tensor,
        values: Tensor,
        *,
        mask: Tensor | None = None,
        causal: bool = False,
    ) -> Tensor:
        """`(B, h, n, d/h)` on `(B, h, m, d/h)` to `(B, n, d)`; `mask` is true where one may look."""
        share = self.dropout if self.training else 0.0
        if self.training and queries.device.type == "cpu":
            mixed = attend_on_cpu(queries, keys, values, mask=mask, causal=causal, share=share)
        else:
            mixed = F.scaled_dot_product_attention(
                queries, keys, values, attn_mask=mask, dropout_p=share, is_causal=causal
            )
        return cast(Tensor, self.out(mixed.transpose(1, 2).flatten(-2)))

    def attend_memory(self, x: Tensor, memory: Tensor, *, mask: Tensor | None) -> Tensor:
        """Let few positions look at a long memory without projecting all of it to keys and values.

        Matrix products may be bracketed either way: (x Wq)(m Wk)' = ((x Wq) Wk') m', and p (m Wv) = (p m) Wv, a head at
        a time. So a few queries and answers are carried, and the memory is left as it is. The keys' bias adds the same
        to all scores of a query, which a softmax does not see.

        Args:
            x: `(B, n, d)`.
            memory: `(B, M, d)`.
            mask: `(B, 1, 1, M)`, true where the memory may be seen.

        Returns:
            `(B, n, d)`, what `attend` gives for the memory's keys and values.
        """
        d_model = x.shape[-1]
        weights = self.key_value.weight.view(2, self.heads, d_model // self.heads, d_model)
        value_bias = self.key_value.bias[d_model:].view(self.heads, 1, -1)
        queries = self.queries(x) / math.sqrt(d_model // self.heads)
        carried = torch.einsum("bhne,hed->bhnd", queries, weights[0])
        scores = carried.flatten(1, 2) @ memory.transpose(1, 2)  # (B, h * n, M)
        if mask is not None:
            scores = scores.masked_fill(~mask.flatten(1, 2), -math.inf)
        shares = dropout(scores.softmax(-1), self.dropout if self.training else 0.0)
        seen = (shares @ memory).view_as(carried)
        mixed = torch.einsum("bhnd,hed->bhne", seen, weights[1])
        # Shares that dropout has changed no longer sum to one.
        mixed = mixed + shares.sum(-1).view(*mixed.shape[:3], 1) * value_bias
        return cast(Tensor, self.out(mixed.transpose(1, 2).flatten(-2)))


def attend_on_cpu(
    queries: Tensor, keys: Tensor, values: Tensor, *, mask: Tensor | None, causal: bool, share: float
) -> Tensor:
    """Scaled dot-product attention as it trains fastest on the CPU.

    torch's fused kernel there knows no dropout and is slow backwards; its plain one computes in float32 whatever it is
    given. This one multiplies in the precision given, and draws dropout cheaply.

    Args:
        queries: `(B, h, n, d/h)`.
        keys: `(B, h, m, d/h)`.
        values: `(B, h, m, d/h)`.
        mask: true where one may look.
        causal: nobody looks at what comes later.
        share: of the weights that are dropped.

    Returns:
        `(B, h, n, d/h)`.
    """
    scores = (queries / math.sqrt(queries.shape[-1])) @ keys.transpose(-1, -2)
    if causal:
        mask = torch.ones(scores.shape[-2:], dtype=torch.bool).tril()
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    return dropout(scores.softmax(-1), share) @ values


class Residual(nn.Module):
    """One residual step around a layer: post-norm as published, pre-norm in the compact design."""

    def __init__(self, config: GeoTokenConfig) -> None:
        super().__init__()
        self.pre = config.design == "compact"
        self.norm = nn.LayerNorm(config.d_model)
        self.dropout = Dropout(config.dropout)

    def before(self, x: Tensor) -> Tensor:
        """What the layer reads."""
        return cast(Tensor, self.norm(x)) if self.pre else x

    def after(self, x: Tensor, change: Tensor) -> Tensor:
        """The stream once the layer's answer is added."""
        x = x + self.dropout(change)
        return x if self.pre else self.norm(x)


def feed_forward(config: GeoTokenConfig) -> nn.Sequential:
    """The position-wise layer: ReLU as published, GELU in the compact design."""
    return nn.Sequential(
        Linear(config.d_model, config.feed_forward),
        nn.GELU() if config.design == "compact" else nn.ReLU(),
        Dropout(config.dropout),
        Linear(config.feed_forward, config.d_model),
    )


class EncoderBlock(nn.Module):
    """Self-attention over the memory, then the feed-forward layer."""

    def __init__(self, config: GeoTokenConfig) -> None:
        super().__init__()
        self.self_attention, self.self_step = Attention(config), Residual(config)
        self.feed_forward, self.feed_step = feed_forward(config), Residual(config)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """`(B, M, d)` to `(B, M, d)`."""
        seen = self.self_step.before(x)
        queries, (keys, values) = self.self_attention.queries(seen), self.self_attention.keys_values(seen)
        x = self.self_step.after(x, self.self_attention.attend(queries, keys, values, mask=mask))
        return self.feed_step.after(x, self.feed_forward(self.feed_step.before(x)))


class DecoderBlock(nn.Module):
    """Self-attention along each prefix, cross-attention to the picture's memory, feed-forward."""

    def __init__(self, config: GeoTokenConfig) -> None:
        super().__init__()
        self.self_attention, self.self_step = Attention(config), Residual(config)
        self.cross_attention, self.cross_step = Attention(config), Residual(config)
        self.feed_forward, self.feed_step = feed_forward(config), Residual(config)

    def forward(
        self,
        x: Tensor,
        memory: Tensor | tuple[Tensor, Tensor],
        *,
        mask: Tensor | None = None,
        cache: Tensor | None = None,
    ) -> Tensor:
        """Run the block over whole prefixes, or over their newest position alone.

        Args:
            x: `(B, W, n, d)`; n = 1 with a cache.
            memory: `(B, M, d)`, or this block's keys and values of it, `(B, h, M, d/h)` each.
            mask: `(B, 1, 1, M)`, true where the memory may be seen.
            cache: `(t, B * W, 2d)`, keys and values along the prefixes; the newest are written here.

        Returns:
            `(B, W, n, d)`.
        """
        seen = self.self_step.before(x).flatten(0, 1)  # (B * W, n, d)
        queries, keys_values = self.self_attention.queries(seen), self.self_attention.key_value(seen)
        if cache is not None:
            cache[-1] = keys_values.squeeze(1)
            keys_values = cache.transpose(0, 1)
        mixed = self.self_attention.attend(
            queries, *self.self_attention.split_keys_values(keys_values), causal=cache is None
        )
        x = self.self_step.after(x, mixed.view_as(x))
        # The W prefixes of a picture are more queries on one memory, which is never repeated for them.
        seen = self.cross_step.before(x).flatten(1, 2)
        if isinstance(memory, Tensor):
            mixed = self.cross_attention.attend_memory(seen, memory, mask=mask)
        else:
            mixed = self.cross_attention.attend(self.cross_attention.queries(seen), *memory, mask=mask)
        x = self.cross_step.after(x, mixed.view_as(x))
        return self.feed_step.after(x, self.feed_forward(self.feed_step.before(x)))
