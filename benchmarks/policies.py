"""Whether a policy for negatives makes a better alignment than plain InfoNCE, on Orbit.

    python benchmarks/policies.py                      # the comparison that is reported: three paired seeds, test views
    python benchmarks/policies.py --search             # the search behind its settings: other seeds, validation views

Every run learns an image head and a location encoder on the same frozen features of the shipped encoder: equal steps,
and for equal seeds equal first weights, batches, noise and order. What is judged is gallery retrieval: the most
similar of the places that training knows. Features are made once (some minutes) and kept in `runs/policies`, as are the
distances of every finished run, so the command can be stopped and run again.

An interval of a difference counts both what another seed and what other pictures would change:
t(0.975, seeds - 1) * sqrt(s^2 / seeds + v / pictures), with s the spread of the seeds' differences and v the variance
over pictures of the difference averaged over seeds. It errs on the wide side: part of s is already in v.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from scipy import stats
from torch import Tensor

from graticule.alignment.location import LocationEncoderConfig
from graticule.alignment.model import AlignmentConfig
from graticule.alignment.policies import PolicyConfig
from graticule.data.orbit.mosaic import Mosaic, training_mosaic_path
from graticule.evaluation.metrics import geoscore
from graticule.model import Model
from graticule.training.features import extract_views, load_shards
from graticule.training.frozen import FrozenAlignConfig, FrozenAlignTask, retrieved_km
from graticule.training.loop import TrainingConfig, train
from graticule.training.schedule import Schedule

THRESHOLDS_KM = (25, 50, 100, 200, 750)
SEEDS, SEARCH_SEEDS = (0, 1, 2), (100,)
STEPS = 1000
VIEWS: dict[str, dict[str, Any]] = {
    "training": {"split": "train", "start": 20_000_000, "count": 98_304},
    "validation": {"split": "validation", "start": 100_000, "count": 20_480},
    "test": {"split": "test", "start": 100_000, "count": 32_768},
}
"""Views the encoder was not trained on, nor judged on; all of them in strongly varied seasons, light and haze, for the
ordinary ones leave few far mistakes to learn from."""


@dataclass(frozen=True)
class Entry:
    """A row of the table: a policy, and whether its semivariogram follows the vectors as they are learned."""

    policy: PolicyConfig
    refit_every: int | None = None
    policy_steps: int | None = None


def ours(
    *,
    hard: float,
    rho_km: float,
    false: float = 0,
    refit: int | None = None,
    until: int | None = None,
    name: str = "semivariogram",
) -> Entry:
    """The default policy, or a control in its place."""
    policy = PolicyConfig(name=name, beta_false=false, beta_hard=hard, rho_km=rho_km)
    return Entry(policy, refit_every=refit, policy_steps=until)


PLAIN = Entry(PolicyConfig(name="none"))
SEARCHED: dict[str, Entry] = {
    "none": PLAIN,
    "hard 2, rho 100": ours(hard=2, rho_km=100),
    "hard 4, false 8, rho = range": Entry(PolicyConfig(beta_false=8, beta_hard=4)),
    "hard 4, rho 100, 500 steps": ours(hard=4, rho_km=100, until=500),
    "hard 8, rho 100, 500 steps": ours(hard=8, rho_km=100, until=500),
    "hard 2, rho 25, 500 steps, refitted": ours(hard=2, rho_km=25, refit=100, until=500),
    "hard 4, rho 25, 500 steps, refitted": ours(hard=4, rho_km=25, refit=100, until=500),
}
# On validation views the best within 25 and 50 km taken together.
CHOSEN: dict[str, Any] = {"hard": 2, "rho_km": 25, "refit": 100, "until": 500}
REPORTED: dict[str, Entry] = {
    "none": PLAIN,
    "semivariogram": ours(**CHOSEN),
    "distance mask": Entry(PolicyConfig(name="distance-mask", rho_km=25)),
    "shuffled gamma": ours(name="shuffled", **CHOSEN),
}


def main() -> None:
    """Run what is not finished, print, and write the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--search", action="store_true", help="other settings, search seeds, validation views"
    )
    parser.add_argument("--run", type=Path, default=Path("runs/policies"))
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--seeds", type=int, nargs="*", help="other seeds than those of the docstring")
    parser.add_argument("--only", nargs="*", help="policies by the names of the table, to share the work")
    results = Path(__file__).parent / "results"
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    policies = SEARCHED if options.search else REPORTED
    split = "validation" if options.search else "test"
    seeds = tuple(options.seeds or (SEARCH_SEEDS if options.search else SEEDS))

    console = Console(width=150)
    training, judged = (features(name, options.run, console) for name in ("training", split))
    distances: dict[str, np.ndarray] = {}
    for name, entry in policies.items():
        if not options.only or name in options.only:
            runs = [run(entry, seed, options, training, judged, console) for seed in seeds]
            distances[name] = np.stack(runs)
    if set(distances) != set(policies):
        return  # a share of the work; the run that finds everything finished reports

    figures = {name: summary(km) for name, km in distances.items()}
    against = {
        f"{name} - {other}": difference(distances[name], distances[other])
        for other in ("none", "shuffled gamma")
        for name in distances
        if other in distances and name != other
    }
    show(figures, against, console)
    output = options.output or results / ("policies-search.json" if options.search else "policies.json")
    output.parent.mkdir(parents=True, exist_ok=True)
    settings = {
        "steps": options.steps,
        "seeds": seeds,
        "pictures": len(judged[0]),
        "split": split,
        "common": setting(PLAIN, 0).model_dump(mode="json", exclude={*vars(PLAIN), "seed"}),
        "policies": {
            n: {
                **e.policy.model_dump(mode="json"),
                "refit_every": e.refit_every,
                "policy_steps": e.policy_steps,
            }
            for n, e in policies.items()
        },
        "loop": loop(options.steps).model_dump(mode="json"),
        "views": VIEWS,
        "machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}",
    }
    output.write_text(
        json.dumps({"settings": settings, "figures": figures, "differences": against}, indent=2) + "\n"
    )


