"""GeoToken: a Transformer that writes a place as a sequence of cell tokens, coarse to fine.

An encoder reads the picture's vectors and its retrieved neighbours into a memory; a causal decoder reads the
memory and the prefix so far, and says where next. Two designs share the file and most of the code:

- `paper`: the network of "GeoToken: Hierarchical Geolocalization of Images via Next Token Prediction"
  (arXiv 2511.01082), number for number.
- `compact`: what one would build today. Pre-norm; one memory token a neighbour, which says what it looks
  like, how similar it is and where it lies; the decoder is told where the cell it has reached lies.

Read top to bottom: configuration, building blocks, memory, model, cached decoding.
Shapes: B pictures, W prefixes a picture, T tokens, M memory tokens, K neighbours, d model width, h heads.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, cast

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn

from graticule.earth.cells import TokenScheme
from graticule.earth.sphere import unit_vectors
from graticule.tokens.dropout import Dropout, dropout
from graticule.tokens.linear import Linear
from graticule.tokens.query import Neighbours, Query

__all__ = ["DecoderState", "GeoToken", "GeoTokenConfig"]


class GeoTokenConfig(BaseModel):
    """Everything that shapes a GeoToken model. Start from `paper` or `compact` and override by keyword.

    Attributes:
        design: Which of the two networks.
        levels: S2 level reached by each token.
        vectors: Name and width of each vector of a picture, in memory order.
        neighbour_vectors: Which of them the neighbours bring too; None for all.
        neighbours: The most neighbours a picture may bring.
        d_model: Width of the residual stream.
        heads: Attention heads.
        encoder_layers: Blocks over the memory.
        decoder_layers: Blocks over the prefix.
        feed_forward: Hidden width of the feed-forward layers.
        dropout: Dropout everywhere, in training.
        neighbour_dropout: Probability that a neighbour is hidden, in training (compact).
        all_neighbours_dropout: Probability that all of a picture's are hidden, in training (compact).
        prefix_place: Tell the decoder where the centre of the cell reached so far lies (compact).
        position_weights: Weight in the loss of the first and last token, linear in between.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    design: Literal["paper", "compact"] = "compact"
    levels: tuple[int, ...] = (0, 2, 4, 6, 8, 10)
    vectors: dict[str, int] = Field(default={"image": 768, "location": 768, "text": 768}, min_length=1)
    neighbour_vectors: tuple[str, ...] | None = None
    neighbours: int = Field(default=15, ge=0)
    d_model: int = Field(default=256, gt=0, multiple_of=2)
    heads: int = Field(default=4, gt=0)
    encoder_layers: int = Field(default=3, ge=0)
    decoder_layers: int = Field(default=4, gt=0)
    feed_forward: int = Field(default=1024, gt=0)
    dropout: float = Field(default=0.1, ge=0, lt=1)
    neighbour_dropout: float = Field(default=0.2, ge=0, lt=1)
    all_neighbours_dropout: float = Field(default=0.05, ge=0, le=1)
    prefix_place: bool = True
    position_weights: tuple[float, float] = (1.0, 1.0)

    @classmethod
    def compact(cls, **overrides: object) -> GeoTokenConfig:
        """The small design, for one machine: 7.5 M parameters."""
        return cls.model_validate(overrides)

    @classmethod
    def paper(cls, **overrides: object) -> GeoTokenConfig:
        """The published network: 54.8 M parameters, 11 tokens to S2 level 20 (GeoToken, sec. III)."""
        published = {
            "design": "paper",
            "levels": tuple(range(0, 21, 2)),
            "d_model": 512,
            "heads": 8,
            "encoder_layers": 10,
            "decoder_layers": 10,
            "feed_forward": 1024,
            "neighbour_dropout": 0.0,
            "all_neighbours_dropout": 0.0,
            "prefix_place": False,
            "position_weights": (2.0, 1.0),
        }
        return cls.model_validate({**published, **overrides})

    @property
    def neighbour_names(self) -> tuple[str, ...]:
        """The vectors a neighbour brings, in memory order."""
        return tuple(self.vectors) if self.neighbour_vectors is None else self.neighbour_vectors

    @model_validator(mode="after")
    def _consistent(self) -> GeoTokenConfig:
        if self.d_model % self.heads:
            raise ValueError(f"d_model {self.d_model} is not a multiple of heads {self.heads}.")
        unknown = set(self.neighbour_names) - set(self.vectors)
        if unknown:
            raise ValueError(
                f"neighbour_vectors {sorted(unknown)} are not among vectors {sorted(self.vectors)}."
            )
        compact_only = self.prefix_place or self.neighbour_dropout or self.all_neighbours_dropout
        if self.design == "paper" and compact_only:
            raise ValueError("prefix_place and neighbour dropout belong to the compact design.")
        return self


