"""Samplers against a model small enough to enumerate."""

import math
from dataclasses import dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from graticule.decoding.beam import beam
from graticule.decoding.greedy import greedy
from graticule.decoding.sample import sample, sample_distinct, uniforms
from graticule.earth.cells import TokenScheme
from graticule.errors import ConfigError
from graticule.tokens.query import Query

SAMPLERS = pytest.mark.parametrize("draw", [sample, sample_distinct])
LEAVES = 96


@dataclass(frozen=True)
class Prefixes:
    number: torch.Tensor  # (B, W): the prefix read as one number
    seed: torch.Tensor  # (B,)
    length: int


class TableModel:
    """Next-token logits are a fixed random table of the prefix, another one for each picture."""

    def __init__(self, levels=(0, 1, 2)):
        self.scheme = TokenScheme(levels)
        generator = torch.Generator().manual_seed(0)
        self.tables, prefixes = [], 1
        for size in self.scheme.vocabulary:
            self.tables.append(torch.randn(10, prefixes, size, generator=generator, dtype=torch.float64))
            prefixes *= size

    def begin(self, query):
        seed = query.vectors["seed"][:, 0].long()
        return Prefixes(torch.zeros(len(seed), 1, dtype=torch.int64), seed, 0)

    def next_log_probs(self, state):
        return self.tables[state.length][state.seed[:, None], state.number].log_softmax(-1)

    def advance(self, state, parents, tokens):
        number = state.number.gather(1, parents) * self.scheme.vocabulary[state.length] + tokens
        return Prefixes(number, state.seed, state.length + 1)

    def every_leaf(self, picture, temperature=1.0):
        """All sequences (L, T), their log-probabilities token by token (L, T)."""
        sizes = self.scheme.vocabulary
        leaves = torch.cartesian_prod(*[torch.arange(size) for size in sizes]).reshape(-1, len(sizes))
        number, log_probs = torch.zeros(len(leaves), dtype=torch.int64), []
        for table, size, token in zip(self.tables, sizes, leaves.T, strict=True):
            log_probs.append((table[picture] / temperature).log_softmax(-1)[number, token])
            number = number * size + token
        return leaves, torch.stack(log_probs, dim=-1)


class OnlyCells:
    """A mask that leaves the given complete sequences (N, T)."""

    def __init__(self, scheme, sequences):
        self.scheme, self.sequences = scheme, sequences

    def children(self, prefixes):
        step = prefixes.shape[-1]
        same = (prefixes[:, :, None] == self.sequences[:, :step]).all(-1)  # (B, W, N)
        tokens = torch.arange(self.scheme.vocabulary[step])
        return (same[..., None] & (self.sequences[:, step, None] == tokens)).any(2)


def pictures(*seeds):
    return Query({"seed": torch.tensor(seeds, dtype=torch.float32).reshape(-1, 1)})


@pytest.fixture(scope="module")
def model():
    return TableModel()


def leaf_numbers(tokens):
    """Each complete sequence as one number, in the order of `every_leaf`."""
    number = torch.zeros_like(tokens[..., 0])
    for size, token in zip((6, 4, 4), tokens.unbind(-1), strict=True):
        number = number * size + token
    return number


def tempered(model, picture, temperature):
    """Probability of every leaf when each step's distribution is tempered."""
    return model.every_leaf(picture, temperature)[1].sum(-1).exp()


def chi_square(observed, probabilities):
    """Pearson's statistic and the value that it exceeds once in about 30,000 times (Wilson and Hilferty)."""
    expected = probabilities * observed.sum()
    degrees = len(observed) - 1
    limit = degrees * (1 - 2 / (9 * degrees) + 4 * math.sqrt(2 / (9 * degrees))) ** 3
    return ((observed - expected) ** 2 / expected).sum().item(), limit


@pytest.mark.parametrize("temperature", [0.7, 1.0, 1.6])
def test_frequencies_are_the_probabilities(model, temperature):
    found = sample(model, pictures(3), count=20_000, seed=11, temperature=temperature)
    observed = torch.zeros(LEAVES, dtype=torch.float64)
    observed[leaf_numbers(found.tokens[0])] = found.counts[0].double()
    assert observed.sum() == 20_000
    statistic, limit = chi_square(observed, tempered(model, 3, temperature))
    assert statistic < limit


@pytest.mark.parametrize("count", [1, 2])
def test_without_replacement_places_come_up_as_successive_draws_would(model, count):
    """P(i among the first two) = p_i + sum over j of p_j p_i / (1 - p_j)."""
    runs = 8000
    found = sample_distinct(model, pictures(*[3] * runs), count=count, seed=5)
    observed = leaf_numbers(found.tokens).flatten().bincount(minlength=LEAVES).double()
    p = tempered(model, 3, 1.0)
    if count == 2:
        odds = p / (1 - p)
        p = p + p * (odds.sum() - odds)
    expected = p * runs
    deviation = (observed - expected) / (expected * (1 - p)).sqrt()
    assert deviation.abs().max() < 4.5
    assert deviation.square().mean() == pytest.approx(1, abs=0.5)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 120), st.integers(0, 2**63 - 1), st.floats(0.05, 5))
