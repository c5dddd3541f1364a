"""Fault 2: a safetensors file whose header lies is refused, and nothing is allocated for what it claims."""

import json
import os
import random
import resource
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from faults.fault import Fault
from faults.folders import copy_of, refused, resigned, told
from graticule import store
from graticule.errors import ModelFormatError
from graticule.model import Model

FAULT = Fault(
    number=2,
    fault="malformed safetensors: huge header, overlapping offsets, truncated",
    defence="headers are held against the file's size and against each other before a tensor is made of it (store.py)",
)

HUGE = 2**40


def file_of(header, body=bytes(16)):
    head = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(head).to_bytes(8, "little") + head + body


def entry(dtype="F32", shape=(4,), offsets=(0, 16)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


LIES = {
    "a header longer than the file": HUGE.to_bytes(8, "little") + b"{}",
    "a header as long as can be said": (2**64 - 1).to_bytes(8, "little") + b"{}",
    "no room for a header": b"\x02\x00\x00",
    "nothing": b"",
    "a header of nested lists": file_of(b"[" * 100_000),
    "a number of a million digits": file_of(b'{"x": ' + b"9" * 1_000_000 + b"}"),
    "overlapping tensors": file_of({"x": entry(), "y": entry(offsets=(8, 24))}, bytes(24)),
    "the same bytes twice": file_of({"x": entry(), "y": entry()}),
    "a hole": file_of({"x": entry(), "y": entry(offsets=(24, 40))}, bytes(40)),
    "bytes left over": file_of({"x": entry()}, bytes(20)),
    "a body cut short": file_of({"x": entry()}, bytes(12)),
    "a shape larger than its bytes": file_of({"x": entry(shape=(HUGE,))}),
    "offsets beyond the file": file_of({"x": entry(shape=(HUGE,), offsets=(0, 4 * HUGE))}),
    "sizes that overflow": file_of({"x": entry(shape=(2**33, 2**33), offsets=(0, 16))}),
    "negative sizes": file_of({"x": entry(shape=(-2, -2))}),
    "offsets that run backwards": file_of({"x": entry(offsets=(16, 0))}),
    "a type there is not": file_of({"x": entry(dtype="PICKLE")}),
    "no type": file_of({"x": {"shape": [4], "data_offsets": [0, 16]}}),
    "offsets that are text": file_of({"x": entry(offsets=("0", "16"))}),
    # One byte a row and a scale for each column would be spread out to their product.
    "scales that multiply": save(
        {"x": torch.ones(1, 400_000, dtype=torch.int8), "x/scale": torch.ones(400_000)}
    ),
    "a scale of nothing": save({"x": torch.ones(4, 4, dtype=torch.int8), "x/scale": torch.ones(0)}),
    "a scale of a number": save({"x": torch.tensor(1, dtype=torch.int8), "x/scale": torch.ones(4)}),
}


@contextmanager
def little_memory(more=300 * 2**20):
    """This process may have that much more address space, and no more, while the block runs."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + more, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def check(small_folder, picture, folder, capsys):
    """Each lie, under a true manifest, is refused by name and without a want of memory. Gives how many were tried."""
    Model.open(small_folder)  # what is heavy is imported
    for lie, data in LIES.items():
        copy_of(small_folder, folder)
        resigned(folder, "geotoken.safetensors", data)
        with little_memory():
            status, line = told(capsys, "locate", picture, "--model", folder)
        assert "geotoken.safetensors: not a safetensors file" in line, lie
        assert "memory" not in line, lie
        assert status == 2, lie
    return len(LIES)


needs_limits = pytest.mark.skipif(sys.platform != "linux", reason="reads its address space from /proc")


@needs_limits
def test_headers_that_lie_are_refused_and_nothing_is_allocated(
    small_folder, picture, tmp_path, capsys, record_property
):
    record_property("inputs", check(small_folder, picture, tmp_path / "model", capsys))


@needs_limits
def test_files_cut_anywhere_are_refused(small_folder, tmp_path, record_property):
    data = (small_folder / "alignment.safetensors").read_bytes()
    cuts = random.Random(0).sample(range(len(data)), 60)
    for cut in cuts:
        resigned(copy_of(small_folder, tmp_path / "model"), "alignment.safetensors", data[:cut])
        with pytest.raises(ModelFormatError, match=r"alignment\.safetensors: not a safetensors file"):
            Model.open(tmp_path / "model")
    record_property("inputs", len(cuts))


@needs_limits
@pytest.mark.parametrize("name", ["manifest.json", "config.json"])
def test_settings_nested_too_deep_or_too_large_are_refused(small_folder, picture, tmp_path, capsys, name):
    for data in (b"[" * 100_000, b'{"format": ' + b"9" * 1_000_000 + b"}"):
        folder = copy_of(small_folder, tmp_path / "model")
        if name == "manifest.json":
            (folder / name).write_bytes(data)
        else:
            resigned(folder, name, data)
        refused(capsys, f"{name}: can't be read", "locate", picture, "--model", folder)


@needs_limits
def test_a_file_of_holes_is_refused(small_folder, picture, tmp_path, capsys):
    folder = copy_of(small_folder, tmp_path / "model")
    os.truncate(folder / "geotoken.safetensors", 2**40)
    with little_memory():
        refused(capsys, "geotoken.safetensors: larger than the memory", "locate", picture, "--model", folder)


def believing(data):
    """The tensors as the header says that they are."""
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return {
        name: torch.zeros(told["shape"], dtype=store._DTYPES[told["dtype"]]) for name, told in header.items()
    }


@needs_limits
def test_without_the_defence_a_header_is_believed(small_folder, picture, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(store, "_views", believing)
    with pytest.raises(AssertionError):
        check(small_folder, picture, tmp_path / "model", capsys)


@needs_limits
def test_without_the_defence_scales_multiply(small_folder, picture, tmp_path, capsys, monkeypatch):
    def spread(tensors):
        out = {name: tensor for name, tensor in tensors.items() if not name.endswith("/scale")}
        for name, tensor in out.items():
            if name + "/scale" in tensors:
                scale = tensors[name + "/scale"]
                out[name] = tensor.float() * scale.view(-1, *[1] * (tensor.ndim - 1))
        return out

    monkeypatch.setattr(store, "unpack", spread)
    with pytest.raises(AssertionError, match="scales that multiply"):
        check(small_folder, picture, tmp_path / "model", capsys)