# --- Building blocks ---------------------------------------------------------------------------------------


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


MEMORY_PER_QUERY = 8  # with so many memory tokens to a position of a prefix, carrying positions is cheaper


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


# --- The memory: what the encoder reads --------------------------------------------------------------------


def projection(width: int, d_model: int) -> nn.Sequential:
    """A vector into the model: Linear, ReLU, Linear (GeoToken, sec. III)."""
    return nn.Sequential(Linear(width, d_model), nn.ReLU(), Linear(d_model, d_model))


class PaperMemory(nn.Module):
    """[CLS, the query's vectors, then each neighbour's vectors and cell tokens], on sinusoidal positions."""

    offsets: Tensor
    positions: Tensor

    def __init__(self, config: GeoTokenConfig, scheme: TokenScheme) -> None:
        super().__init__()
        self.query_names, self.neighbour_names = tuple(config.vectors), config.neighbour_names
        self.project = nn.ModuleDict({n: projection(w, config.d_model) for n, w in config.vectors.items()})
        self.token = nn.Embedding(sum(scheme.vocabulary), config.d_model)
        self.cls = nn.Parameter(torch.randn(1, config.d_model))
        self.dropout = Dropout(config.dropout)
        self.register_buffer("offsets", torch.tensor(scheme.offsets), persistent=False)
        length = 1 + len(self.query_names) + config.neighbours * (len(self.neighbour_names) + scheme.length)
        self.register_buffer("positions", sinusoidal_positions(length, config.d_model), persistent=False)

    def forward(self, query: Query) -> tuple[Tensor, Tensor | None]:
        """`(B, M, d)` and no mask."""
        parts = [self.cls.expand(query.batch_size, 1, -1)]
        parts += [self._vector(name, query.vectors[name]).unsqueeze(1) for name in self.query_names]
        near = query.neighbours
        if near is not None:
            vectors = [self._vector(name, near.vectors[name]).unsqueeze(2) for name in self.neighbour_names]
            # (B, K, vectors + T, d), laid out neighbour after neighbour.
            parts.append(torch.cat([*vectors, self.token(near.tokens + self.offsets)], dim=2).flatten(1, 2))
        x = torch.cat(parts, dim=1)
        return self.dropout(x + self.positions[: x.shape[1]]), None

    def _vector(self, name: str, vector: Tensor) -> Tensor:
        return F.normalize(self.project[name](vector), dim=-1)


SIMILARITY_OCTAVES = 6  # periods from 2 down to 1/16 of cosine similarity


class PlaceEmbedding(nn.Module):
    """A point of the Earth, sharp from continents down to the model's finest cell."""

    def __init__(self, config: GeoTokenConfig) -> None:
        super().__init__()
        # At octave k a cycle spans 2 pi / 2**k radians, four level-k cells: the last tell cells apart.
        self.octaves = config.levels[-1] + 2
        self.linear = Linear(2 * 3 * self.octaves, config.d_model)

    def forward(self, lat_lon: Tensor) -> Tensor:
        """`(..., 2)` float64 degrees to `(..., d)`."""
        return cast(Tensor, self.linear(multi_scale(unit_vectors(lat_lon), self.octaves)))


