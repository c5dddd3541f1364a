"""A model whose gallery is large: it stays on disk, and its index comes with it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from graticule.errors import ModelFormatError
from graticule.model import Model
from graticule.retrieval.exact import ExactIndex
from graticule.retrieval.gallery import Gallery
from graticule.retrieval.ivfpq import IvfPqIndex, IvfPqIndexConfig
from graticule.store import write_manifest


@pytest.fixture
def large(clear_model):
    """The tiny model with an index over its gallery, its vectors in float16."""
    vectors = clear_model.gallery.vectors.half()
    index = IvfPqIndex.build(vectors, IvfPqIndexConfig(lists=4, probes=3))
    return replace(clear_model, gallery=Gallery(clear_model.gallery.lat_lon, vectors, index))


@pytest.fixture
def folder(large, tmp_path):
    large.save(tmp_path / "large", card="A card.")
    return tmp_path / "large"


@pytest.fixture
def features(large):
    return torch.randn(5, large.config.encoder.width, generator=torch.Generator().manual_seed(3))


def test_it_comes_back_with_its_index(large, folder, features):
    again = Model.open(folder)
    assert again.config.index == IvfPqIndexConfig(lists=4, probes=3)
    stored = {name: getattr(again.config, name) for name in ("index", "encoder_digest", "features_digest")}
    assert again.config == large.config.model_copy(update=stored)
    assert isinstance(again.index, IvfPqIndex)
    assert torch.equal(again.gallery.vectors, large.gallery.vectors)
    assert torch.equal(again.gallery.lat_lon, large.gallery.lat_lon)
    assert not list(folder.glob("gallery-*"))
    for model in (large, again):
        neighbours = model.query_of_features(features).neighbours
        assert neighbours.vectors["location"].dtype == neighbours.similarities.dtype == torch.float32
    before, after = (model.query_of_features(features).neighbours for model in (large, again))
    torch.testing.assert_close(after.similarities, before.similarities, atol=2e-3, rtol=0)
    assert torch.equal(after.lat_lon, before.lat_lon)
    assert torch.equal(after.tokens, before.tokens)


def test_neighbours_are_those_of_an_exact_index(large, features):
    few = replace(large, gallery=Gallery(large.gallery.lat_lon, large.gallery.vectors))
    assert isinstance(few.index, ExactIndex)
    probed = IvfPqIndex(large.gallery.vectors, large.index.body, IvfPqIndexConfig(lists=4, probes=4))
    every = replace(large, gallery=replace(large.gallery, built=probed))
    found, expected = (model.query_of_features(features).neighbours for model in (every, few))
    assert torch.equal(found.lat_lon, expected.lat_lon)
    torch.testing.assert_close(found.similarities, expected.similarities)


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs Linux")
def test_its_vectors_stay_on_disk(folder):
    model = Model.open(folder)
    at = model.gallery.vectors.data_ptr()
    for line in Path("/proc/self/maps").read_text().splitlines():
        first, last = (int(end, 16) for end in line.split()[0].split("-"))
        if first <= at < last:
            assert line.endswith(str(folder / "vectors.safetensors"))
            return
    pytest.fail("the vectors are nowhere")


def test_it_can_be_saved_where_it_was_opened(folder, features):
    model = Model.open(folder)
    before = model.query_of_features(features).neighbours
    model.save(folder, card="Another card.")
    after = Model.open(folder).query_of_features(features).neighbours
    assert torch.equal(after.similarities, before.similarities)
    assert (folder / "MODEL_CARD.md").read_text() == "Another card."


def test_an_exact_one_in_float16_stays_on_disk_too(large, tmp_path, features):
    few = replace(large, gallery=Gallery(large.gallery.lat_lon, large.gallery.vectors))
    few.save(tmp_path / "few", card="A card.")
    again = Model.open(tmp_path / "few")
    assert again.gallery.vectors.dtype == torch.float16
    assert isinstance(again.index, ExactIndex)
    assert not (tmp_path / "few" / "index.faiss").exists()
    # The weights of the alignment were rounded on their way.
    found, expected = (model.query_of_features(features).neighbours for model in (again, few))
    torch.testing.assert_close(found.similarities, expected.similarities, atol=2e-3, rtol=0)


@pytest.mark.parametrize(
    ("part", "changed", "said"),
    [("gallery_rows", 7, r"vectors\.safetensors"), ("index", {"kind": "tree"}, "none called .tree.")],
)
def test_settings_of_another_gallery_are_refused(folder, part, changed, said):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, part: changed}))
    sign(folder, "config.json")
    with pytest.raises(ModelFormatError, match=said):
        Model.open(folder)


def test_an_index_of_another_model_is_refused(folder, large, tmp_path):
    rows = slice(0, 150)
    vectors = large.gallery.vectors[rows]
    gallery = Gallery(large.gallery.lat_lon[rows], vectors, IvfPqIndex.build(vectors))
    replace(large, gallery=gallery).save(tmp_path / "other", card="A card.")
    for name in ("index.faiss", "vectors.safetensors", "lat_lon.safetensors"):
        whole = (folder / name).read_bytes()
        (folder / name).write_bytes((tmp_path / "other" / name).read_bytes())
        with pytest.raises(ModelFormatError, match=f"{name}: its SHA-256"):
            Model.open(folder)
        sign(folder, name)
        with pytest.raises(ModelFormatError, match=name):
            Model.open(folder)
        (folder / name).write_bytes(whole)
        sign(folder, name)
    assert Model.open(folder)


def sign(folder, name):
    """Make the manifest agree with a file: what a forger can do."""
    import hashlib

    digests = json.loads((folder / "manifest.json").read_text())["files"]
    write_manifest(folder, {**digests, name: hashlib.sha256((folder / name).read_bytes()).hexdigest()})
