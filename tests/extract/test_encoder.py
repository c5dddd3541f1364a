"""Encoders are found by name or folder, and known by a digest before they are opened."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from graticule.encoders.clip import ClipEncoder, ClipEncoderConfig
from graticule.encoders.orbit import OrbitEncoder, OrbitEncoderConfig
from graticule.errors import ModelFormatError, ModelNotFoundError
from graticule.extract.encoder import find_encoder
from graticule.store import ModelFolder, save_folder

TINY = ClipEncoderConfig(size=28, patch=14, hidden=16, feed_forward=32, layers=2, heads=2, width=12)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A local CLIP's vision tower, with random weights."""
    folder = tmp_path_factory.mktemp("clip")
    torch.manual_seed(0)
    ClipEncoder(TINY).tower.save_pretrained(folder)
    return folder


def test_a_models_encoder_is_the_models(encoder):
    stored, folder = find_encoder(encoder), ModelFolder(Path(encoder))
    assert (stored.name, stored.width) == (encoder, 12)
    expected = OrbitEncoder(OrbitEncoderConfig.model_validate(folder.config()["encoder"])).eval()
    expected.load_state_dict(folder.tensors("encoder.safetensors"))
    pixels = torch.randint(256, (3, 3, 16, 16), dtype=torch.uint8)
    opened = stored.open()
    assert torch.equal(opened.encode(pixels), expected.for_inference().encode(pixels))
    assert not opened.training
    assert not any(parameter.requires_grad for parameter in opened.parameters())


def test_a_name_is_that_of_a_model(encoder, tmp_path, monkeypatch):
    monkeypatch.setenv("GRATICULE_MODELS", str(tmp_path))
    shutil.copytree(encoder, tmp_path / "small")
    named, by_path = find_encoder("small"), find_encoder(str(tmp_path / "small"))
    assert (named.name, by_path.name) == ("small", str(tmp_path / "small"))
    assert named.digest == by_path.digest == find_encoder(encoder).digest
    assert find_encoder("orbit").width == 512


def test_a_path_from_here_is_kept_whole(encoder, tmp_path, monkeypatch):
    shutil.copytree(encoder, tmp_path / "below")
    monkeypatch.chdir(tmp_path)
    assert find_encoder("./below").name == find_encoder("below").name == str(tmp_path / "below")


def test_a_local_clip(clip):
    stored = find_encoder(str(clip))
    assert (stored.name, stored.width) == (str(clip), 12)
    pixels = torch.randint(256, (2, 3, 28, 28), dtype=torch.uint8)
    assert torch.equal(stored.open().encode(pixels), ClipEncoder.from_folder(clip).encode(pixels))


@pytest.mark.parametrize("which", ["clip", "model"])
def test_the_digest_follows_weights_and_settings(which, clip, encoder, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(clip if which == "clip" else encoder, folder)
    [weights] = folder.glob("*.safetensors")
    digests = [find_encoder(str(folder)).digest]
    assert digests[0] == find_encoder(str(clip if which == "clip" else encoder)).digest
    tensors = load_file(weights)
    next(iter(tensors.values())).view(-1)[0] += 1
    save_file(tensors, weights)
    digests.append(find_encoder(str(folder)).digest)
    config = json.loads((folder / "config.json").read_text())
    if which == "clip":
        config["layer_norm_eps"] = 1e-3
        (folder / "config.json").write_text(json.dumps(config))
        digests.append(find_encoder(str(folder)).digest)
    assert len(set(digests)) == len(digests)


def test_damaged_weights_are_not_opened(encoder, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(encoder, folder)
    path = folder / "encoder.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ModelFormatError, match="SHA-256"):
        find_encoder(str(folder)).open()
    path.unlink()
    with pytest.raises(ModelFormatError, match=r"encoder\.safetensors: missing"):
        find_encoder(str(folder))


def test_weights_of_another_design_are_refused(tmp_path):
    config = {"encoder": OrbitEncoderConfig(size=16).model_dump(mode="json")}
    save_folder(tmp_path, config, {"encoder": {"read.weight": torch.zeros(2)}})
    with pytest.raises(ModelFormatError, match="another design"):
        find_encoder(str(tmp_path)).open()
    save_folder(tmp_path, {"encoder": {"kind": "orbit", "sise": 16}}, {"encoder": {}})
    with pytest.raises(ModelFormatError, match=r"config\.json: encoder: (?s:.)*sise"):
        find_encoder(str(tmp_path))
    save_folder(tmp_path, {}, {"encoder": {}})
    with pytest.raises(ModelFormatError, match="none called None"):
        find_encoder(str(tmp_path))


def test_what_is_not_there_is_said(tmp_path):
    with pytest.raises(ModelNotFoundError, match="nowhere"):
        find_encoder(str(tmp_path / "nowhere"))
    (tmp_path / "config.json").write_text('{"model_type": "siglip"}')
    with pytest.raises(ModelFormatError, match="'siglip', not clip"):
        find_encoder(str(tmp_path))
