"""Index made-up vectors of millions of pictures, and look some up: time, memory, disk, and what is missed.

    python benchmarks/index.py [--rows 4100000] [--width 512] [--queries 512] [--singles 200] [--folder DIR]
                               [--output benchmarks/results/index.json]

Shards of features are drawn and written, then indexed by the command itself, `graticule index`, in a process whose
memory is told. Another process opens the index and searches, with two threads (or OMP_NUM_THREADS): one query at a
time, and 256 together. Peers in the same run, on the same vectors: the flat index of faiss, which holds all as
float32, and the product with all vectors in torch, as they are stored, in float16 on disk. The flat index also says
which neighbours are right.

The vectors are a mixture. Each of 200 regions is a random direction; each of the clusters, one for every 100 rows,
lies at a region's plus its own direction, and holds a share drawn from a Pareto law: some have thousands of rows,
many a few. In a cluster, rows vary along 32 directions by a falling amount (one of 64 sets of directions), and a
little along all; then they are made unit length. Queries are further draws; each that is timed is looked up for the
first time, as a query that was just looked up finds what it reads in the processor's caches.

At 4.1 million rows it takes 9 GB of disk, and up to 13 GB of memory while the flat index grows.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional

from graticule.retrieval.exact import ExactIndex
from graticule.retrieval.folder import open_index
from graticule.retrieval.ivfpq import IvfPqIndex

SHARD_ROWS = 65_536
K = 15
BATCH, BATCHES = 256, 5
THREADS = int(os.environ.get("OMP_NUM_THREADS", "2"))
REGIONS, BANKS, DIRECTIONS = 200, 64, 32
SPREAD, NOISE = 0.9, 0.5
BOUNDS = {"recall": 0.95, "ms_single": 15.0, "ms_batched": 2.0}


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=4_100_000)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--queries", type=int, default=512, help="looked up for the recall")
    parser.add_argument("--singles", type=int, default=200, help="looked up one at a time")
    parser.add_argument("--folder", type=Path, help="where a temporary folder is made; else the system's")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "index.json")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        parts = {"index": measure_index, "flat": measure_flat, "product": measure_product}
        print(json.dumps(parts[options.part](options.folder, options.singles)))
        return

    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        say(f"drawing {options.rows:,} vectors")
        fresh = options.singles + (1 + BATCHES) * BATCH
        draw_seconds = elapsed(lambda: draw_all(folder, options.rows, options.width, options.queries, fresh))
        report = {
            "rows": options.rows,
            "width": options.width,
            "queries": options.queries,
            "k": K,
            "threads": THREADS,
            "draw_seconds": draw_seconds,
            "build": build(folder),
        }
        for part in ("flat", "index", "product"):
            say(f"searching: {part}")
            report[part] = run_part(part, folder, options.singles)
    report["bounds"] = BOUNDS
    report["versions"] = {name: version(name) for name in ("torch", "faiss-cpu")}
    report["versions"]["python"] = platform.python_version()
    report["machine"] = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    show(report)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(report, indent=2) + "\n")


class Mixture:
    """Where the vectors are drawn from; see above."""

    def __init__(self, rows: int, width: int) -> None:
        generator = torch.Generator().manual_seed(0)
        clusters = max(REGIONS, rows // 100)

        def directions(*shape: int) -> Tensor:
            return functional.normalize(torch.randn(*shape, width, generator=generator), dim=-1)

        regions = directions(REGIONS)[torch.randint(REGIONS, (clusters,), generator=generator)]
        self._centres = 0.6 * regions + 0.8 * directions(clusters)
        shares = torch.rand(clusters, generator=generator, dtype=torch.float64).clamp(min=1e-6) ** -0.5
        self._until = shares.cumsum(0) / shares.sum()
        self._banks = directions(BANKS, DIRECTIONS)
        falling = torch.arange(1, DIRECTIONS + 1) ** -0.5
        self._amounts = SPREAD * falling / falling.norm()

    def draw(self, count: int, seed: int) -> Tensor:
        """(count, width) float16 unit vectors."""
        generator = torch.Generator().manual_seed(seed)
        shares = torch.rand(count, generator=generator, dtype=torch.float64)
        clusters = torch.searchsorted(self._until, shares).clamp(max=len(self._centres) - 1)
        vectors = torch.randn(count, self._centres.shape[1], generator=generator)
        vectors *= NOISE / vectors.shape[1] ** 0.5
        vectors += self._centres[clusters]
        along = torch.randn(count, DIRECTIONS, generator=generator) * self._amounts
        for bank in range(BANKS):
            rows = (clusters % BANKS == bank).nonzero()[:, 0]
            vectors[rows] += along[rows] @ self._banks[bank]
        return functional.normalize(vectors, dim=-1).half()


def draw_all(folder: Path, rows: int, width: int, queries: int, fresh: int) -> None:
    """Write shards as `graticule extract` does, with places at random, and queries beside them."""
    torch.set_num_threads(THREADS)
    mixture, shards = Mixture(rows, width), folder / "features"
    shards.mkdir()
    for start in range(0, rows, SHARD_ROWS):
        count = min(SHARD_ROWS, rows - start)
        generator = torch.Generator().manual_seed(start + 1)
        lat_lon = torch.rand(count, 2, generator=generator, dtype=torch.float64) * 180 - 90
        tensors = {"features": mixture.draw(count, start + 2), "lat_lon": lat_lon}
        save_file(tensors, shards / f"shard-{start // SHARD_ROWS:08d}.safetensors")
    drawn = mixture.draw(queries + fresh, 1).float()
    parts = {"queries": drawn[:queries].clone(), "fresh": drawn[queries:].clone()}
    save_file(parts, folder / "queries.safetensors")


def build(folder: Path) -> dict[str, Any]:
    """Run the command, and tell its time, its peak memory, and what it leaves on disk."""
    command = [sys.executable, "-c", "from graticule.cli import main; main()", "index"]
    command += [str(folder / "features"), "--out", str(folder / "index"), "--kind", "ivfpq"]
    seconds = elapsed(lambda: subprocess.run(command, check=True, env=environment(), stdout=sys.stderr))
    for shard in (folder / "features").iterdir():
        shard.unlink()
    files = [path for path in (folder / "index").iterdir() if path.is_file()]
    return {
        "seconds": seconds,
        "peak_bytes": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024,
        "disk_bytes": {path.name: path.stat().st_size for path in sorted(files)},
    }


def run_part(part: str, folder: Path, singles: int) -> dict[str, Any]:
    """Measure one searcher in a process of its own, so that its memory is its own."""
    command = [sys.executable, __file__, "--part", part, "--folder", str(folder), "--singles", str(singles)]
    done = subprocess.run(command, check=True, env=environment(), stdout=subprocess.PIPE)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def measure_index(folder: Path, singles: int) -> dict[str, Any]:
    """The index as `graticule index` left it."""
    start = time.perf_counter()
    index = open_index(folder / "index").index
    opened_seconds = time.perf_counter() - start
    opened_memory = memory()
    assert isinstance(index, IvfPqIndex)
    drawn = load_file(folder / "queries.safetensors")
    _, rows = index.search(drawn["queries"], K)
    right = torch.from_numpy(np.load(folder / "right.npy"))
    timed = timings(lambda part: index.search(part, K), drawn["fresh"], singles)
    return {
        "recall": (rows[:, :, None] == right[:, None, :]).any(1).float().mean().item(),
        **timed,
        "open_seconds": opened_seconds,
        "opened_memory": opened_memory,
        "memory": memory(),
        "settings": {**index.config.model_dump(), "lists": index.body.nlist},
    }


def measure_flat(folder: Path, singles: int) -> dict[str, Any]:
    """The flat index of faiss: all vectors as float32 in memory. It says which neighbours are right."""
    import faiss

    vectors = open_index(folder / "index").vectors
    index = faiss.IndexFlatIP(vectors.shape[1])
    for start in range(0, len(vectors), SHARD_ROWS):
        index.add(vectors[start : start + SHARD_ROWS].float().numpy())
    drawn = load_file(folder / "queries.safetensors")
    similarities, rows = index.search(drawn["queries"].numpy(), K)
    np.save(folder / "right.npy", rows)
    timed = timings(lambda part: index.search(part.numpy(), K), drawn["fresh"], min(singles, 10), batches=1)
    return {**timed, "mean_cosines": similarities.mean(0).tolist(), "memory": memory()}


def measure_product(folder: Path, singles: int) -> dict[str, Any]:
    """The product with all vectors, as they are stored, in float16 on disk."""
    index = ExactIndex(open_index(folder / "index").vectors)
    drawn = load_file(folder / "queries.safetensors")
    right = torch.from_numpy(np.load(folder / "right.npy"))
    _, rows = index.search(drawn["queries"], K)
    timed = timings(lambda part: index.search(part, K), drawn["fresh"], min(singles, 10), batches=1)
    recall = (rows[:, :, None] == right[:, None, :]).any(1).float().mean().item()
    return {"recall": recall, **timed, "memory": memory()}


def timings(
    search: Callable[[Tensor], object], fresh: Tensor, singles: int, *, batches: int = BATCHES
) -> dict[str, float]:
    """Elapsed time in ms, after a search that is not counted: of a query alone, and of one in a batch.

    No query comes twice, so that none finds what it reads where its last search left it.
    """
    torch.set_num_threads(THREADS)
    first, *together = fresh[: (1 + batches) * BATCH].split(BATCH)
    alone = fresh[(1 + batches) * BATCH :][:singles].split(1)
    search(first)
    ms_alone = [1e3 * elapsed(partial(search, query)) for query in alone]
    ms_together = [1e3 * elapsed(partial(search, batch)) / len(batch) for batch in together]
    return {
        "ms_single": statistics.median(ms_alone),
        "ms_single_p95": float(np.quantile(ms_alone, 0.95)),
        "ms_batched": statistics.median(ms_together),
    }


def memory() -> dict[str, int]:
    """Bytes of this process in memory: its own, and pages of files, which can go at any time; and the peak of both."""
    lines = Path("/proc/self/status").read_text().splitlines()
    kib = {line.split(":")[0]: int(line.split()[1]) for line in lines if line.endswith(" kB")}
    return {"own": 1024 * kib["RssAnon"], "files": 1024 * kib["RssFile"], "peak": 1024 * kib["VmHWM"]}


def environment() -> dict[str, str]:
    """So many threads for everything."""
    return {**os.environ, "OMP_NUM_THREADS": str(THREADS)}


def elapsed(work: Callable[[], object]) -> float:
    """Seconds it takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def say(what: str) -> None:
    """Tell people what is going on."""
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


def show(report: dict[str, Any]) -> None:
    """Print the table."""
    title = f"{report['rows']:,} vectors {report['width']} wide, {report['threads']} threads"
    table = Table(
        "", "recall@15", "ms, one query", "ms, of a batch", "own memory, GB", "peak, GB", title=title
    )
    for name, part in (
        ("graticule index", "index"),
        ("faiss flat, float32 in memory", "flat"),
        ("torch product, float16 on disk", "product"),
    ):
        found = report[part]
        table.add_row(
            name,
            f"{found.get('recall', 1):.4f}",
            f"{found['ms_single']:.2f}",
            f"{found['ms_batched']:.3f}",
            f"{found['memory']['own'] / 1e9:.2f}",
            f"{found['memory']['peak'] / 1e9:.2f}",
        )
    Console().print(table)
    build = report["build"]
    print(
        f"built in {build['seconds'] / 60:.1f} min with {build['peak_bytes'] / 1e9:.2f} GB at most, "
        f"{sum(build['disk_bytes'].values()) / 1e9:.2f} GB on disk, opened in {report['index']['open_seconds']:.1f} s"
    )


if __name__ == "__main__":
    main()
