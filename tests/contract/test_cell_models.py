"""What every cell model promises: see `graticule.tokens.contract`. Each of the registry has entries in `MODELS`."""

import numpy as np
import pytest
import torch

from graticule.decoding.beam import beam
from graticule.decoding.greedy import greedy
from graticule.decoding.sample import sample, sample_distinct
from graticule.earth.cells import TokenScheme
from graticule.registry import CELL_MODELS
from graticule.tokens.gallery import GalleryCellModel
from graticule.tokens.geotoken import GeoToken, GeoTokenConfig
from graticule.tokens.query import Neighbours, Query

WIDTHS = {"image": 12, "location": 8}
SMALL = {"vectors": WIDTHS, "neighbours": 4, "d_model": 16, "heads": 2, "feed_forward": 32}
CLOSE = {"rtol": 0, "atol": 1e-5}


def geotoken(**config):
    torch.manual_seed(0)
    return GeoToken(GeoTokenConfig.model_validate({**SMALL, **config})).eval()


def gallery(levels, **options):
    lat_lon = torch.from_numpy(points(40, seed=5))
    vectors = torch.randn(40, WIDTHS["location"], generator=torch.Generator().manual_seed(5))
    return GalleryCellModel(TokenScheme(levels), lat_lon, vectors, **options)


MODELS = {
    "geotoken-compact": lambda: geotoken(encoder_layers=1, decoder_layers=2, levels=(0, 2, 4, 6)),
    "geotoken-compact-no-place": lambda: geotoken(decoder_layers=2, levels=(1, 4), prefix_place=False),
    "geotoken-compact-places-only": lambda: geotoken(encoder_layers=0, levels=(0, 3), neighbour_vectors=()),
    "geotoken-paper": lambda: GeoToken(
        GeoTokenConfig.paper(**SMALL, encoder_layers=1, decoder_layers=2, levels=(0, 2, 4))
    ).eval(),
    "gallery": lambda: gallery((0, 1, 3, 10), temperature=0.5, epsilon=0.01),
    "gallery-bare": lambda: gallery((0, 2), temperature=0.05),
}


def points(count, *, seed):
    random = np.random.default_rng(seed)
    return np.stack([random.uniform(-80, 80, count), random.uniform(-180, 180, count)], axis=-1)


def pictures(scheme, count=5, *, near=4, seed=1):
    generator = torch.Generator().manual_seed(seed)
    lat_lon = points(count * near, seed=seed)
    tokens = torch.from_numpy(scheme.encode(lat_lon[:, 0], lat_lon[:, 1]))
    draw = {name: torch.randn(count, 1 + near, width, generator=generator) for name, width in WIDTHS.items()}
    return Query(
        {name: vectors[:, 0] for name, vectors in draw.items()},
        Neighbours(
            vectors={name: vectors[:, 1:] for name, vectors in draw.items()},
            similarities=torch.rand(count, near, generator=generator).sort(descending=True).values,
            lat_lon=torch.from_numpy(lat_lon).view(count, near, 2),
            tokens=tokens.view(count, near, -1),
        ),
    )


@pytest.fixture(params=MODELS)
def model(request):
    return MODELS[request.param]()


@pytest.fixture
def query(model):
    return pictures(model.scheme)


def walk(model, query, tokens):
    """Log-probabilities (B, W, T) of the given sequences (B, W, T), each alone from the start."""
    result = torch.empty(tokens.shape, dtype=torch.float64)
    for w in range(tokens.shape[1]):
        state = model.begin(query)
        for step in range(model.scheme.length):
            token = tokens[:, w : w + 1, step]
            result[:, w, step] = model.next_log_probs(state).gather(2, token[..., None])[:, 0, 0]
            state = model.advance(state, torch.zeros_like(token), token)
    return result


def random_step(state_width, size, *, batch, width, seed):
    generator = torch.Generator().manual_seed(seed)
    shape = (batch, width)
    return (
        torch.randint(state_width, shape, generator=generator),
        torch.randint(size, shape, generator=generator),
    )


def test_every_registered_cell_model_is_held_to_the_contract():
    tried = {type(make()) for make in MODELS.values()}
    assert {CELL_MODELS.find(name) for name in CELL_MODELS} <= tried


def test_begins_with_one_empty_prefix(model, query):
    state = model.begin(query)
    assert state.length == 0
    assert model.next_log_probs(state).shape == (5, 1, model.scheme.vocabulary[0])


