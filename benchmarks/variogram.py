"""Time semivariograms of feature vectors: Graticule against GSTools and scikit-gstat.

    python benchmarks/variogram.py [--points 20000] [--width 256] [--output benchmarks/results/variogram.json]

The same points, uniform on the sphere, and the same smooth noisy features, all pairs in the same lags. Every system
runs in a process of its own, whose wall time for the estimate and peak resident memory (imports and data included) are
told. Each may use all cores.

GSTools takes vectors as a list of fields at the same points (`vario_estimate(pos, [f1, f2, ...], latlon=True)`), so
that distances are computed once for all components; it averages over them. It is given all cores by
`gstools.config.NUM_THREADS`; whether that helps is up to how its compiled part was built. Where the Rust backend
`gstools-core` is installed, GSTools uses it, and the results say so. It works in float64, and its result must equal
ours, which multiplies float32, to 1e-5; the tests hold ours in float64 to 1e-9.

scikit-gstat takes one component at a time and keeps all N (N - 1) / 2 distances, groups and differences, so that it
can't take as many points in reasonable memory: it runs on `--small` points and a few components whose distances are
shared, great-circle lags given as chords, and its time for all components is extrapolated in proportion to components.
Its ratio is against Graticule on those points. It is told as an estimate.

`sampled` is Graticule alone on a million points, a million pairs drawn. Its features are float16.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import resource
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

Floats = NDArray[np.float64]
RADIUS_KM = 6371.0
COMPONENTS = 4  # that scikit-gstat is timed on


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--points", type=int, default=20_000)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--bins", type=int, default=20)
    parser.add_argument("--small", type=int, default=4_000, help="points that scikit-gstat can hold")
    parser.add_argument("--many", type=int, default=1_000_000, help="points that pairs are drawn of")
    parser.add_argument("--pairs", type=int, default=1_000_000, help="pairs drawn")
    parser.add_argument("--repeats", type=int, default=3, help="runs of Graticule; the median is told")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "variogram.json")
    options = parser.parse_args()

    size = {"width": options.width, "bins": options.bins}
    full = {**size, "points": options.points}
    small = {**size, "points": options.small}
    results = {"graticule": apart(graticule, **full, repeats=options.repeats)}
    if find_spec("gstools"):
        results["gstools"] = apart(gstools, **full)
        off = np.abs(np.divide(results["gstools"]["gamma"], results["graticule"]["gamma"]) - 1).max()
        if not off < 1e-5:
            raise SystemExit(f"GSTools gives other semivariances: they differ by a share of {off}")
    if find_spec("skgstat"):
        results["graticule, small"] = apart(graticule, **small, repeats=options.repeats)
        results["scikit-gstat, small"] = apart(scikit_gstat, **small)
    results["sampled"] = apart(sampled, **{**size, "points": options.many}, pairs=options.pairs)
    for result in results.values():
        result.pop("gamma", None)
    pairs = {
        peer: (peer, own)
        for peer, own in (("gstools", "graticule"), ("scikit-gstat, small", "graticule, small"))
    }
    ratios = {
        name: results[peer]["seconds"] / results[own]["seconds"]
        for name, (peer, own) in pairs.items()
        if peer in results
    }
    show(results, ratios)
    installed = [n for n in ("numpy", "torch", "gstools", "gstools-cython", "scikit-gstat") if has(n)]
    report = {
        **size,
        "points": options.points,
        "small": options.small,
        "many": options.many,
        "pairs_drawn": options.pairs,
        "repeats": options.repeats,
        "versions": {"python": platform.python_version()} | {name: version(name) for name in installed},
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "runs": results,
        "times_faster": ratios,
    }
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(report, indent=2) + "\n")


def has(name: str) -> bool:
    """Whether a distribution is installed."""
    try:
        version(name)
    except ModuleNotFoundError:
        return False
    return True


def apart(work: Callable[..., dict[str, Any]], **settings: int) -> dict[str, Any]:
    """What some work tells, done in a fresh process, and that process's peak memory."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measured, (work, settings))


def _measured(work: Callable[..., dict[str, Any]], settings: dict[str, int]) -> dict[str, Any]:
    result = work(**settings)
    # In KiB on Linux, in bytes on macOS.
    unit = 1 if platform.system() == "Darwin" else 1024
    return {**result, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6}


def uniform_points(count: int) -> Floats:
    """Places (N, 2) spread evenly over the Earth, in degrees."""
    rng = np.random.default_rng(0)
    return np.stack([np.degrees(np.arcsin(rng.uniform(-1, 1, count))), rng.uniform(-180, 180, count)], axis=1)


