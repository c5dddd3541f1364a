"""Fault 3: weights answer for the settings they were trained with, and for no others."""

import json
import shutil
from contextlib import nullcontext

import pytest
import torch
from safetensors.torch import load_file

from faults.fault import Fault
from faults.folders import copy_of, forget_encoder, refused, resigned
from faults.small import small_model
from golden.orbit_features import FILE, orbit_features
from graticule import locator, restoring, store
from graticule import model as model_module

FAULT = Fault(
    number=3,
    fault="weights under another architecture, preprocessing or encoder",
    defence="a manifest of digests; a digest over the encoder's settings and weights in config.json; shapes that fit; "
    "golden embeddings of the shipped model (store.py, model.py)",
)
ABSURD = [
    # A network that would fill the memory, or take an hour to make.
    ("encoder", "widths", [200_000, 200_000]),
    ("encoder", "depths", [1, 20_000]),
    ("encoder", "widths", []),
    ("encoder", "squeeze", -1),
    ("geotoken", "levels", [0, 20]),
    ("geotoken", "levels", [2, 0]),
    ("geotoken", "neighbours", 10**8),
    ("geotoken", "encoder_layers", 20_000),
]
PARTS = ("encoder", "alignment", "geotoken", "gallery-00000")
SETTINGS = [
    # The same weights, read otherwise: nothing but the digest can tell.
    ("encoder", "size", 40),
    ("encoder", "turns", 1),
    # Weights of other shapes.
    ("encoder", "widths", [8, 12]),
    ("alignment", "hidden", 7),
    ("geotoken", "levels", [0, 2, 5]),
    ("geotoken", "decoder_layers", 2),
    ("geotoken", "feed_forward", 48),
    ("geotoken", "prefix_place", False),
]


@pytest.fixture(scope="module")
def other_folder(tmp_path_factory):
    """A model of the same design and of other weights."""
    folder = tmp_path_factory.mktemp("other") / "small"
    small_model(seed=1).save(folder, card="A card.")
    return folder


def check_mixed(folder, other, picture, tmp_path, capsys):
    """A model with a part of another is refused. Gives how many were tried."""
    for part in PARTS:
        mixed = copy_of(folder, tmp_path / "mixed")
        shutil.copy(other / f"{part}.safetensors", mixed)
        refused(capsys, f"{part}.safetensors: its SHA-256", "locate", picture, "--model", mixed)
    return len(PARTS)


def check_encoder(folder, other, picture, tmp_path, capsys):
    """The encoder of another is refused even where the manifest was made to agree."""
    forged = copy_of(folder, tmp_path / "forged")
    resigned(forged, "encoder.safetensors", (other / "encoder.safetensors").read_bytes())
    refused(capsys, "encoder.safetensors is not the encoder", "locate", picture, "--model", forged)


def check_settings(folder, picture, tmp_path, capsys):
    """So are other settings than those of the weights. Gives how many were tried."""
    config = json.loads((folder / "config.json").read_text())
    for part, field, value in SETTINGS:
        changed = {**config, part: {**config[part], field: value}}
        forged = copy_of(folder, tmp_path / "forged")
        resigned(forged, "config.json", json.dumps(changed).encode())
        refused(capsys, f"{part}.safetensors is ", "locate", picture, "--model", forged)
    return len(SETTINGS)


def check_absurd(folder, picture, tmp_path, capsys):
    """Settings that no network of these weights has are refused before there is one. Gives how many were tried."""
    for part, field, value in ABSURD:
        forged = copy_of(folder, tmp_path / "forged")
        forget_encoder(forged)
        config = json.loads((forged / "config.json").read_text())
        config[part][field] = value
        resigned(forged, "config.json", json.dumps(config).encode())
        refused(capsys, f"of which no {part} can be made", "locate", picture, "--model", forged)
    return len(ABSURD)


def check_golden():
    """The shipped model makes of pictures what it made of them when it was judged."""
    found, golden = orbit_features(), load_file(FILE)
    for name, expected in golden.items():
        torch.testing.assert_close(found[name], expected, rtol=0, atol=1e-3)
    return len(golden["features"])


def test_a_part_of_another_model_is_refused(
    small_folder, other_folder, picture, tmp_path, capsys, record_property
):
    record_property("inputs", check_mixed(small_folder, other_folder, picture, tmp_path, capsys))


def test_another_encoder_is_refused_under_a_true_manifest(
    small_folder, other_folder, picture, tmp_path, capsys
):
    check_encoder(small_folder, other_folder, picture, tmp_path, capsys)


def test_other_settings_are_refused_under_a_true_manifest(
    small_folder, picture, tmp_path, capsys, record_property
):
    record_property("inputs", check_settings(small_folder, picture, tmp_path, capsys))


def test_settings_that_describe_another_size_are_refused(
    small_folder, picture, tmp_path, capsys, record_property
):
    record_property("inputs", check_absurd(small_folder, picture, tmp_path, capsys))


def test_the_shipped_model_sees_what_it_saw(record_property):
    record_property("inputs", check_golden())


def test_without_the_defence_a_part_of_another_model_answers(
    small_folder, other_folder, picture, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(store.ModelFolder, "_check", lambda self, name, digest: None)
    with pytest.raises(AssertionError):
        check_mixed(small_folder, other_folder, picture, tmp_path, capsys)


@pytest.mark.parametrize("check", ["encoder", "settings"])
def test_without_the_defence_another_encoder_answers(
    check, small_folder, other_folder, picture, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(model_module, "_encoder_digest", lambda folder, config: None)
    with pytest.raises(AssertionError):  # noqa: PT012
        if check == "encoder":
            check_encoder(small_folder, other_folder, picture, tmp_path, capsys)
        check_settings(small_folder, picture, tmp_path, capsys)


def test_without_the_defence_a_network_of_any_size_is_made(
    small_folder, picture, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(restoring, "_at_most", lambda count: nullcontext())
    monkeypatch.setitem(globals(), "ABSURD", [("encoder", "widths", [8, 2000])])
    with pytest.raises(AssertionError):
        check_absurd(small_folder, picture, tmp_path, capsys)


def test_without_the_defence_other_pixels_pass(monkeypatch):
    prepared = locator.prepared
    monkeypatch.setattr(locator, "prepared", lambda *given: prepared(*given)[:, :, ::-1].copy())
    with pytest.raises(AssertionError):
        check_golden()
