"""GeoToken: a Transformer that writes a place as a sequence of cell tokens, coarse to fine.

An encoder reads the picture's vectors and its retrieved neighbours into a memory; a causal decoder reads the
memory and the prefix so far, and says where next. Two designs share most of the code:

- `paper`: the network of "GeoToken: Hierarchical Geolocalization of Images via Next Token Prediction"
  (arXiv 2511.01082), number for number.
- `compact`: what one would build today. Pre-norm; one memory token a neighbour, which says what it looks
  like, how similar it is and where it lies; the decoder is told where the cell it has reached lies.

Its settings are in `geotoken_config`, its building blocks in `blocks`, what it reads in `memory`. Here are the model
and cached decoding.
Shapes: B pictures, W prefixes a picture, T tokens, M memory tokens, K neighbours, d model width, h heads.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graticule.earth.cells import TokenScheme
from graticule.tokens.blocks import DecoderBlock, EncoderBlock, sinusoidal_positions
from graticule.tokens.dropout import Dropout
from graticule.tokens.geotoken_config import GeoTokenConfig
from graticule.tokens.linear import Linear
from graticule.tokens.memory import CompactMemory, PaperMemory, PlaceEmbedding
from graticule.tokens.query import Query

__all__ = ["DecoderState", "GeoToken", "GeoTokenConfig"]

MEMORY_PER_QUERY: Final = 8
"""With so many memory tokens to a position of a prefix, carrying positions is cheaper."""


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
