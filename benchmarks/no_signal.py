"""Pictures without any place in them: how many are answered with confidence, and what doubting them costs views.

    python benchmarks/no_signal.py --output benchmarks/results/no_signal.json

Every picture is asked about twice, by the model as it is and by the same without its familiarity, that is, without
asking whether the picture is like those it was calibrated on (graticule.decoding.familiarity). An answer passes if it
has 80 % of the probability within 100 km, as for `graticule locate --min-confidence 0.8 --radius 100`. Limits were
settled on validation views and on the kinds of `SETTLED_ON` in tests/faults/no_signal.py; these pictures have other
seeds, the kinds of `HELD_OUT` were never looked at, and the views are fresh test views.
"""

from __future__ import annotations

import argparse
import io
import json
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from graticule.data.orbit.mosaic import Mosaic, training_mosaic_path
from graticule.data.orbit.views import Views
from graticule.earth.distance import haversine_km
from graticule.evaluation.calibration import wilson
from graticule.evaluation.comparison import paired_difference
from graticule.locator import Geolocator
from graticule.prediction import MASS, Prediction
from graticule.store import write_whole
from shift import mosaics

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from faults.no_signal import KINDS, SETTLED_ON, png  # noqa: E402

CONFIDENCE, WITHIN_KM = 0.8, 100.0
FIRST_VIEW = 900_000
"""Views that nothing was fitted or judged on."""
SEED = 22
BATCH = 100
WITH, WITHOUT = "with", "without"


def main() -> None:
    """Ask, count, and write the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="orbit")
    parser.add_argument("--pictures", type=int, default=300, help="of each kind")
    parser.add_argument("--views", type=int, default=10_000)
    parser.add_argument("--variants", type=int, default=1000, help="views of each other sort")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks" / "results" / "no_signal.json")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    began = time.monotonic()
    asked = Asked(options.model)

    def tell(what: str) -> None:
        print(f"{time.monotonic() - began:6.0f} s  {what}", flush=True)

    kinds = {}
    for kind, make in KINDS.items():
        pixels = made(asked, kind, make, options.pictures)
        kinds[kind] = {"settled_on": kind in SETTLED_ON, **without_truth(asked.both(pixels))}
        tell(f"{kind}: {kinds[kind]['passed']}")
    views = judged(asked, *views_of(Mosaic.open(training_mosaic_path()), options.views))
    tell(f"views: {views['doubted']}")
    others = {}
    for name, pixels, lat_lon in variants(options.variants):
        others[name] = judged(asked, pixels, lat_lon)
        tell(f"{name}: {others[name]['doubted']}")
    report = {
        "command": "python benchmarks/no_signal.py",
        "model": options.model,
        "confidence": CONFIDENCE,
        "within_km": WITHIN_KM,
        "seed": SEED,
        "first_view": FIRST_VIEW,
        "familiarity": {
            key: getattr(asked.known, key)
            for key in ("fitted_on", "pictures", "doubted", "least_contrast", "farthest")
        },
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "kinds": kinds,
        "views": views,
        "others": others,
    }
    write_whole(options.output, (json.dumps(report, indent=2) + "\n").encode())
    tell(str(options.output))


@dataclass(frozen=True)
class Answer:
    """What is kept of a prediction: thousands of densities are more than need be held."""

    place: tuple[float, float]
    radius_km: float
    region_km2: float
    passes: bool
    doubted: bool


class Asked:
    """A model with its familiarity and without."""

    def __init__(self, name: str) -> None:
        self.locator = Geolocator.load(name)
        if self.locator.model.familiarity is None:
            raise SystemExit(
                f"{name} does not know what its pictures look like; `graticule calibrate` teaches it."
            )
        self.known = self.locator.model.familiarity
        self.trusting = Geolocator(replace(self.locator.model, familiarity=None))

    def both(self, pixels: np.ndarray) -> dict[str, list[Answer]]:
        """What each says of (N, 3, S, S) pictures.

        A picture that is not doubted goes the same way in both, and is asked about once.
        """
        trusted = list(answers(self.trusting, pixels))
        doubted = [row for row, why in enumerate(self.locator.model.notices(torch.from_numpy(pixels))) if why]
        told = list(trusted)
        for row, answer in zip(doubted, answers(self.locator, pixels[doubted]), strict=True):
            told[row] = answer
        return {WITHOUT: trusted, WITH: told}


def answers(locator: Geolocator, pixels: np.ndarray) -> Iterator[Answer]:
    """One a picture; none is refused."""
    for start in range(0, len(pixels), BATCH):
        some = pixels[start : start + BATCH]
        for result in locator.answer(some, [f"picture {start + row}" for row in range(len(some))]):
            assert isinstance(result, Prediction)
            yield Answer(
                (result.latitude, result.longitude),
                result.radius_km,
                result.credible_region(MASS).area_km2,
                result.probability_within(WITHIN_KM) >= CONFIDENCE,
                result.notice is not None,
            )


def made(asked: Asked, kind: str, make: Callable[[Any], Image.Image], count: int) -> np.ndarray:
    """Pictures of a kind as the model reads them (N, 3, S, S)."""
    draw = np.random.default_rng([SEED, *kind.encode()])
    return np.stack([asked.locator.pixels(png(make(draw))) for _ in range(count)])


def views_of(mosaic: Mosaic, count: int, *, plain: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Fresh test views (N, 3, S, S), and where they look (N, 2)."""
    camera, pixels, lat_lon = Views(mosaic, "test", plain=plain), [], []
    for start in range(FIRST_VIEW, FIRST_VIEW + count, BATCH):
        looks, pose = camera.batch(np.arange(start, min(start + BATCH, FIRST_VIEW + count)))
        pixels.append(looks.numpy())
        lat_lon.append(torch.stack([pose.lat, pose.lon], dim=1).numpy())
    return np.concatenate(pixels), np.concatenate(lat_lon)


