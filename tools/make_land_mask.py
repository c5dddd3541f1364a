"""Make src/graticule/data/orbit/land.png: land and water, by the training mosaic's own water colour."""

from pathlib import Path

import numpy as np
from PIL import Image

from graticule.data.orbit.mosaic import Mosaic, training_mosaic_path

TARGET = Path(__file__).parents[1] / "src/graticule/data/orbit/land.png"


def main() -> None:
    """Halve the water plane to 2700 x 1350 and call land what is less than half water."""
    water = Mosaic.open(training_mosaic_path()).pixels[3, :, 1:-1].numpy()
    halved = water.reshape(1350, 2, 2700, 2).mean(axis=(1, 3))
    Image.fromarray(halved < 0.5).save(TARGET, optimize=True)
    print(f"{TARGET}: {np.mean(halved < 0.5):.1%} of the pixels are land")


if __name__ == "__main__":
    main()
