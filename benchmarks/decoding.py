"""Time cached decoding against decoding that recomputes everything at every step.

    python benchmarks/decoding.py [--pictures 4] [--repeats 3] [--output benchmarks/results/decoding.json]

Both run the paper's network (54.8 M parameters, 214 memory tokens, 11 tokens) with the same random weights
on the same pictures and must give the same candidates. The plain side is `torch.nn.Transformer`'s own layers:
each step runs the whole prefix and projects the keys and values of the memory again, as the published system
does. Beams are rows of its batch, so the memory is projected for each of them. Times include the encoder, which both
run once; its share is told apart. The compact design is timed beside them, cached. What is told is processor
time, on which other work on the machine has little influence; it has some all the same.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from graticule.decoding.beam import beam
from graticule.decoding.candidates import Candidates
from graticule.tokens.geotoken import GeoToken, GeoTokenConfig, sinusoidal_positions
from graticule.tokens.published import load_published
from graticule.tokens.query import Neighbours, Query

WIDTHS = (1, 5, 30)
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
    def beam(self, query: Query, width: int) -> tuple[Tensor, Tensor]:
        """Tokens `(B, W, T)` and log-probabilities `(B, W)`."""
        memory = self.memory(query)
        prefixes = torch.empty(query.batch_size, 1, 0, dtype=torch.int64)
        scores = torch.zeros(query.batch_size, 1)
        for size in self.vocabulary:
            repeated = memory.repeat_interleave(prefixes.shape[1], dim=0)
            log_probs = self.next_log_probs(repeated, prefixes.flatten(0, 1))
            extended = (scores.flatten()[:, None] + log_probs).view(query.batch_size, -1)
            scores, chosen = extended.topk(min(width, extended.shape[1]), dim=1)
            parents = (chosen // size).unsqueeze(-1).expand(-1, -1, prefixes.shape[2])
            prefixes = torch.cat([prefixes.gather(1, parents), (chosen % size).unsqueeze(-1)], dim=-1)
        return prefixes, scores


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--pictures", type=int, default=4, help="pictures a batch")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each; the median is told")
    parser.add_argument(
        "--layers", type=int, default=10, help="encoder and decoder layers; the paper's are 10"
    )
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "decoding.json")
    options = parser.parse_args()

    torch.set_num_threads(1)
    torch.manual_seed(0)
    plain, cached = paper_models(options.layers)
    compact = GeoToken(GeoTokenConfig.compact()).eval()
    query, compact_query = (pictures(model, options.pictures) for model in (cached, compact))

    encoder = median_seconds(no_grad(cached.memory, query), options.repeats)
    rows = []
    for width in WIDTHS:
        difference = check_same(plain.beam(query, width), beam(cached, query, width=width))
        seconds = {
            "plain": median_seconds(lambda w=width: plain.beam(query, w), options.repeats),
            "cached": median_seconds(lambda w=width: beam(cached, query, width=w), options.repeats),
            "compact": median_seconds(lambda w=width: beam(compact, compact_query, width=w), options.repeats),
        }
        rows.append(
            {
                "width": width,
                "median_processor_seconds": seconds,
                "times_faster": seconds["plain"] / seconds["cached"],
                "times_faster_without_encoder": (seconds["plain"] - encoder) / (seconds["cached"] - encoder),
                "largest_log_prob_difference": difference,
            }
        )
        show(rows[-1:], encoder, options.pictures)
    report = {
        "pictures": options.pictures,
        "layers": options.layers,
        "threads": 1,
        "repeats": options.repeats,
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "encoder_processor_seconds": encoder,
        "beams": rows,
    }
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(report, indent=2) + "\n")


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


def no_grad(function: Callable[[Query], object], query: Query) -> Callable[[], object]:
    """A run without gradients."""
    return lambda: torch.no_grad()(function)(query)


def median_seconds(run: Callable[[], object], repeats: int) -> float:
    """Processor time of a run, after one to warm up."""
    run()
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        run()
        seconds.append(time.process_time() - start)
    return statistics.median(seconds)


def show(rows: list[dict[str, object]], encoder: float, count: int) -> None:
    """Print what was measured, in milliseconds a picture."""
    table = Table(
        title=f"{count} pictures, milliseconds a picture; encoder {1000 * encoder / count:.0f} of them"
    )
    for column in ("beam", "plain", "cached", "times faster", "without encoder", "compact, cached"):
        table.add_column(column, justify="right")
    for row in rows:
        seconds = row["median_processor_seconds"]
        assert isinstance(seconds, dict)
        per_picture = {name: f"{1000 * value / count:.1f}" for name, value in seconds.items()}
        faster = (f"{row['times_faster']:.1f}", f"{row['times_faster_without_encoder']:.1f}")
        width = "greedy" if row["width"] == 1 else str(row["width"])
        table.add_row(width, per_picture["plain"], per_picture["cached"], *faster, per_picture["compact"])
    Console().print(table)


if __name__ == "__main__":
    main()
