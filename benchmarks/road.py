"""How long the whole road takes beside its encoder alone, and where the time goes.

    python benchmarks/road.py [--part large|orbit|both] [--threads 2] [--repeats 2]

`large`: `Geolocator.locate` over JPEG photos made here, by a model of the published sizes with random weights: CLIP's
ViT-L/14 as encoder, alignment in three spaces, 100,000 places, GeoToken in the paper's preset with 15 neighbours
(54.8 M parameters; 184 memory tokens, as the neighbours of a model bring their location vector alone). The limit is the
encoder on the same pictures, ready in memory, in batches of the same size, run in turn with the road. The plain encoder
is float32 as torch computes it; the other is the one that the road runs, by `graticule.precision`.

`orbit`: the shipped model over views of the embedded mosaic, in the library as users call it.

The profile is of one more run, with a clock around each stage; it tells the time of a stage less that of the stages
inside it. Pictures are decoded in threads while others are answered: what they cost is told apart, in processor time.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from PIL import Image
from rich.console import Console
from rich.table import Table
from torch.nn import functional

import graticule.images.batches
import graticule.locator
from graticule.alignment.spaces import SpacesAlignment, SpacesAlignmentConfig
from graticule.data.orbit.folder import render_folder
from graticule.data.orbit.mosaic import training_mosaic_path
from graticule.decoding.calibration import Calibration
from graticule.earth.density import Density
from graticule.encoders.clip import ClipEncoder, ClipEncoderConfig
from graticule.encoders.contract import ImageEncoder
from graticule.images.batches import read_batches, walk
from graticule.locator import Geolocator
from graticule.model import Model, ModelConfig
from graticule.precision import PRECISIONS, in_precision
from graticule.prediction import Refusal
from graticule.retrieval.gallery import Gallery
from graticule.tokens.geotoken import GeoToken, GeoTokenConfig

WIDTH = 768
TINY = {
    "encoder": {"patch": 56, "hidden": 64, "feed_forward": 128, "layers": 2, "heads": 2},
    "geotoken": {"encoder_layers": 1, "decoder_layers": 1},
}
BARS = {"large": 1.1, "orbit": 200.0}
"""At most so many times the encoder's own time; at least so many pictures a second."""


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--part", choices=("large", "orbit", "both"), default="both")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=2, help="runs of each; the median is told")
    parser.add_argument(
        "--photos", type=int, default=32, help="photos located in batches; half of them one by one"
    )
    parser.add_argument("--photo-size", type=int, nargs=2, default=(2048, 1536), metavar=("W", "H"))
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--places", type=int, default=100_000)
    parser.add_argument("--tiny", action="store_true", help="a small encoder and GeoToken, to try the script")
    parser.add_argument("--views", type=int, default=1000)
    parser.add_argument("--precision", choices=PRECISIONS, default="float32")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "road.json")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    report: dict[str, Any] = {
        "threads": options.threads,
        "repeats": options.repeats,
        "precision": options.precision,
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in ("torch", "transformers", "pillow")},
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
    }
    with tempfile.TemporaryDirectory() as scratch:
        if options.part in ("large", "both"):
            folder = Path(scratch) / "photos"
            make_photos(folder, options.photos, tuple(options.photo_size))
            model = large_model(options.places, tiny=options.tiny)
            geolocator = Geolocator(in_precision(model, options.precision))
            sizes = {1: max(1, options.photos // 2), options.batch: options.photos}
            report["large"] = {
                "photo_size": options.photo_size,
                "places": options.places,
                "tiny": options.tiny,
                "bar_times_encoder": BARS["large"],
                "batches": [
                    measure(geolocator, model, walk([folder])[:count], batch=batch, repeats=options.repeats)
                    for batch, count in sizes.items()
                ],
            }
            del model, geolocator
        if options.part in ("orbit", "both"):
            folder = Path(scratch) / "views"
            render_folder(training_mosaic_path(), folder, views=options.views, seed=2)
            model = Model.open("orbit")
            geolocator = Geolocator(in_precision(model, options.precision))
            report["orbit"] = {
                "bar_pictures_per_second": BARS["orbit"],
                **measure(geolocator, model, walk([folder]), batch=64, repeats=options.repeats),
            }
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(report, indent=2) + "\n")


def large_model(places: int, *, tiny: bool) -> Model:
    """CLIP ViT-L/14, three spaces and the paper's GeoToken, all with random weights."""
    torch.manual_seed(0)
    encoder = ClipEncoderConfig.model_validate(TINY["encoder"] if tiny else {})
    alignment = SpacesAlignmentConfig(text_width=WIDTH)
    geotoken = GeoTokenConfig.paper(neighbour_vectors=("location",), **(TINY["geotoken"] if tiny else {}))
    z, lon = torch.rand(2, places, dtype=torch.float64)
    lat_lon = torch.stack([torch.rad2deg(torch.asin(2 * z - 1)), 360 * lon - 180], dim=1)
    return Model(
        config=ModelConfig(
            name="large",
            domain="noise",
            purpose="timing",
            licence="Apache-2.0",
            encoder=encoder,
            alignment=alignment,
            geotoken=geotoken,
            gallery_rows=places,
        ),
        encoder=ClipEncoder(encoder),
        alignment=SpacesAlignment(alignment),
        gallery=Gallery(lat_lon, functional.normalize(torch.randn(places, WIDTH), dim=-1)),
        geotoken=GeoToken(geotoken),
    )


def make_photos(folder: Path, count: int, size: tuple[int, int]) -> None:
    """JPEG photos: blurred random colours, some grain."""
    folder.mkdir()
    for number in range(count):
        random = np.random.default_rng(number)
        coarse = Image.fromarray(random.integers(0, 256, (30, 40, 3), dtype=np.uint8)).resize(size)
        grain = random.normal(0, 6, (size[1], size[0], 1)).astype(np.float32)
        photo = np.clip(np.asarray(coarse) + grain, 0, 255).astype(np.uint8)
        Image.fromarray(photo).save(folder / f"{number:04d}.jpg", quality=90)


def measure(
    geolocator: Geolocator, plain: Model, pictures: list[Path], *, batch: int, repeats: int
) -> dict[str, Any]:
    """The encoder, the road and the plain encoder in turn, then the profile; all in seconds of all pictures."""
    pixels = prepared(geolocator, pictures)

    def encode(encoder: ImageEncoder) -> None:
        for part in torch.split(pixels, batch):
            encoder.encode(part)

    def locate() -> None:
        refused = [
            found for found in geolocator.locate(pictures, batch_size=batch) if isinstance(found, Refusal)
        ]
        if refused:
            raise SystemExit(f"refused: {refused[0]}")

    # What is done for the first time is not timed; a few pictures do.
    list(geolocator.locate(pictures[: min(batch, 2)], batch_size=batch))
    geolocator._encoder.encode(pixels[:batch])
    plain.encoder.encode(pixels[:batch])
    runs = [
        (
            seconds(lambda: encode(geolocator._encoder)),
            seconds(locate),
            seconds(lambda: encode(plain.encoder)),
        )
        for _ in range(repeats)
    ]
    alone, whole, as_opened = (statistics.median(times) for times in zip(*runs, strict=True))
    with stages(geolocator) as clock:
        profiled = seconds(locate)
    found = {
        "pictures": len(pictures),
        "batch": batch,
        "encoder_seconds": alone,
        "plain_encoder_seconds": as_opened,
        "road_seconds": whole,
        "times_encoder": whole / alone,
        "times_plain_encoder": whole / as_opened,
        "pictures_per_second": len(pictures) / whole,
        "profile": {"seconds": profiled, **clock.table(profiled)},
    }
    show(geolocator.name, found)
    return found


def prepared(geolocator: Geolocator, pictures: list[Path]) -> torch.Tensor:
    """What the encoder looks at, in memory: (N, 3, S, S)."""
    encoder = geolocator._encoder
    batches = read_batches(pictures, encoder.size, prepare=getattr(encoder, "prepare", None))
    return torch.from_numpy(
        np.stack([found for part in batches for _, found in part if isinstance(found, np.ndarray)])
    )


def seconds(work: Callable[[], object]) -> float:
    """Wall time of one run."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


class Clock:
    """Wall time of stages, each less that of the stages inside it; processor time of the decoding threads."""

    def __init__(self) -> None:
        self.own: defaultdict[str, float] = defaultdict(float)
        self.threads = 0.0
        self._inner: list[float] = []

    def timed(self, stage: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """The function with a clock around it."""

        def run(*given: Any, **named: Any) -> Any:
            self._inner.append(0.0)
            start = time.perf_counter()
            try:
                return work(*given, **named)
            finally:
                took = time.perf_counter() - start
                self.own[stage] += took - self._inner.pop()
                if self._inner:
                    self._inner[-1] += took

        return run

    def threaded(self, work: Callable[..., Any]) -> Callable[..., Any]:
        """The same for what runs in other threads: processor time, of all of them."""

        def run(*given: Any, **named: Any) -> Any:
            start = time.thread_time()
            found = work(*given, **named)
            self.threads += time.thread_time() - start
            return found

        return run

    def waiting(self, batches: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
        """Batches, with a clock around the wait for each."""

        def run(*given: Any, **named: Any) -> Iterator[Any]:
            source = batches(*given, **named)
            following = self.timed("wait for pixels", lambda: next(source, None))
            return iter(following, None)

        return run

    def table(self, whole: float) -> dict[str, Any]:
        """Stages with their seconds, the rest last, and the threads apart."""
        rest = whole - sum(self.own.values())
        return {"stages": {**self.own, "the rest": rest}, "pixels_processor_seconds": self.threads}


@contextmanager
def stages(geolocator: Geolocator) -> Iterator[Clock]:
    """Clocks around the stages of the road, for as long as the block lasts."""
    clock, model = Clock(), geolocator.model
    road: list[tuple[str, Any, str]] = [
        ("encode", geolocator._encoder, "encode"),
        ("align", model, "query_of_features"),
        ("neighbours", model.index, "search"),
        ("GeoToken memory", model.geotoken, "_memory"),
        ("GeoToken decoding", graticule.locator, "frontiers"),
        ("density", graticule.locator, "density_of_beam"),
        ("blend", Calibration, "pooled"),
        ("estimate", Density, "point"),
        ("circles", graticule.locator, "circles_km"),
        ("candidates", graticule.locator, "_candidates"),
    ]
    with ExitStack() as stack:
        for stage, owner, name in road:
            stack.enter_context(patch.object(owner, name, clock.timed(stage, getattr(owner, name))))
        wrapped: list[tuple[Any, str, Callable[..., Any]]] = [
            (graticule.locator, "read_batches", clock.waiting),
            (graticule.images.batches, "open_picture", clock.threaded),
            (graticule.images.batches, "square_pixels", clock.threaded),
        ]
        if hasattr(geolocator._encoder, "prepare"):
            wrapped.append((geolocator._encoder, "prepare", clock.threaded))
        for owner, name, wrap in wrapped:
            stack.enter_context(patch.object(owner, name, wrap(getattr(owner, name))))
        yield clock


def show(name: str, found: dict[str, Any]) -> None:
    """Print what was measured."""
    count, profile = found["pictures"], found["profile"]
    table = Table("", "s", "ms a picture", title=f"{name}: {count} pictures, {found['batch']} at once")
    for row, value in (
        ("encoder alone", found["encoder_seconds"]),
        ("encoder alone, plain", found["plain_encoder_seconds"]),
        ("the whole road", found["road_seconds"]),
    ):
        table.add_row(row, f"{value:.2f}", f"{value / count * 1e3:.2f}")
    table.add_section()
    for row, value in sorted(profile["stages"].items(), key=lambda item: -item[1]):
        table.add_row(row, f"{value:.2f}", f"{value / count * 1e3:.2f}")
    table.add_section()
    threads = profile["pixels_processor_seconds"]
    table.add_row("pixels, in threads (processor)", f"{threads:.2f}", f"{threads / count * 1e3:.2f}")
    console = Console()
    console.print(table)
    console.print(
        f"{found['times_encoder']:.3f} times the encoder alone, "
        f"{found['times_plain_encoder']:.3f} times the plain one; "
        f"{found['pictures_per_second']:.1f} pictures a second"
    )


if __name__ == "__main__":
    main()
