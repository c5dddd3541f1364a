"""What a training step of GeoToken costs, and what its two designs learn in equal time.

    python benchmarks/training.py --output benchmarks/results/training.json
    python benchmarks/training.py --part designs --minutes 8      # the second half alone

**Step.** The paper's network (54.8 M parameters, 15 neighbours, 214 memory tokens), forward and backward, from the
rows of a gallery to gradients, against a plain re-implementation of the same: torch's own Transformer layers, with
neighbours put together in Python loops as published code does: picture by picture and neighbour by neighbour, each
vector projected alone, appended to lists and stacked. Losses and gradients must be equal: in float64, with logits
rounded to float32 as both do, and without dropout, whose draws differ. In float32 a unit so near to zero that rounding
decides whether it fires moves gradients by a ten-thousandth or more, in either step alike; that figure is told, and not
judged. Timed is the step as it trains, with dropout: under bfloat16 autocast, which is the paper's own precision, and
in float32. `share_of_limit` is the time that the step's matrix products would take at the
rate of one large product, over the time it takes. Optimiser and logging are the same for both and not counted.

**Designs.** `compact` and `paper` on the same features of Orbit, each for the same time: pictures a second, and greedy
answers to validation views. Learning rates are constant after a rise, since nobody knows how many steps will fit. The
run can be stopped and run again: time that was trained counts.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from rich.console import Console
from rich.table import Table
from safetensors import safe_open
from torch import Tensor, nn

from decoding import NAMES, NEIGHBOURS, Plain, flops
from graticule.data.orbit.mosaic import Mosaic, training_mosaic_path
from graticule.model import Model
from graticule.retrieval.gallery import Gallery
from graticule.tokens.assembly import neighbours_of
from graticule.tokens.geotoken import GeoToken, GeoTokenConfig
from graticule.tokens.published import load_published
from graticule.tokens.query import Query
from graticule.training.examples import Examples
from graticule.training.features import extract_views, load_shards
from graticule.training.geotoken import GeoTokenTask, GeoTokenTaskConfig
from graticule.training.loop import TrainingConfig, train
from graticule.training.schedule import Schedule

WIDTH, GALLERY_ROWS, SEED = 768, 4096, 0
_EQUAL = 1e-6
"""Both steps round their logits to float32: 6e-8 of each."""
PRECISIONS = {"bfloat16": torch.bfloat16, "float32": torch.float32}
ORBIT: dict[str, dict[str, Any]] = {
    "ordinary": {"split": "train", "start": 10_000_000, "count": 131_072},
    "validation": {"split": "validation", "start": 0, "count": 8192},
}
"""The views that the shipped model's GeoToken learned from, as its recipe makes them."""
DESIGNS: dict[str, dict[str, Any]] = {
    "compact": {"network": GeoTokenConfig.compact, "batch": 256, "learning_rate": 1e-3},
    # Post-norm, 20 layers deep: ten times the rate does not train.
    "paper": {"network": GeoTokenConfig.paper, "batch": 64, "learning_rate": 1e-4},
}