def test_without_replacement_no_place_comes_twice(count, seed, temperature):
    found = sample_distinct(TableModel(), pictures(2, 9), count=count, seed=seed, temperature=temperature)
    assert found.tokens.shape == (2, min(count, LEAVES), 3)
    assert all(len(row.unique(dim=0)) == min(count, LEAVES) for row in found.tokens)
    assert found.log_probs.isfinite().all()


def test_all_the_places_without_replacement_are_the_exact_ranking(model):
    found, ranking = (
        sample_distinct(model, pictures(3, 1), count=500, seed=0),
        beam(model, pictures(3, 1), width=96),
    )
    assert torch.equal(found.tokens, ranking.tokens)


def test_without_replacement_the_likeliest_place_is_nearly_always_there(model):
    p = tempered(model, 3, 0.2)
    found = sample_distinct(model, pictures(*[3] * 200), count=20, seed=1, temperature=0.2)
    assert (leaf_numbers(found.tokens) == p.argmax()).any(1).all()


@SAMPLERS
def test_probabilities_are_the_model_s_own(model, draw):
    found = draw(model, pictures(3, 7), count=30, seed=4, temperature=2.5, top_k=3, top_p=0.9)
    for row, picture in enumerate((3, 7)):
        drawn = found.log_probs[row].isfinite()
        _, log_probs = model.every_leaf(picture)
        own = log_probs[leaf_numbers(found.tokens[row])][drawn]
        torch.testing.assert_close(found.token_log_probs[row][drawn], own)
        torch.testing.assert_close(found.log_probs[row][drawn], own.sum(-1))
        assert (found.log_probs[row][drawn].diff() <= 0).all()


def test_distinct_places_are_counted(model):
    found = sample(model, pictures(3, 7, 8), count=40, seed=4)
    assert found.counts.sum(1).tolist() == [40, 40, 40]
    for tokens, counts, log_probs in zip(found.tokens, found.counts, found.log_probs, strict=True):
        assert len(tokens[counts > 0].unique(dim=0)) == (counts > 0).sum()
        assert torch.equal(counts > 0, log_probs > -torch.inf)


class Counting(TableModel):
    """Writes down how many prefixes it was asked about."""

    def __init__(self):
        super().__init__()
        self.widths = []

    def next_log_probs(self, state):
        self.widths.append(state.number.shape[1])
        return super().next_log_probs(state)


def test_samples_that_share_a_prefix_share_its_evaluation():
    model = Counting()
    sample(model, pictures(3, 7), count=5000, seed=0)
    assert model.widths == [1, 6, 24]


@pytest.mark.parametrize(
    ("draw", "setting", "count"),
    [
        (sample, {"temperature": 1e-9}, 7),
        (sample, {"temperature": 1e-300}, 7),
        (sample_distinct, {"temperature": 1e-9}, 1),
        (sample_distinct, {"temperature": 1e-300}, 1),
        *(
            (draw, setting, 7)
            for draw in (sample, sample_distinct)
            for setting in ({"top_k": 1}, {"top_p": 1e-9})
        ),
    ],
)
def test_no_variety_is_greedy(model, draw, setting, count):
    query = pictures(*range(10))
    found, best = draw(model, query, count=count, seed=3, **setting), greedy(model, query)
    assert torch.equal(found.tokens[:, :1], best.tokens)
    torch.testing.assert_close(found.log_probs[:, :1], best.log_probs)
    assert (found.log_probs[:, 1:] == -torch.inf).all()


@SAMPLERS
def test_settings_that_cut_nothing_change_nothing(model, draw):
    plain = draw(model, pictures(1, 2), count=30, seed=3)
    for setting in ({"top_p": 1.0}, {"top_k": 24}, {"top_k": 1000}):
        assert torch.equal(draw(model, pictures(1, 2), count=30, seed=3, **setting).tokens, plain.tokens)


@pytest.mark.parametrize(
    ("setting", "kept"),
    [
        ({"top_k": 2}, 2),
        ({"top_p": 0.5}, 1),
        ({"top_p": 0.501}, 2),
        ({"top_p": 0.75}, 2),
        ({"top_p": 0.76}, 3),
    ],
)
def test_the_cut_is_where_it_should_be(setting, kept):
    model = TableModel(levels=(0,))
    model.tables[0][0, 0] = torch.tensor(
        [0.0625, 0.5, 0.0625, 0.25, 0.0625, 0.0625], dtype=torch.float64
    ).log()
    found = sample(model, pictures(0), count=2000, seed=0, **setting)
    assert len(found.tokens[0]) == kept
    assert found.tokens[0, : min(kept, 2), 0].tolist() == [1, 3][:kept]
    share = 0.5 / (0.5 + 0.25 * (kept > 1) + 0.0625 * (kept > 2))
    assert found.counts[0, 0].item() / 2000 == pytest.approx(share, abs=0.05)


