"""Fault 17: a native library never sees bytes that are not those that were written."""

import random

import faiss
import numpy as np
import pytest

from faults.fault import Fault
from faults.folders import copy_of, told
from faults.small import small_model
from graticule.retrieval import folder as folder_module
from graticule.store import ModelFolder

FAULT = Fault(
    number=17,
    fault="a damaged index body, which native libraries load silently or crash on",
    defence="every file is held against the manifest's SHA-256 before faiss is given a byte of it (store.py, "
    "retrieval/folder.py)",
)
BODY = "index.faiss"


@pytest.fixture(scope="module")
def indexed_folder(tmp_path_factory):
    """A model whose gallery is searched by faiss."""
    folder = tmp_path_factory.mktemp("indexed") / "small"
    small_model(indexed=True).save(folder, card="A card.")
    return folder


def damages(data):
    """What may become of a file: bits flipped, cut short, blocks lost or doubled, another's end."""
    draw = random.Random(0)
    for place in (0, 4, 8, 16, len(data) - 1, *(draw.randrange(len(data)) for _ in range(25))):
        flipped = bytearray(data)
        flipped[place] ^= 1 << draw.randrange(8)
        yield bytes(flipped)
    for _ in range(8):
        cut = draw.randrange(len(data))
        yield data[:cut]
        yield data[:cut] + bytes(len(data) - cut)
        yield data[:cut] + data[cut // 2 :]


def check(indexed_folder, picture, tmp_path, capsys, monkeypatch):
    """Each is refused by name, and none reaches faiss. Gives how many were tried."""
    tried, given = 0, []
    with monkeypatch.context() as patch:
        # Damaged bytes could end this very process: what stands in for faiss keeps them from it.
        patch.setattr(folder_module, "read_body", lambda data, *, name: given.append(name))
        for damaged in damages((indexed_folder / BODY).read_bytes()):
            folder = copy_of(indexed_folder, tmp_path / "model")
            (folder / BODY).write_bytes(damaged)
            status, line = told(capsys, "locate", picture, "--model", folder)
            assert given == [], "faiss was given damaged bytes"
            assert f"{BODY}: its SHA-256 is not the manifest's" in line
            assert status == 2
            tried += 1
    return tried


def test_an_index_that_is_whole_is_searched(indexed_folder, picture, capsys):
    status, line = told(capsys, "locate", picture, "--model", indexed_folder, "--format", "jsonl")
    assert status == 0, line


def test_a_damaged_one_is_refused_before_faiss_sees_it(
    indexed_folder, picture, tmp_path, capsys, monkeypatch, record_property
):
    record_property("inputs", check(indexed_folder, picture, tmp_path, capsys, monkeypatch))


def test_faiss_would_load_much_of_it_silently(indexed_folder):
    """Why the digest is needed: a flipped bit in the codes is an index like any other to faiss."""
    data = bytearray((indexed_folder / BODY).read_bytes())
    data[-1] ^= 1
    assert faiss.deserialize_index(np.frombuffer(data, dtype=np.uint8)).ntotal == 60


def test_without_the_defence_faiss_is_given_damaged_bytes(
    indexed_folder, picture, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(ModelFolder, "_check", lambda self, name, digest: None)
    with pytest.raises(AssertionError, match="faiss was given damaged bytes"):
        check(indexed_folder, picture, tmp_path, capsys, monkeypatch)
