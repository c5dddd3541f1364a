"""Folders of an index made by a stranger: faiss, a native library, reads one of its files."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from random import Random

import torch
from torch.nn import functional

from fuzz.edits import bytes_edit, json_edit, mixed, tensors_edit
from fuzz.target import Target
from fuzz.targets.files import folder
from graticule.errors import ModelError
from graticule.retrieval.folder import BODY, INDEX, LAT_LON, VECTORS, IndexPlan, open_index, save_gallery
from graticule.retrieval.gallery import Gallery
from graticule.retrieval.ivfpq import IvfPqIndex, IvfPqIndexConfig
from graticule.store import write_manifest, write_whole

_ROWS, _WIDTH = 12, 4
_NAMES = (INDEX, LAT_LON, VECTORS, "manifest.json", BODY)


@cache
def _made() -> Path:
    """A whole index of a few rows."""
    path = folder("indexes") / "whole"
    torch.manual_seed(0)
    vectors = functional.normalize(torch.randn(_ROWS, _WIDTH), dim=-1).half()
    lat_lon = torch.linspace(-80, 80, 2 * _ROWS, dtype=torch.float64).view(_ROWS, 2)
    config = IvfPqIndexConfig(lists=2)
    digests = save_gallery(path, Gallery(lat_lon, vectors, IvfPqIndex.build(vectors.float(), config)))
    plan = IndexPlan(
        kind="ivfpq",
        rows=_ROWS,
        width=_WIDTH,
        encoder_digest="0" * 64,
        vectors="noise",
        features="0" * 64,
        settings=config,
    )
    told = plan.model_dump_json().encode()
    write_whole(path / INDEX, told)
    write_manifest(path, {**digests, INDEX: hashlib.sha256(told).hexdigest()})
    return path


def seeds() -> list[bytes]:
    """Each file as it should be, behind the number of its name."""
    return [bytes([number]) + (_made() / name).read_bytes() for number, name in enumerate(_NAMES)]


def one(data: bytes) -> None:
    """Put the file into a copy with a manifest that agrees, open the index and search it."""
    name = _NAMES[data[0] % len(_NAMES)] if data else INDEX
    path = folder("indexes") / "forged"
    shutil.rmtree(path, ignore_errors=True)
    shutil.copytree(_made(), path)
    (path / name).write_bytes(data[1:])
    if name != "manifest.json":
        manifest = json.loads((path / "manifest.json").read_bytes())
        manifest["files"][name] = hashlib.sha256(data[1:]).hexdigest()
        (path / "manifest.json").write_text(json.dumps(manifest))
    try:
        gallery = open_index(path)
    except ModelError as error:
        assert str(path) in str(error), error
        return
    assert len(gallery) == len(gallery.vectors) == len(gallery.lat_lon)
    similarities, rows = gallery.index.search(torch.ones(1, gallery.vectors.shape[1]), 1)
    assert similarities.shape == rows.shape == (1, 1)
    assert 0 <= int(rows) < len(gallery)
    assert bool((gallery.lat_lon.abs() <= torch.tensor([90.0, 180.0], dtype=torch.float64)).all())


def edit(data: bytes, chance: Random, seeds: Sequence[bytes]) -> bytes:
    """Break the file by its format."""
    if not data or chance.randrange(20) == 0:
        return bytes([chance.randrange(len(_NAMES))]) + data[1:]
    name, own = _NAMES[data[0] % len(_NAMES)], [seed[1:] for seed in seeds]
    change = mixed(tensors_edit if name.endswith(".safetensors") else json_edit)
    return data[:1] + (bytes_edit if chance.randrange(8) == 0 else change)(data[1:], chance, own)


TARGET = Target(
    name="indexes",
    door="retrieval.folder.open_index, Index.search",
    promise="an index of places on Earth that can be searched, or a ModelError that names the folder",
    seeds=seeds,
    one=one,
    edit=edit,
)
