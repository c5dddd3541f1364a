"""Views of a mosaic as a folder of pictures with the table of their places."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from graticule.data.orbit.layouts import LAYOUTS, Part, Store, View
from graticule.data.orbit.mosaic import Mosaic
from graticule.data.orbit.views import Views, poses
from graticule.earth.borders import countries_at
from graticule.errors import ConfigError, InputError
from graticule.store import make_folder, write_whole

__all__ = ["render_folder"]

_BATCH_PIXELS = 256 * 64 * 64
_JPEG_QUALITY = 95


def render_folder(
    mosaic: Path,
    out: Path,
    *,
    views: int,
    seed: int = 0,
    size: int = 64,
    plain: bool = False,
    layout: str = "folder",
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Write views of any equirectangular mosaic as pictures, and the tables of their places, which come last.

    The same seed looks at the same places of every mosaic. In the layout `folder` they are views 0..N-1 of the test
    split, PNG, so that nothing is lost, beside truth.csv. The others are those of published data sets, which
    `graticule.data.sources` reads: JPEG; views for training are of the split `train`.

    Args:
        mosaic: an equirectangular picture of the whole Earth, any size, north up, from -180 to 180 degrees.
        out: the folder; made if need be. Layouts but `folder` want it empty.
        views: how many.
        seed: another seed, other views.
        size: pixels on a side.
        plain: without variation of light, haze and noise.
        layout: one of `graticule.data.orbit.layouts.LAYOUTS`.
        progress: told (done, total).

    Raises:
        PictureError: the mosaic can't be used.
        ConfigError: there is no such layout.
        InputError: the folder is not empty.
    """
    if layout not in LAYOUTS:
        raise ConfigError(f"layout: there is none called {layout!r}; choose {' or '.join(LAYOUTS)}.")
    earth = Mosaic.open(mosaic, working_width=_working_width(size))
    _make_way(out, layout)
    parts = LAYOUTS[layout](views)
    done = 0
    with Store(out) as store:
        for part in parts:
            camera = Views(earth, part.split, seed=seed, size=size, plain=plain)
            for index, picture in _pictures(camera, part.views):
                container, name = part.stored(index)
                store.add(container, name, _encoded(picture, name))
                done += 1
                if index + 1 == part.views or (index + 1) % _batch(size) == 0:
                    progress(done, views)
    for part in parts:
        write_whole(out / part.table, _table(part, seed).encode())


def _pictures(camera: Views, views: int) -> Iterator[tuple[int, Tensor]]:
    for start in range(0, views, _batch(camera.size)):
        indices = np.arange(start, min(start + _batch(camera.size), views))
        pixels, _ = camera.batch(indices)
        yield from zip(indices.tolist(), pixels, strict=True)


def _batch(size: int) -> int:
    return max(1, _BATCH_PIXELS // size**2)


def _encoded(picture: Tensor, name: str) -> bytes:
    """(3, S, S) uint8 as a file of the kind its name says."""
    data = io.BytesIO()
    image = Image.fromarray(picture.permute(1, 2, 0).numpy())
    if name.endswith(".png"):
        image.save(data, "PNG")
    else:
        image.save(data, "JPEG", quality=_JPEG_QUALITY)
    return data.getvalue()


def _table(part: Part, seed: int) -> str:
    pose = poses(part.split, np.arange(part.views), seed=seed)
    lat, lon = pose.lat.numpy(), pose.lon.numpy()
    text = io.StringIO()
    rows = csv.DictWriter(text, part.header.split(","), restval="", lineterminator="\n")
    rows.writeheader()
    for index, country in enumerate(countries_at(lat, lon)):
        rows.writerow(part.row(View(index, f"{lat[index]:.6f}", f"{lon[index]:.6f}", country)))
    return text.getvalue()


def _make_way(out: Path, layout: str) -> None:
    """See to it that nothing of an earlier rendering stands beside the new one."""
    make_folder(out)
    if layout != "folder":
        # It may be the data set itself: nothing is deleted.
        if any(out.iterdir()):
            raise InputError(f"{out}: is not empty; name a new folder for the layout {layout}.")
        return
    # An older table must not stand beside newer pictures, even if this run is cut short.
    (out / "truth.csv").unlink(missing_ok=True)
    for stale in out.glob("view-*.png"):
        stale.unlink()


def _working_width(size: int) -> int:
    """A mosaic as fine as the pictures: 5,400 pixels around the Earth for 64 a view."""
    return max(64, 5400 * size // 64)
