"""Time GeoToken's decoding against decoding that recomputes everything at every step.

    python benchmarks/decoding.py [--pictures 8] [--samples 30] [--repeats 3] [--threads 2]

Both run the paper's network (54.8 M parameters, 214 memory tokens, 11 tokens) with the same random weights
on the same pictures and must give the same candidates. The plain side is `torch.nn.Transformer`'s own layers:
each step runs the whole prefix and projects the keys and values of the memory again, as the published system
does. Its beams are rows of its batch, so the memory is projected for each of them; its samples are drawn one after
another, each in a pass of its own over the batch. Both sides draw by the same random numbers.

What is told is wall time. The encoder, which both run once, is timed apart: `times_faster` counts it on both
sides, `times_faster_without_encoder` on neither. `share_of_limit` is the time that the arithmetic of a pass would take
at the rate of one large matrix product, over the time that decoding takes. bfloat16 is the same call under
`torch.autocast`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from graticule.decoding.beam import beam
from graticule.decoding.candidates import Candidates
from graticule.decoding.sample import sample, uniforms
from graticule.tokens.blocks import sinusoidal_positions
from graticule.tokens.geotoken import GeoToken, GeoTokenConfig
from graticule.tokens.published import load_published
from graticule.tokens.query import Neighbours, Query

WIDTHS = (1, 5, 30)
SEED = 0
NAMES = ("image", "location", "text")
NEIGHBOURS = 15


class Plain(nn.Module):
    """The paper's network from torch's own layers, without any cache."""

    def __init__(self, config: GeoTokenConfig, vocabulary: tuple[int, ...]) -> None:
        super().__init__()
        d_model = config.d_model
        shape = {"nhead": config.heads, "dim_feedforward": config.feed_forward, "batch_first": True}
        for name in ("image_proj", "loc_proj", "text_proj"):
            self.add_module(
                name, nn.Sequential(nn.Linear(768, d_model), nn.ReLU(), nn.Linear(d_model, d_model))
            )
        self.encoder = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(d_model, **shape), config.encoder_layers, enable_nested_tensor=False
        )
        self.decoder = nn.TransformerDecoder(
            nn.TransformerDecoderLayer(d_model, **shape), config.decoder_layers
        )
        self.embedding = nn.Embedding(sum(vocabulary), d_model)
        self.retrieval_embedding = nn.Embedding(sum(vocabulary), d_model)
        self.start_token_embedding = nn.Parameter(torch.randn(1, d_model))
        self.cls_token = nn.Parameter(torch.randn(1, d_model))
        self.output_layers = nn.ModuleList(nn.Linear(d_model, size) for size in vocabulary)
        self.vocabulary = vocabulary
        self.register_buffer("offsets", torch.tensor([0, *vocabulary[:-1]]).cumsum(0), persistent=False)
        self.register_buffer("positions", sinusoidal_positions(256, d_model), persistent=False)

    def memory(self, query: Query) -> Tensor:
        """`(B, 214, d)`."""
        near = query.neighbours
        assert near is not None
        parts = [self.cls_token.expand(query.batch_size, 1, -1)]
        projections = dict(zip(NAMES, (self.image_proj, self.loc_proj, self.text_proj), strict=True))
        unit = nn.functional.normalize
        parts += [unit(projections[name](query.vectors[name]), dim=-1)[:, None] for name in NAMES]
        for k in range(near.similarities.shape[1]):
            parts += [unit(projections[name](near.vectors[name][:, k]), dim=-1)[:, None] for name in NAMES]
            parts.append(self.retrieval_embedding(near.tokens[:, k] + self.offsets))
        x = torch.cat(parts, dim=1)
        return self.encoder(x + self.positions[: x.shape[1]])

    def next_log_probs(self, memory: Tensor, prefixes: Tensor) -> Tensor:
        """`(N, 214, d)` and `(N, t)` to `(N, V_t)`, from nothing but these."""
        length = prefixes.shape[1]
        start = self.start_token_embedding.expand(len(prefixes), 1, -1)
        x = torch.cat([start, self.embedding(prefixes + self.offsets[:length])], dim=1)
        causal = nn.Transformer.generate_square_subsequent_mask(length + 1)
        x = self.decoder(x + self.positions[: length + 1], memory, tgt_mask=causal, tgt_is_causal=True)
        return self.output_layers[length](x[:, -1]).log_softmax(-1)

    @torch.no_grad()
    def beam(self, memory: Tensor, width: int) -> tuple[Tensor, Tensor]:
        """Tokens `(B, W, T)` and log-probabilities `(B, W)`."""
        prefixes = torch.empty(len(memory), 1, 0, dtype=torch.int64)
        scores = torch.zeros(len(memory), 1)
        for size in self.vocabulary:
            repeated = memory.repeat_interleave(prefixes.shape[1], dim=0)
            log_probs = self.next_log_probs(repeated, prefixes.flatten(0, 1))
            extended = (scores.flatten()[:, None] + log_probs).view(len(memory), -1)
            scores, chosen = extended.topk(min(width, extended.shape[1]), dim=1)
            parents = (chosen // size).unsqueeze(-1).expand(-1, -1, prefixes.shape[2])
            prefixes = torch.cat([prefixes.gather(1, parents), (chosen % size).unsqueeze(-1)], dim=-1)
        return prefixes, scores

    @torch.no_grad()
    def sample(self, memory: Tensor, draws: Tensor) -> Tensor:
        """Tokens `(B, S, T)`, each sample drawn alone by its numbers `(B, S, T)` in (0, 1)."""
        samples = []
        for numbers in draws.unbind(1):
            prefixes = torch.empty(len(memory), 0, dtype=torch.int64)
            for number in numbers.unbind(1):
                below = self.next_log_probs(memory, prefixes).double().exp().cumsum(-1)
                token = torch.searchsorted(below, number.unsqueeze(1) * below[:, -1:], right=True)
                prefixes = torch.cat([prefixes, token], dim=1)
            samples.append(prefixes)
        return torch.stack(samples, dim=1)


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--pictures", type=int, default=8, help="pictures a batch")
    parser.add_argument("--samples", type=int, default=30, help="samples a picture")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each; the median is told")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--layers", type=int, default=10, help="encoder and decoder layers; the paper's are 10"
    )
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "decoding.json")
    options = parser.parse_args()

    torch.set_num_threads(options.threads)
    torch.manual_seed(SEED)
    plain, ours = paper_models(options.layers)
    query = pictures(ours, options.pictures)
    with torch.no_grad():
        memory = plain.memory(query)
    draws = uniforms(torch.arange(options.pictures), SEED, count=options.samples, length=ours.scheme.length)
    clock = Clock(ours, query, options.repeats)

    beams, samples = [], []
    for width in WIDTHS:
        difference = check_same(plain.beam(memory, width), beam(ours, query, width=width))
        run = {"width": width, "largest_log_prob_difference": difference}
        beams.append(
            run
            | clock.compare(lambda w=width: plain.beam(memory, w), lambda w=width: beam(ours, query, width=w))
        )
        show("greedy" if width == 1 else f"beam {width}", beams[-1])

    def draw() -> Candidates:
        return sample(ours, query, count=options.samples, seed=SEED)

    share = check_same_samples(plain.sample(memory, draws), draw())
    run = {"samples": options.samples, "share_of_same_samples": share}
    samples.append(run | clock.compare(lambda: plain.sample(memory, draws), draw))
    show(f"{options.samples} samples", samples[-1])

    report = {
        "pictures": options.pictures,
        "layers": options.layers,
        "threads": options.threads,
        "repeats": options.repeats,
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "matrix_product_gflops": clock.gflops,
        "encoder_seconds": clock.encoder,
        "beams": beams,
        "samples": samples,
    }
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(report, indent=2) + "\n")


class Clock:
    """Times decoders on the same pictures."""

    def __init__(self, model: GeoToken, query: Query, repeats: int) -> None:
        self.count, self.repeats = query.batch_size, repeats
        encode = torch.no_grad()(lambda: model.memory(query))
        self.encoder = median_seconds(encode, repeats)
        self.encoder_flops = flops(encode)
        a, b = torch.randn(2048, 1024), torch.randn(1024, 1024)
        self.gflops = 2 * 2048 * 1024 * 1024 / 1e9 / median_seconds(lambda: a @ b, 20)

    def compare(self, plain: Callable[[], object], ours: Callable[[], Candidates]) -> dict[str, object]:
        """The plain side without the encoder against ours with it, in float32 and under autocast."""
        slow, fast = median_seconds(plain, self.repeats, warm=False), median_seconds(ours, self.repeats)
        decoding = fast - self.encoder
        limit = (flops(ours) - self.encoder_flops) / 1e9 / self.gflops
        short = torch.autocast("cpu", torch.bfloat16)(ours)
        exact, rounded = ours(), short()
        return {
            "median_seconds": {
                "plain": slow + self.encoder,
                "cached": fast,
                "cached_bfloat16": median_seconds(short, self.repeats),
            },
            "pictures_per_second": self.count / fast,
            "times_faster": (slow + self.encoder) / fast,
            "times_faster_without_encoder": slow / decoding,
            "share_of_limit": limit / decoding,
            "bfloat16_first_changes": (exact.tokens[:, 0] != rounded.tokens[:, 0])
            .any(-1)
            .float()
            .mean()
            .item(),
        }


def paper_models(layers: int) -> tuple[Plain, GeoToken]:
    """The same weights twice."""
    config = GeoTokenConfig.paper(encoder_layers=layers, decoder_layers=layers)
    plain = Plain(config, (6, *[16] * 10)).eval()
    return plain, load_published(plain.state_dict(), heads=config.heads).eval()


def pictures(model: GeoToken, count: int) -> Query:
    """Random pictures with neighbours anywhere."""
    tokens = torch.stack(
        [torch.randint(size, (count, NEIGHBOURS)) for size in model.scheme.vocabulary], dim=-1
    )
    lat, lon = model.scheme.centres(tokens.numpy())
    return Query(
        {name: torch.randn(count, 768) for name in NAMES},
        Neighbours(
            vectors={name: torch.randn(count, NEIGHBOURS, 768) for name in NAMES},
            similarities=torch.rand(count, NEIGHBOURS),
            lat_lon=torch.stack([torch.from_numpy(lat), torch.from_numpy(lon)], dim=-1),
            tokens=tokens,
        ),
    )


def check_same(plain: tuple[Tensor, Tensor], ours: Candidates) -> float:
    """The largest difference of log-probabilities, or the run fails.

    Raises:
        SystemExit: A candidate differs where the ranking leaves no doubt, or a probability does.
    """
    tokens, scores = plain
    difference = (scores - ours.log_probs).abs().max().item()
    # Two candidates nearer to each other than rounding may change places, or the last fall out.
    other = (tokens != ours.tokens).any(-1)
    gaps = scores.diff(dim=1).abs() < 1e-5
    close = nn.functional.pad(gaps, (1, 0)) | nn.functional.pad(gaps, (0, 1), value=True)
    if difference > 1e-4 or (other & ~close).any() or other[:, 0].any():
        raise SystemExit(f"the two decoders disagree: log-probabilities by {difference:.2g}")
    return difference


def check_same_samples(plain: Tensor, ours: Candidates) -> float:
    """The share of samples that both sides drew, or the run fails.

    A draw on the very border of two tokens may fall either way by rounding, one in about a million.

    Raises:
        SystemExit: More than one in a hundred differ.
    """
    assert ours.counts is not None
    same = 0
    for row, tokens, counts in zip(plain.tolist(), ours.tokens.tolist(), ours.counts.tolist(), strict=True):
        drawn = Counter(map(tuple, row))
        same += (drawn & Counter({tuple(t): n for t, n in zip(tokens, counts, strict=True) if n})).total()
    share = same / (plain.shape[0] * plain.shape[1])
    if share < 0.99:
        raise SystemExit(f"the two samplers disagree: {share:.1%} of the samples are the same")
    return share


def flops(run: Callable[[], object]) -> int:
    """Floating-point operations of the matrix products of a run."""
    with FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops()


def median_seconds(run: Callable[[], object], repeats: int, *, warm: bool = True) -> float:
    """Wall time of a run, after one to warm up if `warm`."""
    if warm:
        run()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def show(name: str, row: dict[str, object]) -> None:
    """Print what was measured."""
    table = Table("", "", title=name)
    for key, value in row.items():
        parts = value.items() if isinstance(value, dict) else [(None, value)]
        for part, number in parts:
            table.add_row(f"{key}, {part}" if part else key, f"{number:.3g}")
    Console().print(table)


if __name__ == "__main__":
    main()