def test_is_normalised_after_every_prefix(model, query):
    state, width = model.begin(query), 1
    for step, size in enumerate(model.scheme.vocabulary):
        log_probs = model.next_log_probs(state)
        assert log_probs.shape == (5, width, size)
        assert log_probs.is_floating_point()
        assert not log_probs.isnan().any()
        torch.testing.assert_close(log_probs.exp().sum(-1), torch.ones_like(log_probs[..., 0]), **CLOSE)
        state = model.advance(state, *random_step(width, size, batch=5, width=7, seed=step))
        width = 7
        assert state.length == step + 1


def test_arbitrary_parents_continue_their_own_prefix(model, query):
    """Branch, repeat, drop and reorder prefixes at random; each must end as if walked alone."""
    state, width = model.begin(query), 1
    tokens = torch.empty(5, 1, 0, dtype=torch.int64)
    scores = torch.empty(5, 1, 0, dtype=torch.float64)
    rows = torch.arange(5)[:, None]
    for step, size in enumerate(model.scheme.vocabulary):
        parents, token = random_step(width, size, batch=5, width=3 + 2 * step, seed=10 + step)
        chosen = model.next_log_probs(state)[rows, parents, token]
        tokens = torch.cat([tokens[rows, parents], token[..., None]], dim=-1)
        scores = torch.cat([scores[rows, parents], chosen[..., None]], dim=-1)
        state, width = model.advance(state, parents, token), token.shape[1]
    torch.testing.assert_close(scores, walk(model, query, tokens), **CLOSE)


def test_a_state_may_be_advanced_twice(model, query):
    state = model.begin(query)
    before = model.next_log_probs(state)
    zeros = torch.zeros(5, 1, dtype=torch.int64)
    first = model.next_log_probs(model.advance(state, zeros, zeros))
    model.advance(state, zeros, zeros + 1)
    again = model.next_log_probs(model.advance(state, zeros, zeros))
    assert torch.equal(model.next_log_probs(state), before)
    assert torch.equal(first, again)


def test_is_deterministic(model, query):
    first, second = beam(model, query, width=6), beam(model, query, width=6)
    assert torch.equal(first.tokens, second.tokens)
    assert torch.equal(first.log_probs, second.log_probs)


def test_pictures_do_not_influence_each_other(model, query):
    together = beam(model, query, width=4)
    order = torch.tensor([3, 0, 4, 1])
    torch.testing.assert_close(
        beam(model, query[order], width=4).token_log_probs, together.token_log_probs[order], **CLOSE
    )
    for picture in range(5):
        alone = beam(model, query[picture : picture + 1], width=4)
        torch.testing.assert_close(alone.log_probs[0], together.log_probs[picture], **CLOSE)


def test_complete_prefixes_go_no_further(model, query):
    state = model.begin(query)
    zeros = torch.zeros(5, 1, dtype=torch.int64)
    for _ in model.scheme.levels:
        state = model.advance(state, zeros, zeros)
    with pytest.raises(ValueError, match="complete"):
        model.next_log_probs(state)
    with pytest.raises(ValueError, match="complete"):
        model.advance(state, zeros, zeros)


def test_decoders_report_the_model_s_own_probabilities(model, query):
    for found in (greedy(model, query), beam(model, query, width=9)):
        torch.testing.assert_close(found.token_log_probs.double(), walk(model, query, found.tokens), **CLOSE)


@pytest.mark.parametrize("draw", [sample, sample_distinct])
def test_samplers_report_the_model_s_own_probabilities(model, query, draw):
    found = draw(model, query, count=5, seed=0, temperature=0.7)
    real = found.log_probs.isfinite()
    assert real[:, 0].all()
    torch.testing.assert_close(
        found.token_log_probs.double()[real], walk(model, query, found.tokens)[real], **CLOSE
    )


def test_no_pictures(model, query):
    assert beam(model, query[:0], width=3).tokens.shape[0] == 0


@pytest.mark.parametrize("name", [name for name in MODELS if name.startswith("geotoken")])
def test_cached_decoding_is_the_forward_pass(name):
    model = MODELS[name]()
    query = pictures(model.scheme)
    found = beam(model, query, width=6)
    with torch.no_grad():
        torch.testing.assert_close(model.log_probs(query, found.tokens), found.token_log_probs, **CLOSE)


@pytest.mark.parametrize("name", [name for name in MODELS if name.startswith("geotoken")])
def test_fewer_neighbours_or_none_will_do(name):
    model = MODELS[name]()
    assert greedy(model, pictures(model.scheme, near=2)).log_probs.isfinite().all()
    assert greedy(model, Query(pictures(model.scheme).vectors)).log_probs.isfinite().all()
