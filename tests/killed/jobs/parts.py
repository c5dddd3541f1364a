"""What several jobs read: pictures with their places, and the small model of tests/faults."""

from faults.small import small_model
from graticule.data.orbit.folder import render_folder
from small_mosaic import small_mosaic


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