class CompactMemory(nn.Module):
    """One token a query vector, one token a neighbour."""

    offsets: Tensor

    def __init__(self, config: GeoTokenConfig, scheme: TokenScheme) -> None:
        super().__init__()
        d_model = config.d_model
        self.query_names, self.neighbour_names = tuple(config.vectors), config.neighbour_names
        self.drop_one, self.drop_all = config.neighbour_dropout, config.all_neighbours_dropout
        self.project = nn.ModuleDict({n: projection(w, d_model) for n, w in config.vectors.items()})
        self.kind = nn.Embedding(len(config.vectors), d_model)
        self.rank = nn.Embedding(max(config.neighbours, 1), d_model)
        self.similarity = Linear(2 * SIMILARITY_OCTAVES, d_model)
        self.token = nn.Embedding(sum(scheme.vocabulary), d_model)
        self.place = PlaceEmbedding(config)
        self.dropout = Dropout(config.dropout)
        self.register_buffer("offsets", torch.tensor(scheme.offsets), persistent=False)

    def forward(self, query: Query) -> tuple[Tensor, Tensor | None]:
        """`(B, M, d)` and, in training, the mask `(B, 1, 1, M)` of the memory that may be seen."""
        x = torch.stack([self._vector(name, query.vectors[name]) for name in self.query_names], dim=1)
        x = x + self.kind.weight
        mask = None
        if query.neighbours is not None:
            if self.training and (self.drop_one or self.drop_all):
                seen = self._seen(query.neighbours.similarities)
                mask = torch.cat([seen.new_ones(x.shape[:2]), seen], dim=1)[:, None, None]
            x = torch.cat([x, self._neighbours(query.neighbours)], dim=1)
        return self.dropout(x), mask

    def _vector(self, name: str, vector: Tensor) -> Tensor:
        # Unit vectors have entries of about D ** -0.5; the projection is initialised for entries of about 1.
        return cast(Tensor, self.project[name](F.normalize(vector, dim=-1) * math.sqrt(vector.shape[-1])))

    def _neighbours(self, near: Neighbours) -> Tensor:
        x: Tensor = self.rank.weight[: near.similarities.shape[1]] + self.place(near.lat_lon)
        x = x + self.similarity(multi_scale(math.pi * near.similarities.unsqueeze(-1), SIMILARITY_OCTAVES))
        x = x + self.token(near.tokens + self.offsets).sum(2)
        for name in self.neighbour_names:
            x = x + self._vector(name, near.vectors[name])
        return x

    def _seen(self, similarities: Tensor) -> Tensor:
        # Drawn from torch's own generator, as dropout is, so that one saved state resumes both.
        each = torch.rand_like(similarities, dtype=torch.float32) >= self.drop_one
        return each & (torch.rand(len(similarities), 1, device=similarities.device) >= self.drop_all)


# --- The model ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class DecoderState:
    """W prefixes of length t for each of B pictures, and what the decoder keeps about them.

    Attributes:
        tokens: `(B, W, t)` int64.
        hidden: `(B, W, d)`, the decoder's output after each prefix.
        cache: Each layer's keys and values along the prefixes, `(t + 1, B * W, 2d)`; the start counts as one.
        memory: Each layer's keys and values of the memory, `(B, h, M, d/h)`: computed once a picture.
    """

    tokens: Tensor
    hidden: Tensor
    cache: tuple[Tensor, ...]
    memory: tuple[tuple[Tensor, Tensor], ...]

    @property
    def length(self) -> int:
        """Tokens chosen so far."""
        return self.tokens.shape[-1]