class Looped(Plain):
    """The plain network in training, its neighbours put together one by one."""

    def __init__(self, config: GeoTokenConfig, gallery: Gallery, tokens: Tensor, dropout: float) -> None:
        super().__init__(config, (6, *[16] * 10))
        self.gallery, self.tokens = gallery, tokens
        self.dropout = nn.Dropout(dropout)
        for module in self.modules():
            if isinstance(module, nn.Dropout):
                module.p = dropout
            if isinstance(module, nn.MultiheadAttention):
                module.dropout = dropout
        weights = torch.linspace(*config.position_weights, len(self.vocabulary))
        self.position_weights = weights / weights.sum()

    def loss(self, vectors: dict[str, Tensor], rows: Tensor, tokens: Tensor) -> Tensor:
        """Teacher forcing from gallery rows (B, K), as the release weighs it."""
        pictures = [
            self._picture({name: vector[number] for name, vector in vectors.items()}, rows[number])
            for number in range(len(rows))
        ]
        x = torch.stack(pictures)
        memory = self.encoder(self.dropout(x + self.positions[: x.shape[1]]))
        start = self.start_token_embedding.expand(len(tokens), 1, -1)
        x = torch.cat([start, self.embedding(tokens[:, :-1] + self.offsets[:-1])], dim=1)
        causal = nn.Transformer.generate_square_subsequent_mask(x.shape[1])
        x = self.dropout(x + self.positions[: x.shape[1]])
        x = self.decoder(x, memory, tgt_mask=causal, tgt_is_causal=True)
        steps = [
            F.cross_entropy(head(x[:, t]).float(), tokens[:, t]) for t, head in enumerate(self.output_layers)
        ]
        return (torch.stack(steps) * self.position_weights).sum()

    def _picture(self, vectors: dict[str, Tensor], rows: Tensor) -> Tensor:
        project = dict(zip(NAMES, (self.image_proj, self.loc_proj, self.text_proj), strict=True))
        parts = [self.cls_token[0]]
        parts += [F.normalize(project[name](vectors[name]), dim=-1) for name in NAMES]
        for row in rows.tolist():
            held = (self.gallery.vectors[row].float() * math.sqrt(len(NAMES))).to(self.positions.dtype)
            for name, vector in zip(NAMES, held.split(WIDTH), strict=True):
                parts.append(F.normalize(project[name](vector), dim=-1))
            parts += self.retrieval_embedding(self.tokens[row] + self.offsets).unbind(0)
        return torch.stack(parts)


class Step:
    """The same weights, pictures and neighbours twice."""

    def __init__(self, batch: int, layers: int, dropout: float) -> None:
        torch.manual_seed(SEED)
        config = GeoTokenConfig.paper(dropout=dropout, encoder_layers=layers, decoder_layers=layers)
        self.ours = GeoToken(config)
        self.gallery, tokens = self._gallery()
        self.slow = Looped(config, self.gallery, tokens, dropout)
        self.ours.load_state_dict(load_published(self.slow.state_dict(), heads=config.heads).state_dict())
        self.rows = torch.randint(GALLERY_ROWS, (batch, NEIGHBOURS))
        self.vectors = {name: F.normalize(torch.randn(batch, WIDTH), dim=-1) for name in NAMES}
        self.tokens = tokens[torch.randint(GALLERY_ROWS, (batch,))]
        self.precision = torch.float32

    def _gallery(self) -> tuple[Gallery, Tensor]:
        z, turn = torch.rand(2, GALLERY_ROWS, dtype=torch.float64)
        lat_lon = torch.stack([torch.rad2deg(torch.asin(2 * z - 1)), 360 * turn - 180], dim=1)
        parts = [F.normalize(torch.randn(GALLERY_ROWS, WIDTH), dim=-1) for _ in NAMES]
        gallery = Gallery(lat_lon, (torch.cat(parts, dim=1) / math.sqrt(len(parts))).half())
        return gallery, torch.from_numpy(self.ours.scheme.encode(*lat_lon.T.numpy()))

    def plain(self) -> Tensor:
        """Forward and backward with loops."""
        self.slow.zero_grad(set_to_none=True)
        with self._autocast():
            loss = self.slow.loss(self.vectors, self.rows, self.tokens)
        loss.backward()
        return loss.detach()

    def graticule(self) -> Tensor:
        """The same by the package."""
        self.ours.zero_grad(set_to_none=True)
        near = neighbours_of(
            self.gallery,
            self.ours.scheme,
            widths=dict.fromkeys(NAMES, WIDTH),
            rows=self.rows,
            similarities=torch.zeros(self.rows.shape),
        )
        dtype = self.vectors["image"].dtype
        near = replace(near, vectors={name: vector.to(dtype) for name, vector in near.vectors.items()})
        with self._autocast():
            loss = self.ours.loss(Query(self.vectors, near), self.tokens)
        loss.backward()
        return loss.detach()

    def _autocast(self) -> torch.autocast:
        return torch.autocast("cpu", torch.bfloat16, enabled=self.precision == torch.bfloat16)

    def double(self) -> None:
        """From here on all is computed in float64, but for the softmax at the end."""
        self.slow.double()
        self.ours.double()
        self.vectors = {name: vector.double() for name, vector in self.vectors.items()}

    def differences(self) -> dict[str, float]:
        """Of the losses, and of the gradients as a share of their length."""
        losses = [float(self.plain()), float(self.graticule())]
        gradients = {name: weight.grad for name, weight in self.slow.named_parameters()}
        expected = dict(load_published(gradients, heads=self.ours.config.heads).named_parameters())
        square = [
            torch.stack([(weight.grad - expected[name].detach()).square().sum(), weight.grad.square().sum()])
            for name, weight in self.ours.named_parameters()
        ]
        apart, length = torch.stack(square).sum(0).sqrt().tolist()
        return {"loss": abs(losses[0] - losses[1]), "gradient": apart / length}


