"""The compact design in training, and what both designs share. Decoding is tested by the contract suite."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from graticule.tokens.geotoken import GeoToken, GeoTokenConfig
from graticule.tokens.query import Neighbours, Query
from graticule.tokens.targets import soft_targets

WIDTHS = {"image": 12, "location": 8}
SMALL = {
    "vectors": WIDTHS,
    "neighbours": 4,
    "d_model": 32,
    "heads": 2,
    "feed_forward": 64,
    "encoder_layers": 1,
    "decoder_layers": 2,
    "levels": (0, 2, 4),
}


def model(**overrides):
    torch.manual_seed(0)
    return GeoToken(GeoTokenConfig.compact(**{**SMALL, **overrides}))


def batch(scheme, count=16, near=4):
    random, generator = np.random.default_rng(0), torch.Generator().manual_seed(0)
    lat_lon = np.stack(
        [random.uniform(-80, 80, (count, near + 1)), random.uniform(-180, 180, (count, near + 1))], -1
    )
    tokens = torch.from_numpy(scheme.encode(lat_lon[..., 0].ravel(), lat_lon[..., 1].ravel()))
    tokens = tokens.view(count, near + 1, -1)
    draw = {name: torch.randn(count, near + 1, width, generator=generator) for name, width in WIDTHS.items()}
    neighbours = Neighbours(
        vectors={name: vectors[:, 1:] for name, vectors in draw.items()},
        similarities=torch.rand(count, near, generator=generator),
        lat_lon=torch.from_numpy(lat_lon[:, 1:]),
        tokens=tokens[:, 1:],
    )
    query = Query({name: vectors[:, 0] for name, vectors in draw.items()}, neighbours)
    return query, tokens[:, 0], lat_lon[:, 0]


def count_parameters(net):
    return sum(weight.numel() for weight in net.parameters())


def test_the_paper_preset_is_as_large_as_published():
    assert count_parameters(GeoToken(GeoTokenConfig.paper())) == pytest.approx(54.8e6, rel=0.005)


def test_the_compact_preset_fits_a_laptop():
    assert count_parameters(GeoToken(GeoTokenConfig.compact())) < 8e6


def test_a_paper_memory_has_214_tokens():
    net = GeoToken(GeoTokenConfig.paper(**{**SMALL, "neighbours": 15, "levels": tuple(range(0, 21, 2))}))
    query, _, _ = batch(net.scheme, near=15)
    assert net.memory(query).shape == (16, 1 + 2 + 15 * (2 + 11), 32)


def test_a_compact_memory_has_one_token_a_vector_and_a_neighbour():
    net = model().eval()
    query, _, _ = batch(net.scheme)
    assert net.memory(query).shape == (16, 2 + 4, 32)


@pytest.mark.parametrize("design", ["compact", "paper"])
def test_an_untrained_guess_is_about_uniform(design):
    net = GeoToken(getattr(GeoTokenConfig, design)(**SMALL)).eval()
    query, tokens, _ = batch(net.scheme)
    uniform = net.position_weights @ torch.tensor(net.scheme.vocabulary).log()
    assert net.loss(query, tokens).item() == pytest.approx(
        uniform.item(), abs=0.1 if design == "compact" else 1.5
    )


def test_a_uniform_guess_scores_what_the_paper_s_weights_say():
    net = GeoToken(GeoTokenConfig.paper(**{**SMALL, "levels": tuple(range(0, 21, 2))}))
    uniform = net.position_weights @ torch.tensor(net.scheme.vocabulary).log()
    assert uniform.item() == pytest.approx(2.654, abs=5e-4)


@pytest.mark.parametrize("autocast", [False, True], ids=["float32", "bfloat16"])
def test_a_batch_can_be_learned_by_heart(autocast):
    net = model(dropout=0.0)
    query, tokens, lat_lon = batch(net.scheme)
    targets = [torch.from_numpy(target) for target in soft_targets(net.scheme, lat_lon, scale=0.05)]
    optimiser = torch.optim.AdamW(net.parameters(), lr=3e-3)
    for _ in range(40):
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            loss = net.loss(query, tokens, targets=targets)
        assert loss.dtype == torch.float32
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        assert net.eval().log_probs(query, tokens).exp().mean() > 0.7
    assert all(weight.grad is not None for weight in net.parameters()), "every weight takes part"


def test_one_hot_targets_are_the_plain_loss():
    net = model().eval()
    query, tokens, _ = batch(net.scheme)
    hot = [
        torch.nn.functional.one_hot(token, size).float()
        for token, size in zip(tokens.T, net.scheme.vocabulary, strict=True)
    ]
    torch.testing.assert_close(net.loss(query, tokens, targets=hot), net.loss(query, tokens))


def test_several_sequences_read_one_memory():
    net = model().eval()
    query, tokens, _ = batch(net.scheme)
    several = torch.stack([tokens, tokens.flip(0)], dim=1)
    torch.testing.assert_close(net.log_probs(query, several)[:, 1], net.log_probs(query, tokens.flip(0)))
    assert net.hidden(query, several).shape == (16, 2, 4, 32)


def test_a_token_does_not_see_those_after_it():
    net = model().eval()
    query, tokens, _ = batch(net.scheme)
    other = torch.cat([tokens[:, :1], (tokens[:, 1:] + 3) % 16], dim=1)
    for step in (0, 1):
        torch.testing.assert_close(net(query, tokens)[step], net(query, other)[step])
    assert not torch.allclose(net(query, tokens)[2], net(query, other)[2])


def hide_all(query):
    return Query(query.vectors)


def test_hidden_neighbours_are_as_good_as_none():
    net = model(all_neighbours_dropout=1.0, dropout=0.0)
    query, tokens, _ = batch(net.scheme)
    torch.testing.assert_close(net.train().loss(query, tokens), net.eval().loss(hide_all(query), tokens))


def test_neighbours_are_hidden_in_training_alone():
    net = model(neighbour_dropout=0.5, dropout=0.0)
    query, tokens, _ = batch(net.scheme)
    assert torch.equal(net.eval().loss(query, tokens), net.loss(query, tokens))
    assert not torch.equal(net.train().loss(query, tokens), net.loss(query, tokens))


def test_neighbours_are_hidden_at_the_given_rate():
    seen = model(neighbour_dropout=0.3, all_neighbours_dropout=0.1).embed_memory._seen(torch.zeros(20_000, 5))
    assert seen.float().mean().item() == pytest.approx(0.7 * 0.9, abs=0.01)
    assert (~seen).all(1).float().mean().item() == pytest.approx(0.1 + 0.9 * 0.3**5, abs=0.01)


def test_training_resumes_exactly_from_torch_s_own_random_state():
    net = model(neighbour_dropout=0.5)
    query, tokens, _ = batch(net.scheme)
    torch.manual_seed(3)
    net.loss(query, tokens)
    state = torch.get_rng_state()
    following = net.loss(query, tokens)
    torch.set_rng_state(state)
    assert torch.equal(net.loss(query, tokens), following)


@pytest.mark.parametrize("part", ["similarities", "lat_lon", "tokens", "vectors"])
def test_everything_about_a_neighbour_counts(part):
    net = model().eval()
    query, tokens, _ = batch(net.scheme)
    parts = {
        name: getattr(query.neighbours, name) for name in ("vectors", "similarities", "lat_lon", "tokens")
    }
    if part == "vectors":
        changed = {name: vector.roll(1, 0) for name, vector in parts[part].items()}
    else:
        changed = parts[part].roll(1, 0)
    other = Query(query.vectors, Neighbours(**{**parts, part: changed}))
    assert not torch.allclose(net.log_probs(query, tokens), net.log_probs(other, tokens))


def test_a_place_is_told_from_the_cell_next_door():
    net = model(levels=tuple(range(0, 21, 2)))
    here = torch.tensor([[48.8584, 2.2945]], dtype=torch.float64)
    step = torch.tensor([[1e-4, 0.0]], dtype=torch.float64)  # 11 m, about a level-20 cell
    place = net.embed_memory.place
    assert (place(here) - place(here + step)).abs().max() > 0.1


def test_a_configuration_survives_json():
    config = GeoTokenConfig.compact(**SMALL, neighbour_vectors=("location",))
    assert GeoTokenConfig.model_validate_json(config.model_dump_json()) == config
    assert list(GeoTokenConfig.model_validate_json(config.model_dump_json()).vectors) == list(WIDTHS)


def test_weights_survive_a_state_dict():
    net = model().eval()
    other = GeoToken(net.config).eval()
    other.load_state_dict(net.state_dict())
    query, tokens, _ = batch(net.scheme)
    assert torch.equal(net.loss(query, tokens), other.loss(query, tokens))
    storages = {weight.data_ptr() for weight in net.state_dict().values()}
    assert len(storages) == len(net.state_dict()), "no weight is saved twice"


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"d_model": 30, "heads": 4}, "not a multiple"),
        ({"neighbour_vectors": ("smell",)}, "not among vectors"),
        ({"vectors": {}}, "at least 1"),
        ({"dropout": 1.0}, "less than 1"),
        ({"layers": 3}, "Extra inputs"),
        ({"design": "paper"}, "compact design"),
        ({"position_weights": (0.0, 0.0)}, "position_weights"),
    ],
)
def test_configurations_that_make_no_sense_are_refused(overrides, message):
    with pytest.raises(ValidationError, match=message):
        GeoTokenConfig.compact(**overrides)


@pytest.mark.parametrize("design", ["compact", "paper"])
@pytest.mark.parametrize("neighbours", [4, 12])
def test_training_computes_what_evaluation_does(design, neighbours, monkeypatch):
    """However products are bracketed, and with whichever kernel: the same loss and the same gradients."""
    settings = {**SMALL, "neighbours": neighbours, "dropout": 0.0}
    if design == "compact":
        settings |= {"neighbour_dropout": 0.3, "all_neighbours_dropout": 0.3}
    torch.manual_seed(0)
    net = GeoToken(getattr(GeoTokenConfig, design)(**settings))
    query, tokens, _ = batch(net.scheme, near=neighbours)

    def of(ratio, attend):
        monkeypatch.setattr("graticule.tokens.geotoken.MEMORY_PER_QUERY", ratio)
        if attend is not None:
            monkeypatch.setattr("graticule.tokens.blocks.attend_on_cpu", attend)
        net.zero_grad()
        torch.manual_seed(1)  # which neighbours are hidden
        loss = net.loss(query, tokens)
        loss.backward()
        return [loss.detach(), *(weight.grad.clone() for weight in net.parameters())]

    def fused(queries, keys, values, *, mask, causal, share):
        return torch.nn.functional.scaled_dot_product_attention(
            queries, keys, values, attn_mask=mask, is_causal=causal
        )

    carried, projected = of(0, None), of(10**9, None)
    plain = of(10**9, fused)
    for one, other, third in zip(carried, projected, plain, strict=True):
        torch.testing.assert_close(one, third, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(other, third, rtol=1e-4, atol=1e-6)


def test_dropout_of_attention_leaves_the_mean_as_it_is():
    """Over many masks, a memory looked at by few positions gives what it gives to many."""
    net = model(dropout=0.3, neighbour_dropout=0.0, all_neighbours_dropout=0.0)
    attention = net.decoder[0].cross_attention.train()
    torch.nn.init.normal_(attention.key_value.bias)
    x, memory = torch.randn(1, 1, 32).expand(4000, 2, 32), torch.randn(1, 9, 32).expand(4000, 9, 32)
    with torch.no_grad():
        few = attention.attend_memory(x, memory, mask=None)
        many = attention.attend(attention.queries(x), *attention.keys_values(memory))
    assert not torch.equal(few[0], few[1])
    spread = few.std(0).max() / 4000**0.5
    torch.testing.assert_close(few.mean(0), many.mean(0), rtol=0, atol=6 * spread.item())
    torch.testing.assert_close(few.std(0), many.std(0), rtol=0.15, atol=1e-3)
