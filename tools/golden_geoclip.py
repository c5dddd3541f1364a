"""Ask the package `geoclip` itself for the answers that tests/golden compares Graticule with.

It brings torchvision and is asked once, so it gets an environment of its own:

    python -m venv /tmp/geoclip
    /tmp/geoclip/bin/pip install torch==2.13.0 transformers==5.23.0 pandas==3.1.1 pillow==13.0.0 geopy tqdm pydantic
    /tmp/geoclip/bin/pip install --no-deps geoclip==1.3.0
    PYTHONPATH=src /tmp/geoclip/bin/python tools/golden_geoclip.py

It writes tests/golden/geoclip.json and geoclip_locations.safetensors. With `--compare tiny` or `--compare large` (a
CLIP of ViT-L/14's size, 1.2 GB in the temporary folder, minutes) it writes nothing: both sides answer in one process,
and the largest differences are told. The CLIP has random weights, the heads and the gallery are the published ones.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from safetensors.torch import save_file
from torch.nn import functional

GOLDEN = Path(__file__).parents[1] / "tests" / "golden"
sys.path.insert(0, str(GOLDEN))
import geoclip_parts as parts  # noqa: E402  (it lies beside the tests)

FULL = 40
"""Points whose whole vector is stored."""


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--compare", choices=["tiny", "large"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        parts.save_clip(folder / "clip", parts.LARGE if options.compare == "large" else parts.TINY)
        pictures = parts.save_pictures(folder)
        package = load_package(folder / "clip", every=1 if options.compare else parts.EVERY)
        if options.compare:
            compare(package, folder / "clip", pictures)
        else:
            write(package, pictures)


def load_package(clip: Path, *, every: int) -> Any:
    """The package's model with its own heads, so much of its own gallery, and the CLIP of a folder."""
    from geoclip import GeoCLIP

    package = GeoCLIP(clip_path=str(clip)).eval()
    package.gps_gallery = package.gps_gallery[::every].contiguous()
    remember(package.location_encoder, package.gps_gallery)
    return package


@torch.inference_mode()
def remember(encoder: torch.nn.Module, gallery: torch.Tensor) -> None:
    """Let a location encoder give what it gave for the gallery, not compute it anew for every picture."""
    known, compute = encoder(gallery), encoder.forward
    encoder.forward = lambda places: known if places is gallery else compute(places)


@torch.inference_mode()
def theirs(package: Any, lat_lon: torch.Tensor) -> torch.Tensor:
    """(N, 2) degrees -> the package's unit vectors."""
    return functional.normalize(package.location_encoder(lat_lon.float()), dim=1)


def write(package: Any, pictures: list[Path]) -> None:
    """Store the package's answers."""
    vectors = theirs(package, parts.points())
    save_file(
        {"first": vectors[:FULL].contiguous(), "along": vectors.double() @ parts.direction()},
        GOLDEN / "geoclip_locations.safetensors",
    )
    answers = [package.predict(str(picture), 5) for picture in pictures]
    packages = ("geoclip", "torch", "transformers", "pillow", "numpy")
    golden = {
        "versions": {package: version(package) for package in packages},
        "pictures": [{"lat_lon": g.tolist(), "probabilities": p.tolist()} for g, p in answers],
    }
    (GOLDEN / "geoclip.json").write_text(json.dumps(golden, indent=1) + "\n")


@torch.inference_mode()
def compare(package: Any, clip: Path, pictures: list[Path]) -> None:
    """Print how far Graticule is from the package."""
    from graticule.alignment.geoclip import GeoClipAlignment
    from graticule.encoders.clip import ClipEncoder

    start = time.perf_counter()
    encoder = ClipEncoder.from_folder(clip)
    print(f"the tower is read in {time.perf_counter() - start:.2f} s")
    alignment = GeoClipAlignment.from_published(
        package.image_encoder.mlp.state_dict(),
        package.location_encoder.state_dict(),
        log_scale=package.logit_scale.data,
    )
    lat_lon = parts.points()
    print("locations:", float((alignment.locations(lat_lon) - theirs(package, lat_lon)).abs().max()))
    # In parts, as `pull` does: other sizes round otherwise.
    gallery = torch.cat([alignment.locations(part) for part in package.gps_gallery.split(4096)])
    for picture in pictures:
        start = time.perf_counter()
        places, probabilities = package.predict(str(picture), 5)
        took = time.perf_counter() - start
        start = time.perf_counter()
        with Image.open(picture) as image:
            pixels = torch.from_numpy(encoder.prepare(image.convert("RGB")))[None]
        logits = alignment.scale * alignment.images(encoder.encode(pixels)) @ gallery.T
        best = logits.softmax(-1).topk(5)
        ours = time.perf_counter() - start
        same = torch.equal(package.gps_gallery[best.indices[0]], places)
        apart = float((best.values[0] - probabilities).abs().max())
        print(f"{picture.name}: same five: {same}, first {places[0].tolist()}, probabilities {probabilities[0]:.4f} "
              f"apart {apart:.1e}, {took:.2f} s and {ours:.2f} s")  # fmt: skip


if __name__ == "__main__":
    main()