class GeoToken(nn.Module):
    """The GeoToken Transformer: a trainable `CellModel`. Call `eval()` before decoding with it.

    Example:
        >>> model = GeoToken(GeoTokenConfig.compact(vectors={"image": 32}, neighbours=0, d_model=64))
        >>> state = model.eval().begin(Query({"image": torch.randn(2, 32)}))
        >>> model.next_log_probs(state).shape
        torch.Size([2, 1, 6])
    """

    offsets: Tensor
    positions: Tensor
    position_weights: Tensor

    def __init__(self, config: GeoTokenConfig) -> None:
        super().__init__()
        self.config = config
        self.scheme = TokenScheme(config.levels)
        compact, d_model = config.design == "compact", config.d_model
        embed_memory = CompactMemory if compact else PaperMemory
        self.embed_memory = embed_memory(config, self.scheme)
        self.encoder = nn.ModuleList(EncoderBlock(config) for _ in range(config.encoder_layers))
        self.memory_norm = nn.LayerNorm(d_model) if compact else nn.Identity()
        self.start = nn.Parameter(torch.randn(1, d_model))
        self.token = nn.Embedding(sum(self.scheme.vocabulary), d_model)
        # One position more than there are tokens: a reward model reads the complete sequence.
        positions = sinusoidal_positions(self.scheme.length + 1, d_model)
        if compact:
            self.positions = nn.Parameter(torch.empty_like(positions))
        else:
            self.register_buffer("positions", positions, persistent=False)
        self.prefix_place = PlaceEmbedding(config) if config.prefix_place else None
        self.dropout = Dropout(config.dropout)
        self.decoder = nn.ModuleList(DecoderBlock(config) for _ in range(config.decoder_layers))
        self.norm = nn.LayerNorm(d_model) if compact else nn.Identity()
        self.heads = nn.ModuleList(Linear(d_model, size) for size in self.scheme.vocabulary)
        self.register_buffer("offsets", torch.tensor(self.scheme.offsets), persistent=False)
        weights = torch.linspace(*config.position_weights, self.scheme.length)
        self.register_buffer("position_weights", weights / weights.sum(), persistent=False)
        self._initialise()

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        if self.config.design == "paper":
            return
        # A pre-norm stream sums what is put into it and every layer's answer. Start the parts alike and the
        # answers small, so that the sum is of order one; start the heads near the uniform guess.
        depth = self.config.encoder_layers + self.config.decoder_layers
        for name, weight in self.named_parameters():
            if name.endswith(("token.weight", "kind.weight", "rank.weight", "positions", "start")):
                nn.init.normal_(weight, std=0.5)
            elif name.endswith(("attention.out.weight", "feed_forward.3.weight")):
                weight.data /= math.sqrt(2 * depth)
            elif name.startswith("heads.") and weight.ndim == 2:
                weight.data *= 0.1

    def memory(self, query: Query) -> Tensor:
        """What the decoder looks at: the encoder's output, `(B, M, d)`."""
        return self._memory(query)[0]

    def _memory(self, query: Query) -> tuple[Tensor, Tensor | None]:
        x, mask = self.embed_memory(query)
        for block in self.encoder:
            x = block(x, mask)
        return cast(Tensor, self.memory_norm(x)), mask

    def hidden(self, query: Query, tokens: Tensor) -> Tensor:
        """The decoder's output after the empty prefix, after one token, ... after all t given.

        Args:
            query: B pictures.
            tokens: `(B, W, t)` int64 with t <= T: W sequences a picture, all reading one memory.

        Returns:
            `(B, W, t + 1, d)`.
        """
        memory, mask = self._memory(query)
        x = self._embed_prefixes(tokens)
        # Projecting the memory costs about M (2 d**2), carrying the positions to it n (2 d**2 + 2 h d M).
        few = MEMORY_PER_QUERY * x.shape[1] * x.shape[2] <= memory.shape[1]
        for block in self._blocks():
            x = block(x, memory if few else block.cross_attention.keys_values(memory), mask=mask)
        return cast(Tensor, self.norm(x))

    def forward(self, query: Query, tokens: Tensor) -> list[Tensor]:
        """Logits of every token given those before it (teacher forcing).

        Args:
            query: B pictures.
            tokens: `(B, T)` int64, or `(B, W, T)` for W sequences a picture.

        Returns:
            T tensors, the t-th `(B, V_t)` or `(B, W, V_t)`.
        """
        sequences = tokens if tokens.ndim == 3 else tokens.unsqueeze(1)
        states = self.hidden(query, sequences[..., :-1]).reshape(*tokens.shape, self.config.d_model)
        return [head(states[..., t, :]) for t, head in enumerate(self.heads)]

    def loss(self, query: Query, tokens: Tensor, *, targets: Sequence[Tensor] | None = None) -> Tensor:
        """Cross-entropy of each step, weighted by position (GeoToken, sec. III-B), in float32.

        Args:
            query: B pictures.
            tokens: `(B, T)` int64, the true cells: the prefixes read and, without `targets`, the answers.
            targets: T soft answers `(B, V_t)`, each summing to one; see `graticule.tokens.targets`.

        Returns:
            Scalar, nats a token.
        """
        answers = tokens.unbind(-1) if targets is None else targets
        steps = [F.cross_entropy(z.float(), y) for z, y in zip(self(query, tokens), answers, strict=True)]
        return (torch.stack(steps) * self.position_weights).sum()

    def log_probs(self, query: Query, tokens: Tensor) -> Tensor:
        """Log-probability of each token of given sequences; their sum is the sequence's.

        Args:
            query: B pictures.
            tokens: `(B, T)` or `(B, W, T)` int64.

        Returns:
            `(B, T)` or `(B, W, T)` float32.
        """
        chosen = [
            F.log_softmax(logits.float(), dim=-1).gather(-1, token.unsqueeze(-1)).squeeze(-1)
            for logits, token in zip(self(query, tokens), tokens.unbind(-1), strict=True)
        ]
        return torch.stack(chosen, dim=-1)

    def _embed_prefixes(self, tokens: Tensor) -> Tensor:
        """Decoder input: the start, then each token: `(B, W, t)` to `(B, W, t + 1, d)`."""
        start = self.start.expand(*tokens.shape[:-1], 1, -1)
        x = torch.cat([start, self.token(tokens + self.offsets[: tokens.shape[-1]])], dim=-2)
        if self.prefix_place is not None and tokens.shape[-1]:
            ends = range(1, tokens.shape[-1] + 1)
            centres = torch.stack([self._centres(tokens[..., :end]) for end in ends], dim=-2)
            x = x + F.pad(self.prefix_place(centres), (0, 0, 1, 0))
        return cast(Tensor, self.dropout(x + self.positions[: x.shape[-2]]))

    def _blocks(self) -> Iterable[DecoderBlock]:
        return cast(Iterable[DecoderBlock], self.decoder)

    def _centres(self, tokens: Tensor) -> Tensor:
        lat, lon = self.scheme.centres(tokens.cpu().numpy())
        return torch.stack([torch.from_numpy(lat), torch.from_numpy(lon)], dim=-1).to(tokens.device)

    # --- Cached decoding: the CellModel contract -----------------------------------------------------------

    @torch.no_grad()
    def begin(self, query: Query) -> DecoderState:
        """The state of the empty prefix; see `CellModel`."""
        memory, _ = self._memory(query)
        size, d_model = query.batch_size, self.config.d_model
        return self._step(
            tokens=torch.empty(size, 1, 0, dtype=torch.int64, device=memory.device),
            x=self.dropout(self.start + self.positions[0]).expand(size, 1, 1, -1),
            cache=tuple(memory.new_empty(1, size, 2 * d_model) for _ in self.decoder),
            memory=tuple(block.cross_attention.keys_values(memory) for block in self._blocks()),
        )

    @torch.no_grad()
    def next_log_probs(self, state: DecoderState) -> Tensor:
        """`(B, W, V_t)` float32; see `CellModel`."""
        self._check_open(state)
        return F.log_softmax(self.heads[state.length](state.hidden).float(), dim=-1)

    @torch.no_grad()
    def advance(self, state: DecoderState, parents: Tensor, tokens: Tensor) -> DecoderState:
        """Continue some prefixes by one token each; see `CellModel`."""
        self._check_open(state)
        step = state.length
        pictures = torch.arange(len(parents), device=parents.device).unsqueeze(1)
        prefixes = torch.cat([state.tokens[pictures, parents], tokens.unsqueeze(-1)], dim=-1)
        x = self.token(tokens + self.offsets[step])
        if self.prefix_place is not None:
            x = x + self.prefix_place(self._centres(prefixes))
        rows = (pictures * state.tokens.shape[1] + parents).flatten()
        cache = tuple(_continued(kept, rows) for kept in state.cache)
        x = self.dropout(x + self.positions[step + 1]).unsqueeze(2)
        return self._step(tokens=prefixes, x=x, cache=cache, memory=state.memory)

    def _step(
        self,
        *,
        tokens: Tensor,
        x: Tensor,
        cache: tuple[Tensor, ...],
        memory: tuple[tuple[Tensor, Tensor], ...],
    ) -> DecoderState:
        for block, kept, seen in zip(self._blocks(), cache, memory, strict=True):
            x = block(x, seen, cache=kept)
        return DecoderState(tokens=tokens, hidden=self.norm(x).squeeze(2), cache=cache, memory=memory)

    def _check_open(self, state: DecoderState) -> None:
        if state.length >= self.scheme.length:
            raise ValueError(f"the prefixes are complete: all {self.scheme.length} tokens are chosen.")


def _continued(cache: Tensor, rows: Tensor) -> Tensor:
    """The keys and values of the prefixes that go on, and room for one position more.

    Written once into place: at this size, time goes into touching memory. Positions come first, so that a
    layer's newest ones lie together.

    Args:
        cache: `(t, N, 2d)`.
        rows: `(N',)`, which of the N prefixes each continues.

    Returns:
        `(t + 1, N', 2d)`, the last position not yet written.
    """
    longer = cache.new_empty(len(cache) + 1, len(rows), cache.shape[-1])
    torch.index_select(cache, 1, rows, out=longer[:-1])
    return longer