def smooth_features(lat_lon: Floats, width: int, dtype: str) -> NDArray[Any]:
    """Features (N, D): waves over the sphere with noise, made some thousands at a time."""
    rng = np.random.default_rng(1)
    waves = (5 * rng.normal(size=(3, width))).astype(np.float32)
    out = np.empty((len(lat_lon), width), dtype=dtype)
    for start in range(0, len(lat_lon), 8192):
        rows = slice(start, start + 8192)
        at = unit(lat_lon[rows]).astype(np.float32) @ waves
        out[rows] = np.sin(at) + 0.3 * rng.standard_normal(at.shape, dtype=np.float32)
    return out


def unit(lat_lon: Floats) -> Floats:
    """Unit vectors (N, 3) of places in degrees."""
    lat, lon = np.radians(lat_lon).T
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=1)


def edges_km(bins: int) -> Floats:
    """Linear lags up to 10,000 km."""
    return np.linspace(0, 10_000, bins + 1)


def graticule(points: int, width: int, bins: int, repeats: int) -> dict[str, Any]:
    """All pairs, by Graticule."""
    import torch

    from graticule.earth.variogram import empirical_semivariogram

    lat_lon = uniform_points(points)
    features = smooth_features(lat_lon, width, "float32")
    times = []
    for _ in range(1 + repeats):  # the first warms up, and is not counted
        start = time.perf_counter()
        found = empirical_semivariogram(features, lat_lon, edges_km=edges_km(bins), dissimilarity="euclidean")
        times.append(time.perf_counter() - start)
    return {
        "seconds": statistics.median(times[1:]),
        "threads": torch.get_num_threads(),
        "points": points,
        "gamma": found.semivariance.tolist(),
    }


def gstools(points: int, width: int, bins: int) -> dict[str, Any]:
    """All pairs, by GSTools: all components at once."""
    import gstools as gs

    gs.config.NUM_THREADS = os.cpu_count()
    lat_lon = uniform_points(points)
    features = smooth_features(lat_lon, width, "float32")
    start = time.perf_counter()
    _, gamma = gs.vario_estimate(
        tuple(lat_lon.T), list(features.T), bin_edges=edges_km(bins) / RADIUS_KM, latlon=True
    )
    seconds = time.perf_counter() - start
    return {
        "seconds": seconds,
        "threads": gs.config.NUM_THREADS,
        "rust_backend": bool(gs.config.USE_GSTOOLS_CORE),
        "points": points,
        "gamma": (width * gamma).tolist(),
    }


def scikit_gstat(points: int, width: int, bins: int) -> dict[str, Any]:
    """All pairs, by scikit-gstat: a few components, and the time for all of them extrapolated."""
    from skgstat import MetricSpace, Variogram

    lat_lon = uniform_points(points)
    features = smooth_features(lat_lon, width, "float32").astype(np.float64)
    chords = 2 * np.sin(edges_km(bins)[1:] / RADIUS_KM / 2)
    start = time.perf_counter()
    space = MetricSpace(unit(lat_lon))
    space.dists  # noqa: B018  computed when first asked for, and then kept
    shared = time.perf_counter() - start
    times = []
    for component in features.T[: min(COMPONENTS, width)]:
        start = time.perf_counter()
        Variogram(space, component, bin_func=chords, n_lags=bins, fit_method=None).experimental  # noqa: B018
        times.append(time.perf_counter() - start)
    return {
        "seconds": shared + width * statistics.mean(times),
        "extrapolated_from_components": len(times),
        "points": points,
    }


def sampled(points: int, width: int, bins: int, pairs: int) -> dict[str, Any]:
    """Many points, pairs drawn, by Graticule."""
    import torch

    from graticule.earth.variogram import empirical_semivariogram, lag_edges

    lat_lon = uniform_points(points)
    features = torch.from_numpy(smooth_features(lat_lon, width, "float16"))
    start = time.perf_counter()
    edges = lag_edges(lat_lon, "log", bins=bins, max_km=10_000)
    found = empirical_semivariogram(features, lat_lon, edges_km=edges, pairs=pairs)
    return {
        "seconds": time.perf_counter() - start,
        "threads": torch.get_num_threads(),
        "points": points,
        "lags": len(found),
        "pairs_averaged": int(found.counts.sum()),
    }


def show(results: dict[str, dict[str, Any]], ratios: dict[str, float]) -> None:
    """Print the tables."""
    table = Table("system", "points", "s", "peak MB")
    for name, result in results.items():
        guess = " (extrapolated)" if "extrapolated_from_components" in result else ""
        table.add_row(
            name, f"{result['points']:,}", f"{result['seconds']:.2f}{guess}", f"{result['peak_mb']:,.0f}"
        )
    faster = Table("Graticule against", "times faster")
    for name, ratio in ratios.items():
        faster.add_row(name, f"{ratio:.1f}")
    console = Console()
    console.print(table)
    console.print(faster)


if __name__ == "__main__":
    main()
