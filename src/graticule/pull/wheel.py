"""GeoCLIP's heads and gallery, out of the wheel of its package.

The wheel is a zip file and is read as one: nothing of it is installed or run.
"""

from __future__ import annotations

import csv
import hashlib
import io
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from graticule.alignment.geoclip import GeoClipAlignment
from graticule.errors import InputError, ModelFormatError

__all__ = ["BYTES", "REQUIREMENT", "SHA256", "fetch_wheel", "read_wheel"]

REQUIREMENT: Final = "geoclip==1.3.0"
SHA256: Final = "08a93791166a279d52b95c466a952c75f17f654cc61bdf6ab20355325b564dec"
BYTES: Final = 40_292_198

_WEIGHTS: Final = "geoclip/model/weights/{}_weights.pth"
_GALLERY: Final = "geoclip/model/gps_gallery/coordinates_100K.csv"


def fetch_wheel(folder: Path) -> Path:
    """Fetch the wheel into a folder with pip, which knows the user's index, proxy and certificates.

    Raises:
        InputError: pip can't get it.
    """
    command = [
        sys.executable,
        "-P",
        "-m",
        "pip",
        "download",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
    ]
    command += ["--only-binary", ":all:", "--dest", str(folder), REQUIREMENT]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = list(folder.glob("geoclip-*.whl"))
    if done.returncode or not wheels:
        reason = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise InputError(
            f"pip could not download {REQUIREMENT} ({reason}). Go online, or get the wheel elsewhere "
            f"(pip download --no-deps {REQUIREMENT}) and give it with --wheel."
        )
    return wheels[0]


def read_wheel(path: Path) -> tuple[GeoClipAlignment, Tensor]:
    """The published heads, and the gallery's (N, 2) float64 coordinates in degrees.

    Raises:
        InputError: there is no such file.
        ModelFormatError: it is not the wheel that Graticule knows.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path}: can't be read ({error.strerror}); give the wheel of {REQUIREMENT}."
        ) from error
    digest = hashlib.sha256(data).hexdigest()
    if digest != SHA256:
        raise ModelFormatError(
            f"{path}: its SHA-256 is {digest}, that of {REQUIREMENT} is {SHA256}: damaged, or another "
            f"version. Get it anew: pip download --no-deps {REQUIREMENT}"
        )
    with zipfile.ZipFile(io.BytesIO(data)) as wheel:
        head, location, log_scale = (
            _weights(wheel, part) for part in ("image_encoder_mlp", "location_encoder", "logit_scale")
        )
        table = io.StringIO(wheel.read(_GALLERY).decode())
    alignment = GeoClipAlignment.from_published(head, location, log_scale=log_scale)
    rows = [(float(row["LAT"]), float(row["LON"])) for row in csv.DictReader(table)]
    return alignment, torch.tensor(rows, dtype=torch.float64)


def _weights(wheel: zipfile.ZipFile, part: str) -> Any:
    # `weights_only` builds tensors and plain containers and runs nothing that the file names.
    return torch.load(io.BytesIO(wheel.read(_WEIGHTS.format(part))), map_location="cpu", weights_only=True)
