"""CLIP's text tower out of a folder: what transformers computes, without the network."""

import json
import shutil
import socket

import pytest
import torch
from safetensors.torch import load_file, save_file

from graticule.encoders.clip_text import ClipText
from graticule.errors import ModelFormatError, ModelNotFoundError

transformers = pytest.importorskip("transformers")

LETTERS = "abcdefghijklmnopqrstuvwxyz,.'-"
MERGES = ["p a", "pa r", "i s</w>", "par is</w>"]
START, END = "<|startoftext|>", "<|endoftext|>"
TEXTS = ["Paris", "Lyon, France", "a", "the far end of a very long road", "Paris"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A tiny CLIP with random weights, as transformers saves it; and its folder."""
    folder = tmp_path_factory.mktemp("clip")
    pieces = [*LETTERS, *(f"{c}</w>" for c in LETTERS), *(m.replace(" ", "") for m in MERGES), START, END]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *MERGES]) + "\n")
    common = {"hidden_size": 16, "intermediate_size": 24, "num_attention_heads": 2}
    config = transformers.CLIPConfig(
        text_config={
            **common,
            "num_hidden_layers": 2,
            "vocab_size": len(vocabulary),
            "max_position_embeddings": 10,
            "bos_token_id": vocabulary[START],
            "eos_token_id": vocabulary[END],
        },
        vision_config={**common, "num_hidden_layers": 1, "image_size": 8, "patch_size": 4},
        projection_dim=20,
    )
    torch.manual_seed(0)
    model = transformers.CLIPModel(config).eval()
    for parameter in model.parameters():  # as initialised, texts would hardly differ
        torch.nn.init.normal_(parameter, std=0.3)
    (folder / "config.json").write_text(config.to_json_string())
    save_file(
        {name: tensor.contiguous() for name, tensor in model.state_dict().items()},
        folder / "model.safetensors",
    )
    return model, folder


@pytest.fixture(scope="module")
def text(whole):
    return ClipText.from_folder(whole[1])


@pytest.fixture
def copy(whole, tmp_path):
    return shutil.copytree(whole[1], tmp_path / "copy")


def test_it_is_the_text_side_of_the_whole_model(whole, text):
    model, folder = whole
    tokenizer = transformers.CLIPTokenizerFast.from_pretrained(folder, local_files_only=True)
    assert tokenizer.tokenize("Paris") == ["paris</w>"]
    vectors = text.encode(TEXTS)
    assert (vectors.shape, vectors.dtype, text.width) == ((5, 20), torch.float32, 20)
    for line, vector in zip(TEXTS, vectors, strict=True):
        tokens = tokenizer([line], truncation=True, max_length=10, return_tensors="pt")
        with torch.no_grad():
            out = model.text_model(**tokens)
            expected = model.text_projection(out.pooler_output)[0]
        torch.testing.assert_close(vector, expected, rtol=0, atol=1e-5)
    assert torch.pdist(vectors[:4]).min() > 0.01


def test_equal_texts_have_equal_vectors_and_company_does_not_matter(text):
    vectors = text.encode(TEXTS)
    assert torch.equal(vectors[0], vectors[4])
    torch.testing.assert_close(text.encode(["Paris"])[0], vectors[0], rtol=0, atol=1e-5)
    assert text.encode([]).shape == (0, 20)
    assert text.encode(["", "Wrocław 東京"]).isfinite().all()


def test_nothing_reaches_for_the_network(whole, monkeypatch):
    def refuse(*arguments):
        raise AssertionError(f"a connection to {arguments}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    ClipText.from_folder(whole[1]).encode(["Paris"])


def test_other_layouts_are_read_alike(whole, text, copy):
    """A tokenizer in one file, weights in shards and in half precision, a text tower alone."""
    tokenizer = transformers.CLIPTokenizerFast.from_pretrained(copy, local_files_only=True)
    tokenizer.backend_tokenizer.save(str(copy / "tokenizer.json"))
    for name in ("vocab.json", "merges.txt"):
        (copy / name).unlink()
    weights = load_file(copy / "model.safetensors")
    (copy / "model.safetensors").unlink()
    texts = {name: tensor.half() for name, tensor in weights.items() if name.startswith("text_")}
    texts["text_model.embeddings.position_ids"] = torch.arange(10)[None]
    first = {name: texts.pop(name) for name in list(texts)[:5]}
    save_file(first, copy / "one.safetensors")
    save_file(texts, copy / "two.safetensors")
    where = dict.fromkeys(first, "one.safetensors") | dict.fromkeys(texts, "two.safetensors")
    index = {"weight_map": {**where, "vision_model.x": "three.safetensors"}}
    (copy / "model.safetensors.index.json").write_text(json.dumps(index))
    config = json.loads((copy / "config.json").read_text())
    alone = {**config["text_config"], "projection_dim": 20, "model_type": "clip_text_model"}
    (copy / "config.json").write_text(json.dumps(alone))
    torch.testing.assert_close(
        ClipText.from_folder(copy).encode(TEXTS), text.encode(TEXTS), rtol=0, atol=0.03
    )


def remove(name):
    return lambda folder: (folder / name).unlink()


def write(name, data):
    return lambda folder: (folder / name).write_bytes(data)


def without_projection(folder):
    weights = load_file(folder / "model.safetensors")
    save_file(
        {n: t for n, t in weights.items() if n != "text_projection.weight"}, folder / "model.safetensors"
    )


@pytest.mark.parametrize(
    ("damage", "kind", "said"),
    [
        (remove("config.json"), ModelNotFoundError, r"config\.json: can't be read"),
        (remove("model.safetensors"), ModelNotFoundError, r"model\.safetensors: is not there"),
        (remove("merges.txt"), ModelNotFoundError, "neither tokenizer.json nor vocab.json"),
        (write("config.json", b"{"), ModelFormatError, "not JSON"),
        (write("config.json", b"[]"), ModelFormatError, "must be a JSON object"),
        (write("config.json", b'{"model_type": "bert"}'), ModelFormatError, "'bert', not clip"),
        (write("config.json", b'{"model_type": "clip", "text_config": 3}'), ModelFormatError, "text_config"),
        (write("model.safetensors", b"\x80\x04."), ModelFormatError, "can't be read"),
        (write("tokenizer.json", b"{"), ModelFormatError, "tokenizer can't be read"),
        (without_projection, ModelFormatError, "not those of its config.json"),
    ],
)
def test_what_is_no_clip_is_refused(copy, damage, kind, said):
    damage(copy)
    with pytest.raises(kind, match=said):
        ClipText.from_folder(copy)


def test_a_tokenizer_of_another_model_is_refused(copy):
    vocabulary = json.loads((copy / "vocab.json").read_text())
    vocabulary["zz</w>"] = len(vocabulary)
    (copy / "vocab.json").write_text(json.dumps(vocabulary))
    with pytest.raises(ModelFormatError, match=r"knows 67 tokens, but config\.json says 66"):
        ClipText.from_folder(copy)


def test_texts_are_read_where_the_weights_are(whole):
    # A tensor on the meta device has no numbers, and says so when they are asked for.
    with pytest.raises(RuntimeError, match="meta tensors"):
        ClipText.from_folder(whole[1], device="meta").encode(["a"])


def test_a_tower_is_told_by_its_files_wherever_they_lie(whole, tmp_path):
    here, moved = whole[1], shutil.copytree(whole[1], tmp_path / "moved")
    assert ClipText.digest(moved) == ClipText.digest(here)
    (moved / "merges.txt").write_text("#version: 0.2\n")
    assert ClipText.digest(moved) != ClipText.digest(here)
    (moved / "model.safetensors").unlink()
    with pytest.raises(ModelNotFoundError, match=r"model.safetensors: can't be read"):
        ClipText.digest(moved)
