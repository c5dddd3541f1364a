"""Time the names of many places: Graticule's country, region and nearest town against `reverse_geocode`'s town.

    python benchmarks/places.py [--points 100000] [--repeats 3] [--output benchmarks/results/places.json]

Both answer the same points, spread evenly over the Earth, in one call. The peer (PyPI `reverse-geocode`, which needs
scipy) looks up the nearest of GeoNames' towns and tells that town's country: it knows no borders and no sea. It is left
out if it is not installed. How often both name the same country is told for points on land. What is told is
processor time, on which other work on the machine has little influence; it has some all the same.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from cells import median_seconds
from graticule.earth.places import Places

PEER = "reverse_geocode"


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--points", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=3, help="runs of each; the median is told")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "places.json")
    options = parser.parse_args()

    rng = np.random.default_rng(0)
    lat = np.degrees(np.arcsin(rng.uniform(-1, 1, options.points)))
    lon = rng.uniform(-180, 180, options.points)
    start = time.perf_counter()
    places = Places.load()
    places.at(lat[:1], lon[:1])
    first = time.perf_counter() - start
    runs: dict[str, Callable[[], object]] = {"graticule": lambda: places.at(lat, lon)}
    if find_spec(PEER):
        runs[PEER] = peer(lat, lon)
    report = {
        "points": options.points,
        "repeats": options.repeats,
        "versions": {
            "python": platform.python_version(),
            "numpy": version("numpy"),
            "shapely": version("shapely"),
        }
        | ({PEER: version("reverse-geocode")} if find_spec(PEER) else {}),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "seconds_to_first_answer": first,
        "median_processor_seconds": {
            name: median_seconds(run, options.repeats) for name, run in runs.items()
        },
        "same_country_on_land": agreement(places, lat, lon) if find_spec(PEER) else None,
    }
    show(report)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(report, indent=2) + "\n")


def peer(lat: NDArray[np.float64], lon: NDArray[np.float64]) -> Callable[[], list[dict[str, str]]]:
    """The peer's answer to all points, as it takes them."""
    import reverse_geocode

    pairs = list(zip(lat.tolist(), lon.tolist(), strict=True))
    return lambda: reverse_geocode.search(pairs)


def agreement(places: Places, lat: NDArray[np.float64], lon: NDArray[np.float64]) -> float:
    """Share of the points in a country, by its polygon, whose nearest town the peer puts in that country."""
    theirs = [town["country_code"] for town in peer(lat, lon)()]
    ours = [place.country if place.coast_km is None else None for place in places.at(lat, lon)]
    same = [one == other for one, other in zip(ours, theirs, strict=True) if one is not None]
    return sum(same) / len(same)


def show(report: dict[str, object]) -> None:
    """Print the table."""
    points, seconds = report["points"], report["median_processor_seconds"]
    assert isinstance(points, int)
    assert isinstance(seconds, dict)
    table = Table("system", "s", "µs a point", title=f"{points:,} points, median processor time")
    for name, value in seconds.items():
        table.add_row(name, f"{value:.2f}", f"{value / points * 1e6:.1f}")
    console = Console()
    console.print(table)
    console.print(f"first answer from cold: {report['seconds_to_first_answer']:.2f} s")
    if report["same_country_on_land"] is not None:
        console.print(f"same country on land: {100 * float(str(report['same_country_on_land'])):.1f} %")


if __name__ == "__main__":
    main()
