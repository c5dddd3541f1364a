"""What both sides of the comparison with the package `geoclip` are given: points, pictures, and a CLIP.

Everything is a function of numbers and names, so that the packages' answers can be stored and the rest made anew.
"""

import json
import zlib

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

POINTS = 10_000
TINY = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "patch_size": 32,
}
LARGE = {
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "patch_size": 14,
}
TEXT = {
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 1,
    "vocab_size": 8,
    "bos_token_id": 0,
    "eos_token_id": 1,
}
EVERY = 10
"""Of the gallery's 100,000 places every tenth is used: encoding them all takes a minute."""
SIZES = ((301, 227), (224, 224), (640, 427), (333, 1000), (97, 60))
"""Width and height of the pictures."""


def points():
    """(10000, 2) degrees float64, even over the Earth, some on its edges."""
    random = np.random.default_rng(0)
    lat = np.degrees(np.arcsin(random.uniform(-1, 1, POINTS)))
    lat_lon = np.stack([lat, random.uniform(-180, 180, POINTS)], axis=1)
    lat_lon[:6] = [(0, 0), (90, 0), (-90, 0), (0, 180), (0, -180), (51.5, -0.1)]
    return torch.from_numpy(lat_lon)


def direction():
    """(512,) a direction that each vector is measured along."""
    return torch.from_numpy(np.random.default_rng(1).standard_normal(512) / np.sqrt(512))


def save_pictures(folder):
    """Write the pictures, without loss; returns their paths in order."""
    paths = []
    for number, (width, height) in enumerate(SIZES):
        random = np.random.default_rng(number)
        blocks = random.integers(0, 256, (3, 4, 3)) * random.uniform(0.3, 1, 3)
        rows, columns = np.arange(height) * 3 // height, np.arange(width) * 4 // width
        pixels = blocks[rows][:, columns] + random.normal(0, 12, (height, width, 1))
        pixels = np.clip(pixels, 0, 255)
        paths.append(folder / f"{number}.png")
        Image.fromarray(pixels.astype(np.uint8)).save(paths[-1])
    return paths


def save_clip(folder, vision):
    """Write a CLIP in the Hugging Face layout, with weights that are drawn by name and tell pictures apart."""
    from transformers import CLIPConfig, CLIPModel

    folder.mkdir(parents=True, exist_ok=True)
    config = CLIPConfig(text_config=TEXT, vision_config={**vision, "image_size": 224}, projection_dim=768)
    with torch.device("meta"):
        shapes = {name: tensor.shape for name, tensor in CLIPModel(config).state_dict().items()}
    save_file({name: draw(name, shape) for name, shape in shapes.items()}, folder / "model.safetensors")
    config.save_pretrained(folder)
    settings = {"image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 224}}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    words = {"<|startoftext|>": 0, "<|endoftext|>": 1, "a": 2, "a</w>": 3}
    (folder / "vocab.json").write_text(json.dumps(words))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "CLIPTokenizer"}))


def draw(name, shape):
    """Weights of one tensor.

    Matrices keep the size of what goes through them. Those of the attention are larger: it then looks at parts of a
    picture, not at all of it alike, and pictures are told apart. Where layers are many, less will do, and more would
    make much of rounding.
    """
    noise = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(tuple(shape), dtype=np.float32)
    if name.endswith(("norm.weight", "norm1.weight", "norm2.weight", "layrnorm.weight")):
        noise = 1 + 0.1 * noise
    elif len(shape) < 2 or "position" in name:
        noise = 0.1 * noise
    else:
        gain = 1.0
        if "self_attn" in name:
            gain = 3.0 if shape[0] < 1024 else 1.5
        noise = noise * gain / np.sqrt(np.prod(shape[1:]))
    return torch.from_numpy(np.asarray(noise, dtype=np.float32)).reshape(shape)
