"""Three spaces: each head learns from its own contrast, and index vectors count the spaces alike."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from graticule.alignment.contract import ImageLocationAlignment
from graticule.alignment.location import LocationEncoderConfig
from graticule.alignment.loss import info_nce
from graticule.alignment.spaces import SpacesAlignment, SpacesAlignmentConfig, text_loss
from graticule.errors import ConfigError, ModelFormatError, ModelNotFoundError
from graticule.store import save_folder

LOCATION = LocationEncoderConfig(sigmas=(1.0,), frequencies=8, hidden=16, layers=1, width=20)
WIDTHS = {"image": 12, "location": 20, "text": 10}


def alignment(text_width=10):
    torch.manual_seed(0)
    config = SpacesAlignmentConfig(feature_width=12, hidden=14, location=LOCATION, text_width=text_width)
    return SpacesAlignment(config)


def features(count=6, seed=1):
    return 3 * torch.randn(count, 12, generator=torch.Generator().manual_seed(seed))


def units(count, width, seed):
    draws = torch.randn(count, width, generator=torch.Generator().manual_seed(seed))
    return functional.normalize(draws, dim=-1)


def test_defaults_are_the_papers_sizes():
    config = SpacesAlignmentConfig(text_width=768)
    assert config.widths == {"image": 768, "location": 768, "text": 768}
    assert config.hidden == 768
    assert config.kind == "spaces"


@pytest.mark.parametrize("text_width", [10, None])
def test_it_fulfils_the_contract(text_width):
    spaces = alignment(text_width)
    assert isinstance(spaces, ImageLocationAlignment)
    places = torch.tensor([[48.9, 2.3], [-33.9, 151.2], [90.0, 0.0]], dtype=torch.float64)
    assert spaces.images(features()).shape == (6, 20)
    assert spaces.locations(places).shape == (3, 20)
    assert spaces.scale.item() == pytest.approx(1 / 0.07)
    if text_width:
        assert spaces.text_scale.item() == pytest.approx(1 / 0.07)


@pytest.mark.parametrize("names", [("image", "location", "text"), ("image", "location")])
def test_vectors_are_those_of_a_query(names):
    spaces, looks = alignment(10 if "text" in names else None), features()
    vectors = spaces.vectors(looks)
    assert {name: vector.shape for name, vector in vectors.items()} == {
        name: (6, width) for name, width in WIDTHS.items() if name in names
    }
    for vector in vectors.values():
        torch.testing.assert_close(vector.norm(dim=-1), torch.ones(6))
    torch.testing.assert_close(vectors["image"], functional.normalize(looks, dim=-1))
    assert torch.equal(vectors["location"], spaces.images(looks))
    assert not any(name.startswith(("text", "log_text")) for name in alignment(None).state_dict())


@given(st.permutations(list(WIDTHS)), st.integers(1, 3), st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_the_cosine_of_a_concatenation_is_the_mean_of_cosines(order, count, seed):
    spaces, names = alignment(), order[:count]
    looks = features(5, seed)
    with torch.no_grad():
        joined, parts = spaces.index_vectors(looks, names), spaces.vectors(looks)
    assert joined.shape == (5, sum(WIDTHS[name] for name in names))
    mean = torch.stack([parts[name] @ parts[name].T for name in names]).mean(0)
    torch.testing.assert_close(joined @ joined.T, mean, rtol=0, atol=1e-6)


@pytest.mark.parametrize("names", [(), ("location", "location"), ("place",), ("image", "text")])
def test_index_vectors_of_no_such_spaces_are_refused(names):
    with pytest.raises(ConfigError, match="image, location, each once"):
        alignment(None).index_vectors(features(), names)


def test_each_head_learns_from_its_own_contrast():
    spaces, looks = alignment(), features()
    text_loss(spaces.texts(looks), units(6, 10, 2), scale=spaces.text_scale).backward()
    moved = {name for name, p in spaces.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    assert moved == {f"text_head.{n}.{kind}" for n in (0, 2) for kind in ("weight", "bias")} | {
        "log_text_scale"
    }
    spaces.zero_grad(set_to_none=True)
    places = spaces.locations(torch.rand(6, 2, dtype=torch.float64) * 50)
    info_nce(spaces.images(looks), places, scale=spaces.scale).backward()
    still = {name for name, p in spaces.named_parameters() if p.grad is None}
    assert still == moved


def reference(images, texts, scale):
    """Row by row, from the definition."""
    rows = [k for k in range(len(images)) if texts[k].any()]
    units = {k: texts[k] / texts[k].norm() for k in rows}
    total = 0.0
    for mine in rows:
        others = [k for k in rows if k == mine or units[k] @ units[mine] < 0.9999]
        to_text = [math.exp(scale * float(images[mine] @ units[k])) for k in others]
        to_image = [math.exp(scale * float(images[k] @ units[mine])) for k in others]
        right = math.exp(scale * float(images[mine] @ units[mine]))
        total -= (math.log(right / sum(to_text)) + math.log(right / sum(to_image))) / 2
    return total / len(rows)


def test_text_loss_against_its_definition():
    images, texts = units(7, 10, 3), 9 * units(7, 10, 4)
    texts[1] = 0
    texts[4] = 2 * texts[2]
    texts[5] = texts[2] * (1 + 1e-6 * units(1, 10, 5)[0])
    found = text_loss(images, texts, scale=torch.tensor(5.0))
    assert found.item() == pytest.approx(reference(images, texts, 5.0), rel=1e-5)


def test_pictures_of_one_name_do_not_repel_each_other():
    texts = units(1, 10, 6).repeat(4, 1)
    images = units(4, 10, 7).requires_grad_()
    loss = text_loss(images, texts, scale=torch.tensor(20.0))
    loss.backward()
    assert loss.item() == 0
    assert images.grad.abs().sum() == 0


def test_same_names_are_seen_in_bfloat16_too():
    """Cosines of three digits would take strangers for one name, and one name for strangers."""
    images, texts = units(6, 10, 8), units(6, 10, 9)
    texts[3] = texts[0]
    texts[4] = functional.normalize(texts[1] + 0.03 * units(1, 10, 10)[0], dim=-1)
    exact = text_loss(images, texts, scale=torch.tensor(20.0))
    with torch.autocast("cpu", torch.bfloat16):
        assert text_loss(images, texts, scale=torch.tensor(20.0)) == exact


@pytest.mark.parametrize("named", [0, 1])
def test_a_batch_with_one_text_or_none_teaches_nothing_and_breaks_nothing(named):
    texts = torch.zeros(4, 10)
    texts[:named] = 1
    images = units(4, 10, 11).requires_grad_()
    loss = text_loss(images, texts, scale=torch.tensor(20.0))
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(images.grad, torch.zeros(4, 10))


@pytest.mark.parametrize("text_width", [10, None])
def test_written_and_read_again(text_width, tmp_path):
    spaces = alignment(text_width)
    spaces.save(tmp_path / "a", about={"pictures": 7}, card="about it\n")
    again = SpacesAlignment.from_folder(tmp_path / "a")
    assert again.config == spaces.config
    for name, vector in spaces.vectors(features()).items():
        torch.testing.assert_close(again.vectors(features())[name], vector, rtol=0, atol=2e-3)
    assert not any(p.requires_grad for p in again.parameters())
    assert (tmp_path / "a" / "MODEL_CARD.md").read_text() == "about it\n"


def test_what_is_no_such_folder_is_refused(tmp_path):
    with pytest.raises(ModelNotFoundError):
        SpacesAlignment.from_folder(tmp_path)
    for config in ({}, {"alignment": {"kind": "sphere"}}):
        save_folder(tmp_path / "b", config, {"alignment": alignment().state_dict()})
        with pytest.raises(ModelFormatError, match="not an alignment in three spaces"):
            SpacesAlignment.from_folder(tmp_path / "b")
    about = {"alignment": alignment().config.model_dump(mode="json")}
    save_folder(tmp_path / "b", about, {"alignment": alignment(None).state_dict()})
    with pytest.raises(ModelFormatError, match="text_head"):
        SpacesAlignment.from_folder(tmp_path / "b")