def variants(count: int) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Views of other sorts: some as good, some of Earths that the model does not know."""
    mosaic = Mosaic.open(training_mosaic_path())
    pixels, lat_lon = views_of(mosaic, count)
    luma = np.einsum("c,bchw->bhw", [0.299, 0.587, 0.114], pixels).round().astype(np.uint8)
    yield "plain", *views_of(mosaic, count, plain=True)
    yield "grey", np.repeat(luma[:, None], 3, axis=1), lat_lon
    yield "jpeg", np.stack([jpeg(picture) for picture in pixels]), lat_lon
    yield "half the exposure", pixels // 2, lat_lon
    with tempfile.TemporaryDirectory() as scratch:
        for name, path in mosaics(Path(scratch)).items():
            yield name, *views_of(Mosaic.open(path), count)


def jpeg(picture: np.ndarray) -> np.ndarray:
    """(3, S, S) as JPEG of quality 50 leaves it."""
    data = io.BytesIO()
    Image.fromarray(picture.transpose(1, 2, 0)).save(data, "JPEG", quality=50)
    return np.asarray(Image.open(data)).transpose(2, 0, 1)


def without_truth(told: dict[str, list[Answer]]) -> dict[str, Any]:
    """How many are doubted, how many pass, and how large regions of 90 % are."""
    return {
        "pictures": len(told[WITH]),
        "doubted": asdict(wilson([answer.doubted for answer in told[WITH]])),
        "passed": {
            version: asdict(wilson([answer.passes for answer in said])) for version, said in told.items()
        },
        "region_km2": {
            version: float(np.median([answer.region_km2 for answer in said]))
            for version, said in told.items()
        },
    }


def judged(asked: Asked, pixels: np.ndarray, lat_lon: np.ndarray) -> dict[str, Any]:
    """The same of views, and how good their answers are."""
    told = asked.both(pixels)
    km = {
        version: haversine_km(*np.array([answer.place for answer in said]).T, *lat_lon.T)
        for version, said in told.items()
    }
    held = {
        version: asdict(wilson(km[version] <= [answer.radius_km for answer in said]))
        for version, said in told.items()
    }
    change = asdict(paired_difference(km[WITH], km[WITHOUT]))
    return {**without_truth(told), "circles_hold": held, "geoscore_change": change["geoscore"]}


if __name__ == "__main__":
    main()
