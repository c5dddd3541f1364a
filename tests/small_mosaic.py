"""A map of a tiny Earth to take pictures of."""

import numpy as np
from PIL import Image


def small_mosaic(path):
    """Write 360 x 180 pixels of smooth random colours, and seas; the same every time."""
    random = np.random.default_rng(0)
    coarse = Image.fromarray(random.integers(0, 256, (18, 36, 3), dtype=np.uint8))
    colours = np.asarray(coarse.resize((360, 180), Image.Resampling.BICUBIC)).copy()
    colours[np.roll(colours[..., 0], 90, axis=1) < 96] = (10, 30, 90)
    Image.fromarray(colours).save(path)
    return path
