"""Model folders: what is written is read back, and nothing else is."""

import errno
import hashlib
import json
import os
import pickle
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load, save

from graticule import store
from graticule.encoders.orbit import OrbitEncoder
from graticule.errors import InputError, ModelFormatError, ModelNotFoundError
from graticule.model import Model
from graticule.store import (
    ModelFolder,
    add_texts,
    default_model,
    installed_models,
    make_folder,
    models_folder,
    pack,
    save_folder,
    save_tensors,
    shipped_models,
    unpack,
    write_whole,
)
from graticule.training.orbit import PACKING

shapes = st.lists(st.integers(1, 5), max_size=4)


@settings(deadline=None, max_examples=40)
@given(shapes, st.floats(1e-3, 1e3), st.integers(0, 1000))
def test_packing_keeps_what_it_promises(shape, size, seed):
    tensor = size * torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    half = unpack(pack({"x": tensor}, "float16"))["x"]
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, tensor, rtol=2**-11, atol=1e-7)
    small = unpack(pack({"x": tensor}, "int8"))["x"]
    assert small.dtype == torch.float32
    assert small.shape == tensor.shape
    if tensor.ndim > 1:
        largest = tensor.flatten(1).abs().amax(1)
        error = (small - tensor).flatten(1).abs().amax(1)
        assert (error <= largest / 254 * 1.001).all()
    else:
        torch.testing.assert_close(small, half)


def test_packing_leaves_exact_numbers_exact():
    exact = {
        "degrees": torch.tensor([[1 / 3, -179.999999999]], dtype=torch.float64),
        "count": torch.tensor(2**53 + 1),
        "rows": torch.arange(6).view(2, 3),
        "seen": torch.tensor([True, False]),
    }
    for packing in ("float16", "int8"):
        restored = unpack(pack(exact, packing))
        assert restored.keys() == exact.keys()
        for name, tensor in exact.items():
            assert restored[name].dtype == tensor.dtype
            assert torch.equal(restored[name], tensor)


def test_what_float16_cannot_hold_stays_float32():
    large = torch.tensor([1e6, 1.0001])
    assert torch.equal(unpack(pack({"x": large}, "float16"))["x"], large)


def test_float32_and_exact_keep_every_bit():
    halves = torch.randn(5, 7, generator=torch.Generator().manual_seed(0)).half().float()
    tensors = {
        "half": halves,
        "full": halves * 1.0001,
        "large": torch.tensor([1e6]),
        "nan": torch.tensor([torch.nan]),
    }
    for packing in ("float32", "exact"):
        packed = pack(tensors, packing)
        restored = unpack(packed)
        assert all(torch.equal(restored[name], tensors[name]) for name in ("half", "full", "large"))
        assert restored["nan"].isnan().all()
        assert packed["full"].dtype == packed["large"].dtype == torch.float32
        assert packed["half"].dtype == (torch.float16 if packing == "exact" else torch.float32)


def test_int8_survives_rows_of_zeros_and_strided_tensors():
    rows = torch.tensor([[0.0, 0.0], [3.0, -1.5]])
    torch.testing.assert_close(unpack(pack({"x": rows}, "int8"))["x"], rows, atol=0.013, rtol=0)
    filters = torch.randn(4, 3, 2, 2).contiguous(memory_format=torch.channels_last)
    for packing in ("float16", "int8"):
        stored = load(save(pack({"x": filters}, packing)))
        torch.testing.assert_close(unpack(stored)["x"], filters, atol=0.02, rtol=0)


PARTS = {
    "weights": {"w": torch.randn(3, 4), "b": torch.randn(3)},
    "gallery-00000": {"lat_lon": torch.randn(5, 2, dtype=torch.float64), "vectors": torch.randn(5, 8)},
    "gallery-00001": {"lat_lon": torch.randn(2, 2, dtype=torch.float64), "vectors": torch.randn(2, 8)},
}
FILES = ["config.json", "gallery-00000.safetensors", "gallery-00001.safetensors", "weights.safetensors"]


@pytest.fixture
def folder(tmp_path):
    save_folder(
        tmp_path / "m",
        {"name": "m", "n": [1, 2]},
        PARTS,
        packing={"gallery-00000": "int8"},
        texts={"CARD.md": "A card.\n"},
    )
    return tmp_path / "m"


