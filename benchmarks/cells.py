"""Time S2 cells of many points: Graticule against the S2 library's binding and the `s2cell` package.

    python benchmarks/cells.py [--points 1000000] [--repeats 3] [--output benchmarks/results/cells.json]

Every system runs on one thread and answers the same points at level 20: encoding goes from latitude and
longitude to an id, decoding from an id to the centre of its cell in degrees. The peers take one point a
call, so they are looped in a list comprehension, over Python numbers made ready beforehand. Graticule's
rows of tokens do more: they split ids into 11 tokens, or check and join those, as well. Ids must be
equal and centres agree, or the run fails. A peer that is not installed is left out. What is told is
processor time, on which other work on the machine has little influence; it has some all the same.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from graticule.earth import s2
from graticule.earth.cells import TokenScheme

LEVEL = 20
PEERS = ("s2geometry", "s2cell")


class Points(NamedTuple):
    """The same points as each system takes them."""

    lat: NDArray[np.float64]
    lon: NDArray[np.float64]
    ids: NDArray[np.uint64]


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3, help="runs of each; the median is told")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "cells.json")
    options = parser.parse_args()

    points = uniform_points(options.points)
    peers = [name for name in PEERS if find_spec(name)]
    runs = ours(points)
    for name in peers:
        runs |= {f"{name} {task}": run for task, run in loops(name, points).items()}
    seconds = {name: median_seconds(run, options.repeats) for name, run in runs.items()}
    ratios = {
        f"{row} vs {peer}": seconds[f"{peer} {row.split()[1]}"] / seconds[row]
        for row in ours(points)
        for peer in peers
    }
    show(seconds, ratios, options.points)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    report = {
        "points": options.points,
        "level": LEVEL,
        "threads": 1,
        "repeats": options.repeats,
        "versions": {"python": platform.python_version()} | {n: version(n) for n in ("numpy", *peers)},
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "median_processor_seconds": seconds,
        "times_faster": ratios,
    }
    options.output.write_text(json.dumps(report, indent=2) + "\n")


def uniform_points(count: int) -> Points:
    """Points spread evenly over the Earth."""
    rng = np.random.default_rng(0)
    lat, lon = np.degrees(np.arcsin(rng.uniform(-1, 1, count))), rng.uniform(-180, 180, count)
    return Points(lat, lon, s2.cell_ids(lat, lon, level=LEVEL))


def ours(points: Points) -> dict[str, Callable[[], object]]:
    """What Graticule is timed on."""
    scheme = TokenScheme.uniform(LEVEL)
    tokens = scheme.encode_ids(points.ids)
    return {
        "graticule encode": lambda: s2.cell_ids(points.lat, points.lon, level=LEVEL),
        "graticule encode to tokens": lambda: scheme.encode(points.lat, points.lon),
        "graticule decode": lambda: s2.centres(points.ids),
        "graticule decode from tokens": lambda: scheme.centres(tokens),
    }


def loops(name: str, points: Points) -> dict[str, Callable[[], object]]:
    """What a peer is timed on, once its answers are found to be the same."""
    encode, decode = {"s2geometry": s2geometry_calls, "s2cell": s2cell_calls}[name](import_module(name))
    pairs = list(zip(points.lat.tolist(), points.lon.tolist(), strict=True))
    ids = points.ids.tolist()
    some = slice(0, 10_000)
    if [encode(*pair) for pair in pairs[some]] != ids[some]:
        raise SystemExit(f"{name} gives other ids")
    np.testing.assert_allclose(
        [decode(i) for i in ids[some]], np.transpose(s2.centres(points.ids[some])), atol=1e-12
    )
    return {
        "encode": lambda: [encode(lat, lon) for lat, lon in pairs],
        "decode": lambda: [decode(i) for i in ids],
    }


def s2geometry_calls(module: Any) -> tuple[Callable[..., int], Callable[..., tuple[float, float]]]:
    """Encode and decode one point with the S2 library's own binding."""
    cell, from_degrees = module.S2CellId, module.S2LatLng.FromDegrees

    def decode(cell_id: int) -> tuple[float, float]:
        centre = cell(cell_id).ToLatLng()
        return centre.lat().degrees(), centre.lng().degrees()

    return lambda lat, lon: cell(from_degrees(lat, lon)).parent(LEVEL).id(), decode


def s2cell_calls(module: Any) -> tuple[Callable[..., int], Callable[..., tuple[float, float]]]:
    """Encode and decode one point with the `s2cell` package."""
    encode = module.lat_lon_to_cell_id
    return lambda lat, lon: encode(lat, lon, LEVEL), module.cell_id_to_lat_lon


def median_seconds(run: Callable[[], object], repeats: int) -> float:
    """Median processor time of a run, after one that is not counted: it builds tables and warms caches."""
    times: list[float] = []
    for _ in range(1 + repeats):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return statistics.median(times[1:])


def show(seconds: dict[str, float], ratios: dict[str, float], count: int) -> None:
    """Print the tables."""
    table = Table(
        "system",
        "s",
        "ns a point",
        title=f"{count:,} points, level {LEVEL}, one thread, median processor time",
    )
    for name, value in seconds.items():
        table.add_row(name, f"{value:.3f}", f"{value / count * 1e9:.0f}")
    faster = Table("", "times faster")
    for name, value in ratios.items():
        faster.add_row(name, f"{value:.1f}")
    console = Console()
    console.print(table)
    console.print(faster)


if __name__ == "__main__":
    main()
