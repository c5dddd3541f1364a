"""The reward model: what it reads, what it leaves alone, and how often the memory is computed."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from graticule.decoding.beam import beam
from graticule.decoding.select.reward import Reward
from graticule.earth.cells import TokenScheme
from graticule.errors import ConfigError, ModelFormatError, ModelNotFoundError
from graticule.tokens.geotoken import GeoToken, GeoTokenConfig
from graticule.tokens.query import Neighbours, Query
from graticule.tokens.reward import RewardModel

CLOSE = {"rtol": 0, "atol": 1e-5}
SMALL = {
    "vectors": {"image": 12},
    "neighbours": 3,
    "d_model": 16,
    "heads": 2,
    "feed_forward": 32,
    "encoder_layers": 1,
    "decoder_layers": 2,
    "levels": (0, 2, 4),
}


def geotoken(design="compact"):
    torch.manual_seed(0)
    make = GeoTokenConfig.compact if design == "compact" else GeoTokenConfig.paper
    return GeoToken(make(**SMALL)).eval()


def reward(design="compact"):
    torch.manual_seed(1)
    return RewardModel.from_geotoken(geotoken(design), near_km=200, hidden=8)


def pictures(count=4, near=3):
    generator = torch.Generator().manual_seed(2)
    places = np.random.default_rng(2).uniform((-80, -180), (80, 180), (count, near, 2))
    tokens = torch.from_numpy(TokenScheme((0, 2, 4)).encode(*places.reshape(-1, 2).T))
    return Query(
        {"image": torch.randn(count, 12, generator=generator)},
        Neighbours(
            vectors={"image": torch.randn(count, near, 12, generator=generator)},
            similarities=torch.rand(count, near, generator=generator),
            lat_lon=torch.from_numpy(places),
            tokens=tokens.view(count, near, -1),
        ),
    )


def places(count=4, width=6, seed=3):
    generator = torch.Generator().manual_seed(seed)
    sizes = TokenScheme((0, 2, 4)).vocabulary
    return torch.stack([torch.randint(s, (count, width), generator=generator) for s in sizes], -1)


@pytest.mark.parametrize("design", ["compact", "paper"])
@pytest.mark.parametrize("width", [1, 30])
def test_the_memory_is_computed_once_a_picture(design, width):
    """The published release repeated the memory for every candidate, and split the neighbours among them."""
    model, seen = reward(design), []
    model.geotoken.embed_memory.register_forward_hook(
        lambda module, given, out: seen.append(("memory", *out[0].shape[:2]))
    )
    for number, block in enumerate(model.geotoken.encoder):
        block.register_forward_hook(
            lambda module, given, out, number=number: seen.append((number, *out.shape[:2]))
        )
    model.log_near(pictures(), places(width=width))
    length = 1 + 3 if design == "compact" else 1 + 1 + 3 * (1 + 3)
    assert seen == [("memory", 4, length), (0, 4, length)]


@pytest.mark.parametrize("design", ["compact", "paper"])
def test_a_candidate_s_score_is_its_own(design):
    model, query, tokens = reward(design).eval(), pictures(), places()
    together = model.log_near(query, tokens)
    for w in range(tokens.shape[1]):
        torch.testing.assert_close(
            model.log_near(query, tokens[:, w : w + 1]), together[:, w : w + 1], **CLOSE
        )
    torch.testing.assert_close(model.log_near(query[1:3], tokens[1:3]), together[1:3], **CLOSE)


@pytest.mark.parametrize("part", range(3))
def test_every_token_is_read_the_last_one_too(part):
    model, tokens = reward().eval(), places()
    other = tokens.clone()
    other[..., part] = (other[..., part] + 1) % model.scheme.vocabulary[part]
    assert (model.log_near(pictures(), tokens) - model.log_near(pictures(), other)).abs().min() > 1e-6


def test_neighbours_are_read():
    query = pictures()
    bare = Query(query.vectors)
    assert not torch.allclose(reward().log_near(query, places()), reward().log_near(bare, places()))


def test_near_is_the_second_logit_and_confidently_far_is_never_chosen():
    """The published rule could choose the candidate that is most confidently far."""
    model = reward().eval()
    logits = torch.tensor([[[9.0, -9.0], [0.0, 0.1], [0.2, 0.0]]])
    model.forward = lambda query, tokens: logits
    log_near = model.log_near(pictures(1), places(1, 3))
    torch.testing.assert_close(log_near, logits.log_softmax(-1)[..., 1])
    assert log_near.argmax() == 1


def test_it_starts_as_a_copy_without_dropout_and_leaves_the_original_alone():
    original = geotoken()
    before = {name: value.clone() for name, value in original.state_dict().items()}
    model = RewardModel.from_geotoken(original, near_km=200, hidden=8).train()
    assert torch.equal(model(pictures(), places()), model(pictures(), places()))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    near = torch.rand(4, 6, generator=torch.Generator().manual_seed(0)) < 0.5
    model.loss(pictures(), places(), near=near, counts=torch.ones(4, 6)).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    optimizer.step()
    for name, value in original.state_dict().items():
        assert torch.equal(value, before[name])
        if not name.startswith("heads."):
            assert name in model.geotoken.state_dict()
    assert original.config.neighbour_dropout > 0


def test_its_decoder_reads_as_the_original_s():
    with torch.no_grad():
        tokens = places()
        torch.testing.assert_close(
            reward().geotoken.hidden(pictures(), tokens), geotoken().hidden(pictures(), tokens)
        )


def test_the_loss_counts_a_sample_as_often_as_it_was_drawn():
    model, query, tokens = reward(), pictures(1), places(1, 2)
    near = torch.tensor([[True, False]])
    once = model.loss(query, tokens[:, [0, 0, 0, 1]], near=near[:, [0, 0, 0, 1]], counts=torch.ones(1, 4))
    counted = model.loss(query, tokens, near=near, counts=torch.tensor([[3, 1]]))
    torch.testing.assert_close(once, counted)
    logits = model(query, tokens[:, :1])
    left_out = model.loss(query, tokens, near=near, counts=torch.tensor([[2, 0]]))
    torch.testing.assert_close(left_out, functional.cross_entropy(logits[0], torch.tensor([1])))


def test_it_can_learn_where_near_is():
    model, query, tokens = reward(), pictures(), places()
    near = tokens[..., 0] < 3
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(30):
        optimizer.zero_grad()
        loss = model.loss(query, tokens, near=near, counts=torch.ones(4, 6))
        loss.backward()
        optimizer.step()
    assert loss < 0.3
    assert ((model.log_near(query, tokens) > math.log(0.5)) == near).all()


def test_it_is_saved_and_read_again(tmp_path):
    model = reward().eval()
    model.save(tmp_path / "reward", about={"model": "tiny"}, card="a card\n")
    again = RewardModel.from_folder(tmp_path / "reward")
    assert again.config == model.config
    assert not any(parameter.requires_grad for parameter in again.parameters())
    torch.testing.assert_close(
        again.log_near(pictures(), places()), model.log_near(pictures(), places()), rtol=0, atol=1e-2
    )
    weights = tmp_path / "reward" / "reward.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(ModelFormatError, match="SHA-256"):
        RewardModel.from_folder(tmp_path / "reward")
    with pytest.raises(ModelNotFoundError):
        RewardModel.from_folder(tmp_path / "none")


def test_another_kind_of_folder_is_refused(tmp_path):
    from graticule.store import save_folder

    save_folder(tmp_path, {"alignment": {}}, {"reward": {}})
    with pytest.raises(ModelFormatError, match="not a reward model"):
        RewardModel.from_folder(tmp_path)


def test_candidates_of_another_scheme_are_refused():
    torch.manual_seed(0)
    other = GeoToken(GeoTokenConfig.compact(**{**SMALL, "levels": (0, 2)})).eval()
    found = beam(other, Query(pictures().vectors), width=2)
    with pytest.raises(ConfigError, match="train one for this model"):
        Reward(reward())(pictures(), found, other.scheme)