def read(folder):
    model = ModelFolder(folder)
    return model.config(), [model.tensors(name) for name in [*model.names("gallery-"), "weights.safetensors"]]


def test_a_folder_round_trip(folder):
    config, (first, second, weights) = read(folder)
    assert config == {"name": "m", "n": [1, 2]}
    assert torch.equal(first["lat_lon"], PARTS["gallery-00000"]["lat_lon"])
    torch.testing.assert_close(first["vectors"], PARTS["gallery-00000"]["vectors"], atol=0.02, rtol=0)
    torch.testing.assert_close(second["vectors"], PARTS["gallery-00001"]["vectors"], atol=2e-3, rtol=1e-3)
    torch.testing.assert_close(weights["b"], PARTS["weights"]["b"], atol=2e-3, rtol=1e-3)
    assert (folder / "CARD.md").read_text() == "A card.\n"
    manifest = json.loads((folder / "manifest.json").read_text())
    assert set(manifest["files"]) == {path.name for path in folder.iterdir()} - {"manifest.json"}


def test_a_folder_written_again_keeps_nothing_old(folder):
    save_folder(folder, {"name": "n"}, {"weights": PARTS["weights"]})
    assert sorted(path.name for path in folder.glob("*.safetensors")) == ["weights.safetensors"]
    assert ModelFolder(folder).names("gallery-") == []


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("where", [0, 9, -1])
def test_a_flipped_bit_is_found(folder, name, where):
    data = bytearray((folder / name).read_bytes())
    data[where] ^= 1
    (folder / name).write_bytes(data)
    with pytest.raises(ModelFormatError, match=f"{name}: its SHA-256 is not the manifest's"):
        read(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_or_shortened_file_is_named(folder, name):
    (folder / name).write_bytes((folder / name).read_bytes()[:-3])
    with pytest.raises(ModelFormatError, match=name):
        read(folder)
    (folder / name).unlink()
    with pytest.raises(ModelFormatError, match=f"{name}: missing"):
        read(folder)


def test_a_file_the_manifest_does_not_know_is_not_read(folder):
    (folder / "extra.safetensors").write_bytes(save({"x": torch.ones(1)}))
    with pytest.raises(ModelFormatError, match=r"extra\.safetensors"):
        ModelFolder(folder).tensors("extra.safetensors")


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        ('{"format": 2, "files": {}}', "format 2 is not the 1"),
        ('{"files": {}}', "format None"),
        ('{"format": 1, "files": []}', "format 1"),
        ("[1]", "must be a JSON object"),
        ('{"format": 1,', "can't be read"),
        ("\udcff", "can't be read"),
        ('{"format": 1, "files": {"x.json": 7}}', "'x.json' is no file with its SHA-256"),
        ('{"format": 1, "files": {"x.json": "ab"}}', "'x.json' is no file with its SHA-256"),
        (f'{{"format": 1, "files": {{"../x.json": "{0:064}"}}}}', "'../x.json' is no file with its SHA-256"),
        (f'{{"format": 1, "files": {{"\\u0000": "{0:064}"}}}}', "is no file with its SHA-256"),
    ],
)
def test_a_manifest_of_another_kind_is_refused(folder, manifest, said):
    (folder / "manifest.json").write_bytes(manifest.encode(errors="surrogateescape"))
    with pytest.raises(ModelFormatError, match=re.escape(said)) as refusal:
        ModelFolder.find(folder)
    assert "manifest.json" in str(refusal.value)


def resigned(folder, name, data):
    """Replace a file, and make the manifest agree: what a forger can do."""
    (folder / name).write_bytes(data)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][name] = hashlib.sha256(data).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize("settings", [b"[]", b"null", b"{", b"\xff"])
def test_settings_that_are_none_are_refused(folder, settings):
    resigned(folder, "config.json", settings)
    with pytest.raises(ModelFormatError, match=r"config\.json"):
        ModelFolder(folder).config()


def test_a_text_that_is_none_is_refused(folder):
    resigned(folder, "calibration.json", b"\xff")
    with pytest.raises(ModelFormatError, match=r"calibration\.json: is no text in UTF-8"):
        ModelFolder(folder).text("calibration.json")


class Payload:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return Path.touch, (self.marker,)


