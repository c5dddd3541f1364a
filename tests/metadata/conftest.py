"""Small pictures with and without positions, and results files about them."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def exiftool():
    """The program; without it the test is skipped."""
    found = shutil.which("exiftool")
    if found is None:
        pytest.skip("exiftool is not on the PATH (libimage-exiftool-perl has it)")
    return found


@pytest.fixture
def save_picture():
    def save_picture(path, *, latitude=None, longitude=(11, 0, 0), letters="NE", seed=0, **options):
        """A picture of noise; `latitude` and `longitude` are degrees, minutes and seconds for its EXIF."""
        pixels = np.random.default_rng(seed).integers(0, 256, (24, 32, 3), np.uint8)
        if latitude is not None:
            exif = Image.Exif()
            exif[0x8825] = {1: letters[0], 2: latitude, 3: letters[1], 4: longitude}
            options["exif"] = exif.tobytes()
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path, **options)
        return path

    return save_picture


@pytest.fixture
def line():
    def line(path, **changes):
        """A line of `graticule locate`, as the values it stands for."""
        candidate = {"latitude": -43.0, "longitude": 5.0, "probability": 0.25, "cell": "0d4"}
        place = {"latitude": -43.1, "longitude": 5.25, "radius_km": 24.2}
        return {"path": str(path), **place, "candidates": [candidate], "model": "orbit"} | changes

    return line


@pytest.fixture
def save_results():
    def save_results(path, lines):
        """A results file; a line that is text is written as it is."""
        text = "".join((told if isinstance(told, str) else json.dumps(told)) + "\n" for told in lines)
        path.write_text(text, encoding="utf-8")
        return path

    return save_results


@pytest.fixture
def snapshot():
    def snapshot(folder):
        """Every file below a folder: whether it is a link, its permissions and its content."""
        return {
            str(path.relative_to(folder)): (path.is_symlink(), path.lstat().st_mode, path.read_bytes())
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }

    return snapshot
