"""What several jobs read: pictures with their places, and the small model of tests/faults."""

import numpy as np
from PIL import Image

from faults.small import small_model
from graticule.data.orbit.folder import render_folder


def small_mosaic(path):
    """A map of the Earth to take pictures of: 360 x 180 pixels of smooth random colours, and seas."""
    random = np.random.default_rng(0)
    coarse = Image.fromarray(random.integers(0, 256, (18, 36, 3), dtype=np.uint8))
    colours = np.asarray(coarse.resize((360, 180), Image.Resampling.BICUBIC)).copy()
    colours[np.roll(colours[..., 0], 90, axis=1) < 96] = (10, 30, 90)
    Image.fromarray(colours).save(path)
    return path


def render(root, name, **options):
    """Pictures with their places, in a folder of that name."""
    mosaic = root / "mosaic.png"
    if not mosaic.exists():
        small_mosaic(mosaic)
    render_folder(mosaic, root / name, size=16, seed=3, **options)
    return root / name


def save_model(root):
    small_model().save(root / "model", card="A card.")
    return root / "model"