@pytest.mark.parametrize("signed", [False, True])
def test_a_pickle_is_never_run(folder, tmp_path, signed):
    marker = tmp_path / "ran"
    payload = pickle.dumps(Payload(marker))
    pickle.loads(payload)  # the payload works, where something unpickles it
    marker.unlink()
    torch_payload = tmp_path / "payload.pt"
    torch.save(Payload(marker), torch_payload)
    for data in (payload, torch_payload.read_bytes()):
        if signed:
            resigned(folder, "weights.safetensors", data)
        else:
            (folder / "weights.safetensors").write_bytes(data)
        said = "not a safetensors file" if signed else "SHA-256"
        with pytest.raises(ModelFormatError, match=rf"weights\.safetensors: .*{said}"):
            read(folder)
    assert not marker.exists()


def test_what_is_read_is_what_the_library_reads(folder):
    tensors = {
        "matrix": torch.randn(3, 5),
        "number": torch.tensor(2.5),
        "none": torch.empty(0, 4),
        "half": torch.randn(3).half(),
        "brain": torch.randn(3).bfloat16(),
        "degrees": torch.randn(2, dtype=torch.float64),
        "counts": torch.arange(3),
        "bytes": torch.arange(5, dtype=torch.uint8),
        "small": torch.arange(-2, 3, dtype=torch.int8),
        "seen": torch.tensor([True, False, True]),
    }
    data = save(tensors, metadata={"made": "by hand"})
    resigned(folder, "weights.safetensors", data)
    found, expected = ModelFolder(folder).tensors("weights.safetensors"), unpack(load(data))
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert (found[name].dtype, found[name].shape) == (tensor.dtype, tensor.shape), name
        assert torch.equal(found[name], tensor), name


def safetensors_of(header, body=b""):
    head = json.dumps(header).encode()
    return len(head).to_bytes(8, "little") + head + body


@pytest.mark.parametrize(
    "header",
    [
        [],
        {"x": []},
        {"x": {}},
        {"x": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}},
        {"x": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}},
        {"x": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}},
        {"x": {"dtype": "F32", "shape": [3], "data_offsets": [0, 12]}},
        {"x": {"dtype": "F32", "shape": [-1, -2], "data_offsets": [0, 8]}},
        {"x": {"dtype": "F32", "shape": [2.0], "data_offsets": [0, 8]}},
        {"x": {"dtype": "F32", "shape": "2", "data_offsets": [0, 8]}},
        {"x": {"dtype": "F32", "shape": [2], "data_offsets": ["0", "8"]}},
        {"x": {"dtype": "PICKLE", "shape": [2], "data_offsets": [0, 8]}},
        {"x": {"dtype": "F32", "shape": [2**70, 0], "data_offsets": [0, 0]}},
        {name: {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} for name in "xy"},
    ],
)
def test_headers_that_lie_are_refused(folder, header):
    resigned(folder, "weights.safetensors", safetensors_of(header, body=bytes(8)))
    with pytest.raises(ModelFormatError, match=r"weights\.safetensors: not a safetensors file"):
        ModelFolder(folder).tensors("weights.safetensors")


def test_a_shape_of_huge_numbers_is_not_multiplied_out(folder):
    """Which took minutes."""
    header = {"x": {"dtype": "F32", "shape": [10**4000] * 3000, "data_offsets": [0, 8]}}
    resigned(folder, "weights.safetensors", safetensors_of(header, body=bytes(8)))
    with pytest.raises(ModelFormatError, match=r"weights\.safetensors: .*'x' has 3000 axes"):
        ModelFolder(folder).tensors("weights.safetensors")


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:40],
        lambda data: (2**62).to_bytes(8, "little") + data[8:],
        lambda data: (100_000_000).to_bytes(8, "little") + data[8:],
        lambda data: data.replace(b"[0,", b"[1,"),
        lambda data: data + b"more",
        lambda data: b"",
    ],
    ids=["truncated", "endless header", "huge header", "moved offsets", "trailing bytes", "empty"],
)
def test_malformed_safetensors_are_refused(folder, damage):
    data = damage((folder / "weights.safetensors").read_bytes())
    resigned(folder, "weights.safetensors", data)
    with pytest.raises(ModelFormatError, match=r"weights\.safetensors: not a safetensors file"):
        read(folder)


