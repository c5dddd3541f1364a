"""What the shipped model makes of the example pictures: features and vectors, from file to numbers.

    python tests/golden/orbit_features.py

writes them anew, after the model was trained anew. tests/faults/test_03_other_parts.py compares.
"""

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

FILE = Path(__file__).with_suffix(".safetensors")
PICTURES = Path(__file__).parents[2] / "examples" / "pictures"


@torch.no_grad()
def orbit_features():
    """(N, F) features of the example pictures, and (N, D) vectors where the gallery's are."""
    from graticule.locator import Geolocator

    geolocator = Geolocator.load("orbit")
    pixels = np.stack([geolocator.pixels(path) for path in sorted(PICTURES.glob("*.png"))])
    features = geolocator.model.encoder.encode(torch.from_numpy(pixels))
    return {"features": features, "vectors": geolocator.model.alignment.images(features)}


if __name__ == "__main__":
    save_file(orbit_features(), FILE)
