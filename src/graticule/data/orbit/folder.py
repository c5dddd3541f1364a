"""Views of a mosaic as a folder of pictures with truth.csv."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from graticule.data.orbit.mosaic import Mosaic
from graticule.data.orbit.views import Views
from graticule.store import make_folder, write_whole

__all__ = ["render_folder"]

_BATCH_PIXELS = 256 * 64 * 64


def render_folder(
    mosaic: Path,
    out: Path,
    *,
    views: int,
    seed: int = 0,
    size: int = 64,
    plain: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Write views 0..N-1 of the test split of any equirectangular mosaic, and truth.csv, which comes last.

    The same seed looks at the same places of every mosaic. Pictures are PNG: nothing is lost.

    Args:
        mosaic: an equirectangular picture of the whole Earth, any size, north up, from -180 to 180 degrees.
        out: the folder; made if need be.
        views: how many.
        seed: another seed, other views.
        size: pixels on a side.
        plain: without variation of light, haze and noise.
        progress: told (done, total).

    Raises:
        PictureError: the mosaic can't be used.
    """
    camera = Views(
        Mosaic.open(mosaic, working_width=_working_width(size)), "test", seed=seed, size=size, plain=plain
    )
    make_folder(out)
    # An older table must not stand beside newer pictures, even if this run is cut short.
    (out / "truth.csv").unlink(missing_ok=True)
    for stale in out.glob("view-*.png"):
        stale.unlink()
    table = io.StringIO()
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow(["path", "latitude", "longitude"])
    batch = max(1, _BATCH_PIXELS // size**2)
    for start in range(0, views, batch):
        indices = np.arange(start, min(start + batch, views))
        pixels, pose = camera.batch(indices)
        for index, picture, lat, lon in zip(indices, pixels, pose.lat, pose.lon, strict=True):
            name = f"view-{index:06d}.png"
            Image.fromarray(picture.permute(1, 2, 0).numpy()).save(out / name)
            rows.writerow([name, f"{lat:.6f}", f"{lon:.6f}"])
        progress(int(indices[-1]) + 1, views)
    write_whole(out / "truth.csv", table.getvalue().encode())


def _working_width(size: int) -> int:
    """A mosaic as fine as the pictures: 5,400 pixels around the Earth for 64 a view."""
    return max(64, 5400 * size // 64)