def test_a_half_written_folder_is_no_model(folder, monkeypatch):
    """Stopped at any file, the old model is gone and the new one is not there yet."""
    total = len(FILES) + 1
    for written in range(total):
        calls = []

        def stop(path, data, calls=calls, written=written):
            if len(calls) == written:
                raise KeyboardInterrupt
            calls.append(path)
            write_whole(path, data)

        with monkeypatch.context() as patch:
            patch.setattr(store, "write_whole", stop)
            with pytest.raises(KeyboardInterrupt):
                save_folder(folder, {"name": "new"}, PARTS)
        with pytest.raises(ModelNotFoundError, match=r"no folder at that path holds a manifest\.json"):
            ModelFolder.find(folder)
        with pytest.raises(ModelFormatError, match=r"manifest\.json"):
            ModelFolder(folder)
    save_folder(folder, {"name": "new"}, PARTS)
    assert read(folder)[0] == {"name": "new"}


def test_what_is_neither_a_name_nor_a_folder(tmp_path):
    for wrong in ("atlantis", tmp_path, tmp_path / "gone", ""):
        with pytest.raises(ModelNotFoundError, match="graticule models list"):
            ModelFolder.find(wrong)


def test_shipped_models_are_found_by_name(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(store.resources, "files", lambda package: tmp_path)
    assert shipped_models() == {}
    (tmp_path / "models").mkdir()
    folder.rename(tmp_path / "models" / "m")
    (tmp_path / "models" / "half").mkdir()
    assert list(shipped_models()) == ["m"]
    assert ModelFolder.find("m").config()["name"] == "m"


def test_a_shipped_name_wins_over_a_folder_of_that_name(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(store.resources, "files", lambda package: tmp_path)
    (tmp_path / "models").mkdir()
    folder.rename(tmp_path / "models" / "m")
    work = tmp_path / "work"
    save_folder(work / "m", {"name": "mine"}, PARTS)
    monkeypatch.chdir(work)
    assert ModelFolder.find("m").config()["name"] == "m"
    for said in ("./m", str(work / "m"), Path("m")):
        assert ModelFolder.find(said).config()["name"] == "mine"


# --- Models that were fetched -------------------------------------------------------------------------------


@pytest.fixture
def installed(tmp_path, monkeypatch):
    monkeypatch.setenv("GRATICULE_MODELS", str(tmp_path / "installed"))
    return tmp_path / "installed"


def test_installed_models_are_found_by_name(folder, installed, tmp_path, monkeypatch):
    assert installed_models() == {}
    folder.rename(make(installed) / "m")
    (installed / "half").mkdir()
    assert installed_models() == {"m": installed / "m"}
    work = tmp_path / "work"
    save_folder(work / "m", {"name": "mine"}, PARTS)
    monkeypatch.chdir(work)
    assert ModelFolder.find("m").config()["name"] == "m"
    assert ModelFolder.find("./m").config()["name"] == "mine"


def make(path):
    path.mkdir(parents=True)
    return path


def test_a_shipped_name_wins_over_an_installed_one(folder, installed):
    folder.rename(make(installed) / "orbit")
    assert ModelFolder.find("orbit").path == shipped_models()["orbit"]


def test_a_model_that_can_be_fetched_says_how(installed):
    with pytest.raises(
        ModelNotFoundError, match="geoclip: not installed yet; `graticule models pull geoclip`"
    ):
        ModelFolder.find("geoclip")


def test_without_a_name_geoclip_answers_or_nobody(folder, installed):
    with pytest.raises(ModelNotFoundError) as refusal:
        default_model()
    for said in ("`graticule models pull geoclip`", "The model orbit", "from above", "300 to 1200 km"):
        assert said in str(refusal.value)
    folder.rename(make(installed) / "geoclip")
    assert default_model() == "geoclip"


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {}, "home/.local/share/graticule/models"),
        ("linux", {"XDG_DATA_HOME": "{tmp}/data"}, "data/graticule/models"),
        ("linux", {"XDG_DATA_HOME": "relative"}, "home/.local/share/graticule/models"),
        ("linux", {"XDG_DATA_HOME": ""}, "home/.local/share/graticule/models"),
        ("linux", {"XDG_DATA_HOME": "{tmp}/data", "GRATICULE_MODELS": "{tmp}/mine"}, "mine"),
        ("linux", {"GRATICULE_MODELS": "~/mine"}, "home/mine"),
        ("darwin", {"XDG_DATA_HOME": "{tmp}/data"}, "home/Library/Application Support/graticule/models"),
        ("win32", {"LOCALAPPDATA": "{tmp}/local"}, "local/graticule/models"),
        ("win32", {}, "home/AppData/Local/graticule/models"),
    ],
)
def test_where_models_are_installed(tmp_path, monkeypatch, platform, variables, expected):
    for name in ("GRATICULE_MODELS", "XDG_DATA_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(store.sys, "platform", platform)
    for name, value in variables.items():
        monkeypatch.setenv(name, value.format(tmp=tmp_path))
    assert models_folder() == tmp_path / expected


def test_a_folder_is_made_or_said_why_not(tmp_path, monkeypatch):
    for _ in range(2):
        make_folder(tmp_path / "deep" / "er")
        assert (tmp_path / "deep" / "er").is_dir()
    (tmp_path / "file").write_text("")
    for wrong in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InputError, match=f"{re.escape(str(wrong))}: this folder can't be made"):
            make_folder(wrong)
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write everywhere
    with pytest.raises(InputError, match="er: nothing can be written to this folder"):
        make_folder(tmp_path / "deep" / "er")


