"""CLIP's tower: read from folders as they come, and the same features as transformers gives."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from graticule.encoders.clip import ClipEncoder, ClipEncoderConfig
from graticule.errors import MissingExtraError, ModelFormatError, ModelNotFoundError

TINY = ClipEncoderConfig(size=28, patch=14, hidden=16, feed_forward=32, layers=2, heads=2, width=12)


@pytest.fixture(scope="module")
def pixels():
    return torch.randint(256, (3, 3, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def full():
    """A whole CLIP, text tower included."""
    from transformers import CLIPConfig, CLIPModel

    torch.manual_seed(0)
    vision = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    text = vision | {"vocab_size": 9, "max_position_embeddings": 5}
    vision |= {"image_size": 28, "patch_size": 14}
    return CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=12)).eval()


@pytest.fixture
def folder(full, tmp_path):
    full.save_pretrained(tmp_path)
    return tmp_path


def test_the_features_are_those_of_transformers(full, folder, pixels):
    mean = torch.tensor([0.48145466, 0.4578275, 0.40821073]).view(3, 1, 1)
    spread = torch.tensor([0.26862954, 0.26130258, 0.27577711]).view(3, 1, 1)
    with torch.inference_mode():
        expected = full.get_image_features(pixel_values=(pixels / 255 - mean) / spread)
    expected = getattr(expected, "pooler_output", expected)  # a tensor before transformers 5
    encoder = ClipEncoder.from_folder(folder)
    assert encoder.config == TINY
    assert (encoder.size, encoder.width) == (28, 12)
    torch.testing.assert_close(encoder.encode(pixels), expected, atol=1e-6, rtol=1e-6)


def test_a_vision_tower_alone_is_read_too(full, folder, pixels, tmp_path):
    alone = tmp_path / "alone"
    encoder = ClipEncoder.from_folder(folder)
    encoder.tower.save_pretrained(alone)
    again = ClipEncoder.from_folder(alone)
    assert again.config == TINY
    assert torch.equal(again.encode(pixels), encoder.encode(pixels))


def test_shards_half_precision_and_stored_counters_are_read(folder, pixels):
    before = ClipEncoder.from_folder(folder).encode(pixels)
    tensors = {name: tensor.half() for name, tensor in load_file(folder / "model.safetensors").items()}
    tensors["vision_model.embeddings.position_ids"] = torch.arange(5)[None]
    (folder / "model.safetensors").unlink()
    names = sorted(tensors)
    shards = {f"model-0000{k}.safetensors": names[k::2] for k in (0, 1)}
    for shard, held in shards.items():
        save_file({name: tensors[name] for name in held}, folder / shard)
    placed = {name: shard for shard, held in shards.items() for name in held}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": placed}))
    encoder = ClipEncoder.from_folder(folder)
    assert {p.dtype for p in encoder.parameters()} == {torch.float32}
    torch.testing.assert_close(encoder.encode(pixels), before, atol=2e-2, rtol=0)


def test_weights_may_come_after_the_network_was_laid_out(folder, pixels):
    """On the device "meta" nothing is drawn; what is no weight must be there all the same."""
    encoder = ClipEncoder.from_folder(folder)
    with torch.device("meta"):
        later = ClipEncoder(TINY)
    later.load_state_dict(encoder.state_dict(), assign=True)
    assert torch.equal(later.eval().encode(pixels), encoder.encode(pixels))


def test_bfloat16_is_near(folder, pixels):
    encoder = ClipEncoder.from_folder(folder)
    exact = encoder.encode(pixels)
    rough = encoder.to(torch.bfloat16).encode(pixels)
    assert rough.dtype == torch.float32
    torch.testing.assert_close(rough, exact, atol=0.05, rtol=0.05)


def test_nothing_is_trained_or_dropped_out(folder):
    encoder = ClipEncoder.from_folder(folder)
    assert not encoder.training
    assert not any(parameter.requires_grad for parameter in encoder.parameters())


@pytest.mark.parametrize("size", [(28, 28), (61, 40), (40, 61), (29, 28), (333, 100), (20, 9), (300, 28)])
def test_pictures_are_prepared_as_clips_processor_does(size):
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    random = np.random.default_rng(0)
    image = Image.fromarray(random.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))
    processor = CLIPImageProcessorPil(size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28})
    processor.do_normalize = processor.do_rescale = False
    expected = processor(images=image, return_tensors="np")["pixel_values"][0]
    prepared = ClipEncoder(TINY).prepare(image)
    assert prepared.dtype == np.uint8
    assert prepared.shape == (3, 28, 28)
    np.testing.assert_array_equal(prepared, expected)


def test_a_strip_of_a_picture_takes_no_memory():
    strip = Image.new("RGB", (5_000_000, 1), (10, 200, 30))
    assert (ClipEncoder(TINY).prepare(strip) == np.array([10, 200, 30]).reshape(3, 1, 1)).all()


def test_pickles_are_not_loaded(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelNotFoundError, match="pickles"):
        ClipEncoder.from_folder(folder)


def test_a_folder_without_weights_or_config_is_named(folder):
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelNotFoundError, match=r"holds no model\.safetensors"):
        ClipEncoder.from_folder(folder)
    (folder / "config.json").unlink()
    with pytest.raises(ModelNotFoundError, match=r"config\.json: can't be read"):
        ClipEncoder.from_folder(folder)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (b"{", "not JSON"),
        (b"[]", "must be a JSON object"),
        (b'{"model_type": "siglip"}', "'siglip', not clip"),
        (b'{"model_type": "clip", "vision_config": {"hidden_act": "swish"}}', "not the config of a CLIP"),
    ],
)
def test_configs_of_other_things_are_refused(folder, config, message):
    (folder / "config.json").write_bytes(config)
    with pytest.raises(ModelFormatError, match=message):
        ClipEncoder.from_folder(folder)


def test_weights_of_other_things_are_refused(folder):
    path = folder / "model.safetensors"
    tensors = load_file(path)
    missing = {name: tensor for name, tensor in tensors.items() if name != "visual_projection.weight"}
    save_file(missing, path)
    with pytest.raises(ModelFormatError, match=r"visual_projection\.weight"):
        ClipEncoder.from_folder(folder)
    save_file({**tensors, "visual_projection.weight": torch.zeros(12, 17)}, path)
    with pytest.raises(ModelFormatError, match=r"visual_projection\.weight"):
        ClipEncoder.from_folder(folder)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ModelFormatError, match="can't be read"):
        ClipEncoder.from_folder(folder)


def test_without_transformers_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    with pytest.raises(MissingExtraError, match=r"graticule\[clip\]"):
        ClipEncoder(TINY)