def equality(batch: int, layers: int) -> dict[str, dict[str, float]]:
    """How far the two steps are apart in float64, which settles whether they are one, and in float32.

    Raises:
        SystemExit: they are not equal.
    """
    step = Step(batch, layers, dropout=0.0)
    found = {"differences_in_float32": step.differences()}
    step.double()
    found["differences"] = step.differences()
    if max(found["differences"].values()) > _EQUAL:
        raise SystemExit(f"the two steps disagree: {found}")
    return found


def main() -> None:
    """Measure, print, and write the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--part", choices=["step", "designs", "all"], default="all")
    parser.add_argument("--batch", type=int, default=32, help="pictures of the step that is timed")
    parser.add_argument(
        "--layers", type=int, default=10, help="encoder and decoder layers; the paper's are 10"
    )
    parser.add_argument("--repeats", type=int, default=3, help="steps of each; the median is told")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=8.0, help="of training, for each design")
    parser.add_argument("--judged", type=int, default=2048, help="validation views for each design")
    parser.add_argument(
        "--run", type=Path, default=Path("runs/designs"), help="keeps what a stopped run needs"
    )
    parser.add_argument("--features", type=Path, default=Path("runs/orbit"), help="features of Orbit")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "training.json")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    report = json.loads(options.output.read_text()) if options.output.exists() else {}
    report |= {
        "machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores",
        "torch": torch.__version__,
        "threads": options.threads,
    }
    if options.part in ("step", "all"):
        report["step"] = step_figures(options)
    if options.part in ("designs", "all"):
        report["designs"] = {"minutes": options.minutes, **design_figures(options)}
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(report, indent=2) + "\n")
    show(report, Console())


def step_figures(options: argparse.Namespace) -> dict[str, Any]:
    """Equality, then seconds, FLOPs and shares of what the machine could do."""
    found: dict[str, Any] = {
        "batch": options.batch,
        "layers": options.layers,
        "repeats": options.repeats,
        **equality(options.batch, options.layers),
    }
    step = Step(options.batch, options.layers, dropout=0.1)
    found["parameters"] = sum(weight.numel() for weight in step.ours.parameters())
    step.precision = (
        torch.bfloat16
    )  # in float32 some of ours are made by calls that the counter does not know
    found["flops"] = {"plain": flops(step.plain), "graticule": flops(step.graticule)}
    for name, precision in PRECISIONS.items():
        step.precision = precision
        # Alternately: what else the machine does meets both alike.
        seconds = medians([step.plain, step.graticule], options.repeats)
        rate = product_rate(precision)
        took = dict(zip(("plain", "graticule"), seconds, strict=True))
        found[name] = {
            "median_seconds": took,
            "pictures_per_second": options.batch / took["graticule"],
            "times_faster": took["plain"] / took["graticule"],
            "matrix_product_gflops": rate / 1e9,
            "share_of_limit": {part: found["flops"][part] / rate / took[part] for part in took},
        }
    return found


def medians(runs: list[Callable[[], object]], repeats: int) -> list[float]:
    """Median wall time of each, after one to warm up."""
    taken: list[list[float]] = [[] for _ in runs]
    for number in range(repeats + 1):
        for run, times in zip(runs, taken, strict=True):
            start = time.perf_counter()
            run()
            if number:
                times.append(time.perf_counter() - start)
    return [statistics.median(times) for times in taken]


def product_rate(precision: torch.dtype) -> float:
    """FLOPs a second of one large matrix product, by the faster of torch's own choice and oneDNN."""
    a, b = (torch.randn(2048, 2048).to(precision) for _ in range(2))
    one_dnn = torch.ops.mkldnn._linear_pointwise
    ways: list[Callable[[], object]] = [lambda: a @ b, lambda: one_dnn(a, b, None, "none", [], "")]
    return 2 * 2048**3 / min(medians(ways, 10))