def fail(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch, step):
    path = tmp_path / "deep" / "file.bin"
    write_whole(path, b"old")
    monkeypatch.setattr(os if step == "fsync" else Path, step, fail)
    with pytest.raises(OSError, match="No space left"):
        write_whole(path, b"new")
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert [child.name for child in path.parent.iterdir()] == ["file.bin"]
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"


def test_others_may_read_what_they_may_read_of_any_new_file(tmp_path):
    plain = tmp_path / "plain"
    plain.touch()
    save_tensors(tmp_path / "vectors.safetensors", {"vectors": torch.zeros(2, 3)})
    assert (tmp_path / "vectors.safetensors").stat().st_mode == plain.stat().st_mode
    assert sorted(path.name for path in tmp_path.iterdir()) == ["plain", "vectors.safetensors"]


# --- A whole model, as `Model.save` and `Model.open` see it ------------------------------------------------


@pytest.fixture
def model_folder(tiny_model_folder, tmp_path):
    copy = tmp_path / "tiny"
    copy.mkdir()
    for path in tiny_model_folder.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    return copy


def test_a_model_round_trip(tiny_model, model_folder, tmp_path, monkeypatch):
    monkeypatch.setattr("graticule.model.SHARD_ROWS", 64)
    tiny_model.save(tmp_path / "again", card="A card.", packing=PACKING)
    again = Model.open(tmp_path / "again")
    assert len(list((tmp_path / "again").glob("gallery-*"))) == 4
    assert again.config == tiny_model.config
    assert torch.equal(again.gallery.lat_lon, tiny_model.gallery.lat_lon)
    torch.testing.assert_close(again.gallery.vectors, tiny_model.gallery.vectors, atol=0.01, rtol=0)
    for part in ("encoder", "alignment", "geotoken"):
        before, after = getattr(tiny_model, part).state_dict(), getattr(again, part).state_dict()
        stored = unpack(pack(before, PACKING.get(part, "float16")))
        assert before.keys() == after.keys() == stored.keys()
        assert all(torch.equal(stored[name], after[name]) for name in before), part
    assert again.extras.keys() == {"baseline-classifier"}


def test_eight_bits_leave_features_where_they_were(tiny_model, tmp_path):
    torch.manual_seed(0)
    fresh = replace(tiny_model, encoder=OrbitEncoder(tiny_model.config.encoder))
    fresh.save(tmp_path / "fresh", card="A card.", packing=PACKING)
    rounded = Model.open(tmp_path / "fresh")
    pixels = torch.randint(256, (3, 3, 32, 32), dtype=torch.uint8)
    with torch.inference_mode():
        before, after = fresh.encoder.encode(pixels).float(), rounded.encoder.encode(pixels).float()
    assert not torch.equal(before, after)
    assert torch.cosine_similarity(before, after).min() > 0.999


