"""Give the shipped model small pictures of its gallery, for the map to show: thumbnails.safetensors.

    python tools/make_thumbnails.py

The gallery's row k is the view k of the training split of Orbit, which is rendered again; the places must agree.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from PIL import Image

from graticule.data.orbit.mosaic import Mosaic, training_mosaic_path
from graticule.data.orbit.views import Views
from graticule.model import THUMBNAILS, Model
from graticule.retrieval.thumbnails import SIDE_PX, Thumbnails
from graticule.store import ModelFolder, save_tensors, shipped_models, write_manifest

_BATCH = 1024


def main() -> None:
    """Render, write, and bind them to the model by its manifest."""
    path = shipped_models()["orbit"]
    gallery = Model.open(path).gallery
    thumbnails = Thumbnails.of_pictures(_views(gallery.lat_lon))
    digest = save_tensors(path / THUMBNAILS, thumbnails.tensors())
    write_manifest(path, {**ModelFolder(path).digests, THUMBNAILS: digest})
    print(f"{len(thumbnails):,} thumbnails, {(path / THUMBNAILS).stat().st_size / 1e6:.1f} MB")


def _views(lat_lon: torch.Tensor) -> Iterator[Image.Image]:
    views = Views(Mosaic.open(training_mosaic_path()), "train", size=2 * SIDE_PX)
    for begin in range(0, len(lat_lon), _BATCH):
        rows = np.arange(begin, min(begin + _BATCH, len(lat_lon)))
        pixels, pose = views.batch(rows)
        if not torch.allclose(torch.stack([pose.lat, pose.lon], -1), lat_lon[rows], atol=1e-4):
            raise SystemExit(f"rows from {begin} of the gallery are not the views of the training split")
        yield from (Image.fromarray(one.permute(1, 2, 0).numpy()) for one in pixels)


if __name__ == "__main__":
    main()
