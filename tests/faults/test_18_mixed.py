"""Fault 18: an index, a gallery and a model that were not made for each other don't answer together."""

import shutil

import pytest

from faults.fault import Fault
from faults.folders import copy_of, refused, resigned, told
from faults.small import small_model
from graticule import model as model_module
from graticule.retrieval import folder as folder_module
from graticule.retrieval.folder import open_index
from graticule.retrieval.gallery import Gallery
from graticule.training import neighboured

FAULT = Fault(
    number=18,
    fault="an index, a gallery and a model that do not belong together",
    defence="config.json and index.json hold the encoder's digest, the width and the count, and each is held against "
    "what the other files hold (model.py, retrieval/folder.py, training/neighboured.py)",
)
GALLERY = "gallery-00000.safetensors"
INDEXED = ("index.faiss", "vectors.safetensors", "lat_lon.safetensors")


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Folders of models: small and other differ in weights, few and few-indexed in how many places they know."""
    root = tmp_path_factory.mktemp("models")
    for name, settings in {
        "small": {},
        "other": {"seed": 1},
        "few": {"rows": 50},
        "indexed": {"indexed": True},
        "few-indexed": {"indexed": True, "rows": 50},
    }.items():
        small_model(**settings, name=name).save(root / name, card="A card.")
    return root


@pytest.fixture(scope="module")
def indexed_features(models, pictures, tmp_path_factory):
    """Features of the same pictures by both encoders, and an index of the first, with neighbours."""
    root = tmp_path_factory.mktemp("features")
    shutil.copytree(pictures[0].parent, root / "source")
    shutil.copy(pictures[0].parents[1] / "truth.csv", root / "source")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        for name in ("small", "other"):
            command(
                "extract", "folder", "source", "--encoder", models / name, "--out", root / f"features-{name}"
            )
        command(
            "index",
            "features-small",
            "--alignment",
            models / "small",
            "--neighbours",
            4,
            "--out",
            root / "index",
        )
    return root


def command(*arguments):
    from graticule.cli import main

    with pytest.raises(SystemExit) as leaving:
        main([str(argument) for argument in arguments])
    assert not leaving.value.code


def check_galleries(models, picture, tmp_path, capsys):
    """The gallery or index of a model of another count is refused under a true manifest. Gives how many were tried."""
    for whole, parts, other in (("small", [GALLERY], "few"), ("indexed", INDEXED, "few-indexed")):
        for part in parts:
            mixed = copy_of(models / whole, tmp_path / "mixed")
            resigned(mixed, part, (models / other / part).read_bytes())
            status, line = told(capsys, "locate", picture, "--model", mixed)
            assert status == 2, f"{part}: {line}"
            assert "50" in line, "it says how many there are"
            assert str(mixed) in line or part in line
    return 1 + len(INDEXED)


def check_encoders(models, features, capsys):
    """Features of one encoder are not indexed by another's alignment, nor learned from with another's index."""
    refused(
        capsys,
        "encoder",
        "index",
        features / "features-other",
        "--alignment",
        models / "small",
        "--out",
        features / "x",
    )
    refused(
        capsys,
        "their features can't be compared",
        "train",
        "geotoken",
        features / "features-other",
        *("--index", features / "index", "--alignment", models / "other", "--out", features / "y"),
    )
    return 2


def test_a_gallery_of_another_model_is_refused(models, picture, tmp_path, capsys, record_property):
    record_property("inputs", check_galleries(models, picture, tmp_path, capsys))


def test_features_of_another_encoder_are_refused(models, indexed_features, capsys, record_property):
    record_property("inputs", check_encoders(models, indexed_features, capsys))


def test_without_the_defence_another_gallery_answers(models, picture, tmp_path, capsys, monkeypatch):
    def trusting(folder, config):
        return Gallery.from_shards(folder.tensors(name) for name in folder.names("gallery-"))

    monkeypatch.setattr(model_module, "_gallery", trusting)
    with pytest.raises(AssertionError, match="gallery-00000"):
        check_galleries(models, picture, tmp_path, capsys)


def test_without_the_defence_another_index_answers(models, picture, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(
        folder_module, "mapped_matrix", lambda folder, file, name, shape: folder.mapped(file)[name]
    )
    with pytest.raises(AssertionError):
        check_galleries(models, picture, tmp_path, capsys)


def test_without_the_defence_another_encoder_is_learned_from(models, indexed_features, capsys, monkeypatch):
    monkeypatch.setattr(neighboured, "open_index", lambda path, encoder_digest=None: open_index(path))
    with pytest.raises(AssertionError):
        check_encoders(models, indexed_features, capsys)