def design_figures(options: argparse.Namespace) -> dict[str, Any]:
    """Train both for the same time, or find that it was done, and judge them."""
    model, console = Model.open("orbit"), Console()
    mosaic = Mosaic.open(training_mosaic_path())
    sets = []
    for name, views in ORBIT.items():
        folder = options.features / name
        extract_views(model.encoder, mosaic, folder, seasons=0.0, report=console.print, **views)
        features, lat_lon = load_shards(folder)
        count = options.judged if name == "validation" else len(features)
        looked_up = Examples.looked_up(
            features[:count],
            lat_lon[:count],
            alignment=model.alignment,
            gallery=model.gallery,
            neighbours=NEIGHBOURS,
        )
        sets.append(looked_up)
    return {name: design(name, settings, sets, options) for name, settings in DESIGNS.items()}


def design(
    name: str, settings: dict[str, Any], sets: list[Examples], options: argparse.Namespace
) -> dict[str, Any]:
    """One design's training, and how it answers."""
    widths = sets[0].query_widths()
    network = settings["network"](vectors=widths, neighbour_vectors=("location",), neighbours=NEIGHBOURS)
    config = GeoTokenTaskConfig(geotoken=network, batch=settings["batch"], validation_rows=options.judged)
    task = GeoTokenTask(config, *sets)
    how = TrainingConfig(
        steps=10**9,
        learning_rate=settings["learning_rate"],
        schedule=Schedule(kind="linear", warmup=50, floor=1.0),
        validate_every=10**9,
    )
    folder = options.run / name
    result = train(task, how, folder, stop_after_s=60 * options.minutes - trained_s(folder))
    task.model.eval()
    with torch.no_grad():
        figures = task.validate()
    return {
        "parameters": sum(weight.numel() for weight in task.model.parameters()),
        "batch": config.batch,
        "learning_rate": how.learning_rate,
        "steps": result.step,
        "seconds": result.seconds,
        "pictures_per_second": result.step * config.batch / result.seconds,
        "validation_views": options.judged,
        "validation": figures,
    }


def trained_s(folder: Path) -> float:
    """How long a run has been trained already."""
    path = folder / "checkpoint.safetensors"
    if not path.exists():
        return 0.0
    with safe_open(path, framework="pt") as file:
        return float(json.loads(file.metadata()["progress"])["seconds"])


def show(report: dict[str, Any], console: Console) -> None:
    """Print the figures that matter."""
    if "step" in report:
        table = Table("precision", "plain, s", "Graticule, s", "times faster", "pictures/s", "of the limit")
        for name in PRECISIONS:
            row = report["step"][name]
            took, limit = row["median_seconds"], row["share_of_limit"]
            table.add_row(
                name,
                *(f"{took[part]:.2f}" for part in took),
                f"{row['times_faster']:.2f}",
                f"{row['pictures_per_second']:.1f}",
                f"{limit['graticule']:.0%}",
            )
        console.print(table, report["step"]["differences"], report["step"]["flops"])
    if "designs" in report:
        table = Table("design", "parameters", "pictures/s", "GeoScore", "median km", "< 25 km", "< 200 km")
        for name in DESIGNS:
            row = report["designs"][name]
            judged = row["validation"]
            table.add_row(
                name,
                f"{row['parameters'] / 1e6:.1f} M",
                f"{row['pictures_per_second']:.1f}",
                f"{judged['score']:.0f}",
                f"{judged['median_km']:.1f}",
                f"{judged['within_25']:.1%}",
                f"{judged['within_200']:.1%}",
            )
        console.print(table)


if __name__ == "__main__":
    main()