def test_parts_of_another_design_are_refused(model_folder):
    config = json.loads((model_folder / "config.json").read_text())
    for part, name, value, said in [
        ("encoder", "squeeze", 9, "encoder.safetensors is not the encoder that config.json"),
        ("encoder", "width", 24, "the encoder gives features 24 wide"),
        ("geotoken", "vectors", {"image": 16, "location": 9}, "vectors 8 wide"),
        ("geotoken", "neighbour_vectors", None, "the gallery holds vectors of location only"),
        ("geotoken", "feed_forward", 48, "geotoken.safetensors is of another design"),
        (None, "gallery_rows", 199, "the gallery holds 200 rows"),
        (None, "purpose", None, "purpose"),
        ("encoder", "colour", "red", "colour"),
        ("encoder", "kind", "eagle", "none called 'eagle'; choose orbit or clip"),
        ("encoder", "kind", ["orbit"], "encoder: there is none called"),
        ("alignment", "kind", None, "none called None; choose sphere or geoclip"),
        (None, "encoder", "orbit", "encoder: there is none called None"),
        (None, "geotoken", None, "give settings of either geotoken or gallery_cells"),
        (None, "gallery_cells", {}, "give settings of either geotoken or gallery_cells"),
    ]:
        changed = json.loads(json.dumps(config))
        (changed[part] if part else changed)[name] = value
        resigned(model_folder, "config.json", json.dumps(changed).encode())
        with pytest.raises(ModelFormatError, match=said):
            Model.open(model_folder)


def test_a_gallery_that_is_missing_or_something_else_is_refused(model_folder, tiny_model_folder):
    resigned(model_folder, "gallery-00000.safetensors", save({"places": torch.zeros(3, 2)}))
    with pytest.raises(ModelFormatError, match="no gallery"):
        Model.open(model_folder)
    manifest = json.loads((tiny_model_folder / "manifest.json").read_text())
    del manifest["files"]["gallery-00000.safetensors"]
    (model_folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ModelFormatError, match="no gallery"):
        Model.open(model_folder)


NOWHERE = torch.tensor([[0.0, 0.0], [91.0, 0.0], [0.0, 0.0]], dtype=torch.float64)


@pytest.mark.parametrize(
    ("lat_lon", "vectors", "said"),
    [
        (NOWHERE, torch.ones(3, 8), "places that are not on Earth"),
        (NOWHERE * torch.nan, torch.ones(3, 8), "places that are not on Earth"),
        (NOWHERE[:, :1], torch.ones(3, 8), "not N x 2 degrees"),
        (NOWHERE[:1], torch.ones(3, 8), r"vectors of \(3, 8\), but they should be 1 x 8"),
        (NOWHERE[:1], torch.ones(1, 9), r"vectors of \(1, 9\)"),
        (NOWHERE[:1], torch.ones(1, 8, dtype=torch.int64), "vectors of"),
        (NOWHERE[:1], torch.ones(1, 8), "the gallery holds 1 rows"),
    ],
)
def test_a_gallery_of_nowhere_is_refused_even_under_a_true_manifest(model_folder, lat_lon, vectors, said):
    resigned(
        model_folder, "gallery-00000.safetensors", save({"lat_lon": lat_lon.contiguous(), "vectors": vectors})
    )
    with pytest.raises(ModelFormatError, match=said):
        Model.open(model_folder)


def test_texts_are_added_and_bound(tmp_path):
    save_folder(tmp_path, {"name": "m"}, {"part": {"a": torch.ones(3)}}, texts={"CARD.md": "card"})
    add_texts(tmp_path, {"calibration.json": "{}", "CARD.md": "another"})
    folder = ModelFolder(tmp_path)
    assert (folder.text("calibration.json"), folder.text("CARD.md")) == ("{}", "another")
    assert folder.text("fusion.json") is None
    assert torch.equal(folder.tensors("part.safetensors")["a"], torch.ones(3))
    (tmp_path / "calibration.json").write_text("[]")
    with pytest.raises(ModelFormatError, match=r"calibration\.json"):
        ModelFolder(tmp_path).text("calibration.json")


def test_adding_texts_stopped_half_way_leaves_a_model_without_them(tmp_path, monkeypatch):
    save_folder(tmp_path, {"name": "m"}, {"part": {"a": torch.ones(3)}}, texts={"calibration.json": "old"})
    write = store.write_whole

    def stopped(path, data):
        write(path, data)
        if path.name == "calibration.json":
            raise KeyboardInterrupt

    monkeypatch.setattr(store, "write_whole", stopped)
    with pytest.raises(KeyboardInterrupt):
        add_texts(tmp_path, {"calibration.json": "new"})
    folder = ModelFolder(tmp_path)
    assert folder.text("calibration.json") is None
    assert torch.equal(folder.tensors("part.safetensors")["a"], torch.ones(3))