@SAMPLERS
def test_the_seed_decides(model, draw):
    one, again, other = (draw(model, pictures(1, 2), count=20, seed=seed) for seed in (8, 8, 9))
    assert torch.equal(one.tokens, again.tokens)
    assert one.tokens.shape != other.tokens.shape or not torch.equal(one.tokens, other.tokens)


@SAMPLERS
def test_torch_s_own_generator_is_left_alone(model, draw):
    before = torch.get_rng_state()
    draw(model, pictures(1), count=3, seed=1)
    assert torch.equal(torch.get_rng_state(), before)


@SAMPLERS
def test_company_does_not_matter(model, draw):
    keys = torch.tensor([10, -4, 2**62])
    together = draw(model, pictures(5, 6, 7), count=12, seed=2, keys=keys)
    for row, picture in enumerate((5, 6, 7)):
        alone = draw(model, pictures(picture), count=12, seed=2, keys=keys[row : row + 1])
        width = alone.tokens.shape[1]
        assert torch.equal(together.tokens[row, :width], alone.tokens[0])
        assert (together.log_probs[row, width:] == -torch.inf).all()


@SAMPLERS
def test_pictures_differ_by_their_keys(model, draw):
    found = draw(model, pictures(5, 5, 5), count=3, seed=2, keys=torch.tensor([1, 1, 2]))
    assert torch.equal(found.tokens[0], found.tokens[1])
    assert not torch.equal(found.tokens[0], found.tokens[2])


@SAMPLERS
def test_more_samples_continue_fewer(model, draw):
    few, many = (draw(model, pictures(5), count=count, seed=2) for count in (10, 30))
    assert set(leaf_numbers(few.tokens[0]).tolist()) < set(leaf_numbers(many.tokens[0]).tolist())


@SAMPLERS
def test_no_pictures(model, draw):
    assert draw(model, pictures()[:0], count=4, seed=0).tokens.shape[0] == 0


def test_uniform_numbers_are_uniform_and_unrelated():
    draws = uniforms(torch.arange(20), 7, count=50, length=40)
    assert ((draws > 0) & (draws < 1)).all()
    observed = (draws.flatten() * 100).long().bincount(minlength=100).double()
    statistic, limit = chi_square(observed, torch.full((100,), 0.01, dtype=torch.float64))
    assert statistic < limit
    for axis in range(3):
        a, b = draws.unfold(axis, 2, 1).unbind(-1)
        pair = torch.stack([a.flatten(), b.flatten()])
        assert torch.corrcoef(pair)[0, 1].abs() < 4.5 / math.sqrt(a.numel())


ISLANDS = torch.tensor([[0, 1, 2], [0, 3, 3], [4, 0, 0]])


@SAMPLERS
def test_under_a_mask_only_its_cells_are_drawn(model, draw):
    query, mask = pictures(3, 1), OnlyCells(model.scheme, ISLANDS)
    found = draw(model, query, count=400, seed=2, mask=mask)
    allowed = set(leaf_numbers(ISLANDS).tolist())
    for row, picture in enumerate((3, 1)):
        possible = found.log_probs[row].isfinite()
        assert set(leaf_numbers(found.tokens[row][possible]).tolist()) == allowed
        _, log_probs = model.every_leaf(picture)
        mass = log_probs.sum(-1).exp()[sorted(allowed)].sum()
        torch.testing.assert_close(found.log_probs[row].exp().sum(), mass)


def test_under_a_mask_each_step_is_drawn_from_what_is_left(model):
    found = sample(model, pictures(3), count=4000, seed=2, mask=OnlyCells(model.scheme, ISLANDS))
    faces = model.tables[0][3, 0].softmax(-1)
    share = found.counts[0][found.tokens[0, :, 0] == 4].sum() / 4000
    assert share.item() == pytest.approx((faces[4] / (faces[0] + faces[4])).item(), abs=0.03)


@SAMPLERS
def test_a_mask_where_the_model_sees_nothing_gives_no_answer_and_no_nan(draw):
    model = TableModel()
    model.tables[1][:, 4] = torch.tensor([-torch.inf, 0, 0, 0], dtype=torch.float64)
    found = draw(model, pictures(0), count=6, seed=0, mask=OnlyCells(model.scheme, ISLANDS[2:]))
    assert (found.log_probs == -torch.inf).all()
    assert not found.token_log_probs.isnan().any()


@SAMPLERS
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"count": 0}, "sample count is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 2**63}, "seed is"),
        ({"temperature": 0.0}, "temperature is 0.0"),
        ({"temperature": math.inf}, "temperature is inf"),
        ({"temperature": math.nan}, "temperature is nan"),
        ({"top_k": 0}, "top_k is 0"),
        ({"top_p": 0.0}, "top_p is 0.0"),
        ({"top_p": 1.1}, "top_p is 1.1"),
        ({"keys": torch.arange(3)}, "keys are"),
        ({"keys": torch.zeros(1)}, "keys are"),
    ],
)
def test_settings_that_make_no_sense_are_refused(model, draw, settings, message):
    with pytest.raises(ConfigError, match=message):
        draw(model, pictures(0), **{"count": 4, "seed": 0, **settings})
