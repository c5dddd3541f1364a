"""Model folders made by a stranger: one file is broken, and the manifest made to agree, as a forger would."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from random import Random

from fuzz.edits import bytes_edit, json_edit, mixed, tensors_edit
from fuzz.target import Target
from fuzz.targets.files import folder, small_model
from graticule.errors import GraticuleError, ModelError
from graticule.prediction import Refusal
from graticule.store import shipped_models

_FURTHER = {"calibration.json", "familiarity.json", "fusion.json", "thumbnails.safetensors", "manifest.json"}
"""Files that the small model lacks, or that are no part of its manifest."""


@cache
def _names() -> list[str]:
    """The files of a model, in the order that an input's first byte counts them."""
    return sorted({path.name for path in small_model().iterdir()} - {"MODEL_CARD.md"} | _FURTHER)


@cache
def seeds() -> list[bytes]:
    """Each file of a model as it should be, behind the number of its name."""
    return [bytes([number]) + _whole(name) for number, name in enumerate(_names())]


def one(data: bytes) -> None:
    """Put the file into a copy, open the model, and ask it about a picture."""
    from graticule.locator import Geolocator

    name = _names()[data[0] % len(_names())] if data else "config.json"
    path = _forged(name, data[1:])
    try:
        geolocator = Geolocator.load(path)
        [result] = geolocator.locate(_picture())
    except ModelError as error:
        assert str(path) in str(error), error
    except GraticuleError:
        pass
    else:
        if not isinstance(result, Refusal):
            numbers = (result.latitude, result.longitude, result.radius_km)
            assert all(map(math.isfinite, numbers)), numbers
            assert (result.latitude, result.longitude) != (0, 0)
            json.dumps([candidate.probability for candidate in result.candidates], allow_nan=False)


def edit(data: bytes, chance: Random, seeds: Sequence[bytes]) -> bytes:
    """Break the file by its format; now and then give it another name."""
    if not data or chance.randrange(20) == 0:
        return bytes([chance.randrange(len(_names()))]) + data[1:]
    name, own = _names()[data[0] % len(_names())], [seed[1:] for seed in seeds]
    change = mixed(tensors_edit if name.endswith(".safetensors") else json_edit)
    return data[:1] + (bytes_edit if chance.randrange(8) == 0 else change)(data[1:], chance, own)


def _whole(name: str) -> bytes:
    """What a model would have in a file of that name."""
    from safetensors.torch import save

    if (small_model() / name).exists():
        return (small_model() / name).read_bytes()
    if name == "familiarity.json":
        return (shipped_models()["orbit"] / name).read_bytes()
    if name == "thumbnails.safetensors":
        import torch

        return bytes(save({"ends": torch.arange(60), "data": torch.zeros(59, dtype=torch.uint8)}))
    if name == "fusion.json":
        return b'{"model": "small", "fitted_on": "views", "pictures": 9, "weights": {"probability": 1.0}}'
    steps = [step / 100 for step in range(1, 100)]
    settings = {"model": "small", "fitted_on": "views", "pictures": 9, "mass": 0.95, "width": 8}
    lists = {"temperatures": [1.1, 0.9, 1.0], "blend": None, "regions": steps, "circles": [1.0] * 98 + [None]}
    return json.dumps(settings | lists).encode()


def _forged(name: str, content: bytes) -> Path:
    path = folder("models") / "model"
    if not path.exists():
        shutil.copytree(small_model(), path)
    manifest = json.loads((small_model() / "manifest.json").read_bytes())
    for other in _names():
        whole = small_model() / other
        if other == name:
            (path / other).write_bytes(content)
        elif not whole.exists():
            (path / other).unlink(missing_ok=True)
        elif (path / other).stat().st_size != whole.stat().st_size or other in _touched:
            shutil.copyfile(whole, path / other)
    _touched.clear()
    _touched.add(name)
    if name != "manifest.json":
        manifest["files"][name] = hashlib.sha256(content).hexdigest()
        (path / "manifest.json").write_text(json.dumps(manifest))
    return path


_touched: set[str] = set()
"""The file that the last input broke."""


@cache
def _picture() -> Path:
    from PIL import Image

    path = folder("models") / "picture.png"
    Image.new("RGB", (40, 40), (90, 120, 60)).save(path)
    return path


TARGET = Target(
    name="models",
    door="locator.Geolocator.load, Geolocator.locate",
    promise="an answer on Earth, or a GraticuleError; of a folder that can't be opened, one that names it",
    seeds=seeds,
    one=one,
    edit=edit,
)
