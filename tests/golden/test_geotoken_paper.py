"""The paper design computes what the authors' implementation computed.

`geotoken_paper_small.safetensors` holds a small model's weights (`state/`), inputs (`in/`) and what the
authors' code made of them (`out/`): width 64, 2 + 2 layers, 4 heads, level 20, 15 neighbours, beam 5.
"""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from graticule.decoding.beam import beam
from graticule.decoding.greedy import greedy
from graticule.errors import ModelFormatError
from graticule.tokens.published import load_published
from graticule.tokens.query import Neighbours, Query

NAMES = ("image", "location", "text")
CLOSE = {"rtol": 0, "atol": 1e-5}


@pytest.fixture(scope="module")
def golden():
    return load_file(Path(__file__).parent / "geotoken_paper_small.safetensors")


@pytest.fixture(scope="module")
def state(golden):
    return {name.removeprefix("state/"): w for name, w in golden.items() if name.startswith("state/")}


@pytest.fixture(scope="module")
def model(state):
    return load_published(state, heads=4).eval()


@pytest.fixture(scope="module")
def query(golden):
    near = golden["in/neighbour_index"]
    neighbours = Neighbours(
        vectors={name: golden[f"in/gallery_{name}"][near] for name in NAMES},
        similarities=torch.zeros(near.shape),  # unused by the paper's network, like the coordinates
        lat_lon=torch.zeros(*near.shape, 2, dtype=torch.float64),
        tokens=golden["in/gallery_tokens"][near],
    )
    return Query({name: golden[f"in/query_{name}"] for name in NAMES}, neighbours)


def test_the_configuration_is_read_off_the_weights(model):
    config = model.config
    assert (config.d_model, config.feed_forward, config.encoder_layers, config.decoder_layers) == (
        64,
        128,
        2,
        2,
    )
    assert config.levels == tuple(range(0, 21, 2))
    assert config.vectors == {"image": 768, "location": 768, "text": 768}


def test_memory(model, query, golden):
    with torch.no_grad():
        torch.testing.assert_close(model.memory(query), golden["out/memory"], **CLOSE)


def test_loss(model, query, golden):
    with torch.no_grad():
        loss = model.loss(query, golden["in/target_tokens"])
    torch.testing.assert_close(loss, golden["out/loss"].squeeze(), **CLOSE)


def test_log_probs_of_the_targets(model, query, golden):
    with torch.no_grad():
        log_probs = model.log_probs(query, golden["in/target_tokens"])
    torch.testing.assert_close(log_probs, golden["out/target_logp"], **CLOSE)


def test_greedy(model, query, golden):
    found = greedy(model, query)
    assert torch.equal(found.tokens[:, 0], golden["out/greedy"])
    torch.testing.assert_close(found.token_log_probs[:, 0], golden["out/greedy_logp"], **CLOSE)


def test_beam(model, query, golden):
    found = beam(model, query, width=5)
    assert torch.equal(found.tokens[:, 0], golden["out/beam"])
    torch.testing.assert_close(found.token_log_probs[:, 0], golden["out/beam_logp"], **CLOSE)


@pytest.mark.parametrize("name", ["start_token_embedding", "decoder.layers.1.norm3.bias", "embedding.weight"])
def test_a_missing_weight_is_named(state, name):
    with pytest.raises(ModelFormatError):
        load_published({key: weight for key, weight in state.items() if key != name}, heads=4)


def test_a_number_of_heads_that_does_not_divide_the_width_is_refused(state):
    with pytest.raises(ModelFormatError, match="not a multiple of heads"):
        load_published(state, heads=5)