def setting(entry: Entry, seed: int) -> FrozenAlignConfig:
    """What all runs share, and the two things in which they differ."""
    return FrozenAlignConfig(
        alignment=AlignmentConfig(
            feature_width=512,
            hidden=768,
            location=LocationEncoderConfig(width=192, hidden=256, frequencies=128),
        ),
        policy=entry.policy,
        refit_every=entry.refit_every,
        policy_steps=entry.policy_steps,
        seed=seed,
        validation_rows=4096,
    )


def loop(steps: int) -> TrainingConfig:
    """How long and how fast."""
    return TrainingConfig(
        steps=steps,
        learning_rate=5e-3,
        weight_decay=0.01,
        schedule=Schedule(kind="linear", warmup=100),
        validate_every=10**9,
    )


def run(
    entry: Entry,
    seed: int,
    options: argparse.Namespace,
    training: tuple[Tensor, Tensor],
    judged: tuple[Tensor, Tensor],
    console: Console,
) -> np.ndarray:
    """Train once, or find that it was done: (N,) km from each judged picture's place to its answer."""
    config = setting(entry, seed)
    digest = hashlib.sha256(
        f"{config.model_dump_json(exclude_none=True)} {options.steps}".encode()
    ).hexdigest()[:16]
    folder = options.run / f"{entry.policy.name}-{digest}"
    path = folder / f"km-{len(judged[0])}.npy"
    if path.exists():
        return np.load(path)
    console.print(f"{folder.name}, seed {seed}: {entry}")
    task = FrozenAlignTask(config, training, judged)
    train(task, loop(options.steps), folder, report=console.print)
    km = retrieved_km(task.model.alignment, judged[0], judged[1], training[1])
    np.save(path, km)
    return km


def features(name: str, folder: Path, console: Console) -> tuple[Tensor, Tensor]:
    """Features of Orbit views by the shipped encoder, made once."""
    encoder = Model.open("orbit").encoder
    mosaic = Mosaic.open(training_mosaic_path())
    extract_views(encoder, mosaic, folder / name, seasons=1.0, report=console.print, **VIEWS[name])
    return load_shards(folder / name)


def summary(km: np.ndarray) -> dict[str, Any]:
    """Figures of one policy; km is (seeds, pictures)."""
    within = {str(d): (km < d).mean(axis=1) for d in THRESHOLDS_KM}
    return {
        "within": {d: {"mean": float(w.mean()), "seeds": w.tolist()} for d, w in within.items()},
        "median_km": float(np.median(km, axis=1).mean()),
        "geoscore": float(geoscore(km).mean()),
    }


def difference(a_km: np.ndarray, b_km: np.ndarray) -> dict[str, dict[str, float]]:
    """Paired differences of shares within each threshold, and of GeoScore: value and half the 95 % interval."""
    worth = {str(d): (a_km < d).astype(float) - (b_km < d) for d in THRESHOLDS_KM}
    worth["geoscore"] = geoscore(a_km) - geoscore(b_km)
    return {name: interval(w) for name, w in worth.items()}


def interval(paired: np.ndarray) -> dict[str, float]:
    """Mean of (seeds, pictures) differences and half its 95 % interval; one seed says nothing of others."""
    seeds, pictures = paired.shape
    spread = paired.mean(axis=0).var(ddof=1) / pictures
    if seeds == 1:
        return {"value": float(paired.mean()), "half": float(1.96 * np.sqrt(spread))}
    spread += paired.mean(axis=1).var(ddof=1) / seeds
    return {
        "value": float(paired.mean()),
        "half": float(stats.t.ppf(0.975, seeds - 1) * np.sqrt(spread)),
    }


def show(
    figures: Mapping[str, Mapping[str, Any]], against: Mapping[str, Mapping[str, Any]], console: Console
) -> None:
    """Both tables: figures, and differences with stars where the interval is clear of zero."""
    table = Table("policy", *(f"<{d} km" for d in THRESHOLDS_KM), "median km", "GeoScore", box=None)
    for name, figure in figures.items():
        shares = [f"{100 * figure['within'][str(d)]['mean']:.2f}" for d in THRESHOLDS_KM]
        table.add_row(name, *shares, f"{figure['median_km']:.1f}", f"{figure['geoscore']:.0f}")
    console.print(table)
    paired = Table("difference, points", *(f"<{d} km" for d in THRESHOLDS_KM), "GeoScore", box=None)
    for name, figure in against.items():
        cells = []
        for key, scale in [*((str(d), 100) for d in THRESHOLDS_KM), ("geoscore", 1)]:
            value, half = scale * figure[key]["value"], scale * figure[key]["half"]
            cells.append(f"{value:+.2f}±{half:.2f}{'*' if abs(value) > half else ''}")
        paired.add_row(name, *cells)
    console.print(paired)


if __name__ == "__main__":
    main()
