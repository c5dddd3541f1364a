"""Decoders against a model small enough to enumerate: a table of conditional distributions, no network."""

from dataclasses import dataclass

import pytest
import torch

from graticule.decoding.beam import beam, frontiers
from graticule.decoding.greedy import greedy
from graticule.earth.cells import TokenScheme
from graticule.errors import ConfigError
from graticule.tokens.query import Query


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

    def every_leaf(self, picture):
        """All sequences (L, T), their log-probabilities token by token (L, T)."""
        sizes = self.scheme.vocabulary
        leaves = torch.cartesian_prod(*[torch.arange(size) for size in sizes]).reshape(-1, len(sizes))
        number, log_probs = torch.zeros(len(leaves), dtype=torch.int64), []
        for table, size, token in zip(self.tables, sizes, leaves.T, strict=True):
            log_probs.append(table[picture].log_softmax(-1)[number, token])
            number = number * size + token
        return leaves, torch.stack(log_probs, dim=-1)


def pictures(*seeds):
    return Query({"seed": torch.tensor(seeds, dtype=torch.float32)[:, None]})


@pytest.fixture
def model():
    return TableModel()


@pytest.mark.parametrize("width", [96, 97, 5000])
def test_a_beam_of_all_leaves_is_the_exact_ranking(model, width):
    found = beam(model, pictures(3, 1, 7), width=width)
    assert found.tokens.shape == (3, 96, 3)
    for row, picture in enumerate((3, 1, 7)):
        leaves, log_probs = model.every_leaf(picture)
        totals, order = log_probs.sum(-1).sort(descending=True)
        assert torch.equal(found.tokens[row], leaves[order])
        torch.testing.assert_close(found.log_probs[row], totals)
        torch.testing.assert_close(found.token_log_probs[row], log_probs[order])
    torch.testing.assert_close(found.log_probs.exp().sum(-1), torch.ones(3, dtype=torch.float64))


def test_a_beam_of_one_is_greedy(model):
    one, best = beam(model, pictures(*range(10)), width=1), greedy(model, pictures(*range(10)))
    assert torch.equal(one.tokens, best.tokens)
    torch.testing.assert_close(one.token_log_probs, best.token_log_probs)
    torch.testing.assert_close(one.log_probs, best.log_probs)


def test_greedy_takes_the_best_token_of_every_step(model):
    found = greedy(model, pictures(4))
    number = 0
    for step, table in enumerate(model.tables):
        assert found.tokens[0, 0, step] == table[4, number].argmax()
        number = number * table.shape[-1] + int(found.tokens[0, 0, step])


@pytest.mark.parametrize("width", [1, 2, 5, 6, 7, 24, 30, 95])
def test_candidates_are_distinct_sorted_and_add_up(model, width):
    found = beam(model, pictures(0, 9), width=width)
    assert found.tokens.shape == (2, width, 3)
    assert (found.log_probs.diff(dim=1) <= 0).all()
    torch.testing.assert_close(found.token_log_probs.sum(-1), found.log_probs)
    for row in found.tokens:
        assert len(row.unique(dim=0)) == width


def test_a_wider_beam_finds_nothing_worse(model):
    best = [beam(model, pictures(*range(10)), width=width).log_probs[:, 0] for width in (1, 3, 96)]
    assert (best[0] <= best[1] + 1e-12).all()
    assert (best[1] <= best[2] + 1e-12).all()


def test_a_picture_gets_the_same_answer_in_any_company(model):
    together, alone = beam(model, pictures(5, 6, 7), width=9), beam(model, pictures(6), width=9)
    assert torch.equal(together.tokens[1:2], alone.tokens)


def test_every_frontier_is_the_exact_ranking_of_its_level(model):
    steps = frontiers(model, pictures(3, 1), width=96)
    assert [step.tokens.shape for step in steps] == [(2, 6, 1), (2, 24, 2), (2, 96, 3)]
    leaves, log_probs = model.every_leaf(3)
    for t, step in enumerate(steps, start=1):
        cells, first = torch.unique(leaves[:, :t], dim=0, return_inverse=True)
        mass = torch.zeros(len(cells), dtype=torch.float64).index_add_(0, first, log_probs.sum(-1).exp())
        order = mass.argsort(descending=True)
        assert torch.equal(step.tokens[0], cells[order])
        torch.testing.assert_close(step.log_probs[0].exp(), mass[order])


def test_no_pictures_give_no_candidates(model):
    assert beam(model, pictures()[:0], width=4).tokens.shape == (0, 4, 3)
    assert greedy(model, pictures()[:0]).tokens.shape == (0, 1, 3)


def test_one_token_is_enough():
    model = TableModel(levels=(1,))
    assert greedy(model, pictures(2)).tokens.shape == (1, 1, 1)
    assert beam(model, pictures(2), width=30).tokens.shape == (1, 24, 1)


def test_impossible_prefixes_come_last(model):
    model.tables[0][:, 0, 2] = -torch.inf
    found = beam(model, pictures(0), width=96)
    assert (found.tokens[0, -16:, 0] == 2).all()
    assert (found.log_probs[0, -16:] == -torch.inf).all()


@pytest.mark.parametrize("width", [0, -3])
def test_a_beam_must_have_a_width(model, width):
    with pytest.raises(ConfigError, match="beam width"):
        beam(model, pictures(0), width=width)


def test_candidates_know_where_they_are(model):
    found = beam(model, pictures(0, 1), width=7)
    lat_lon = found.lat_lon(model.scheme)
    assert lat_lon.shape == (2, 7, 2)
    assert lat_lon.dtype == torch.float64
    tokens = model.scheme.encode(lat_lon[1, :, 0].numpy(), lat_lon[1, :, 1].numpy())
    assert torch.equal(torch.from_numpy(tokens), found.tokens[1])


class OnlyCells:
    """A mask that leaves the given complete sequences (N, T)."""

    def __init__(self, scheme, sequences):
        self.scheme, self.sequences = scheme, sequences

    def children(self, prefixes):
        step = prefixes.shape[-1]
        same = (prefixes[:, :, None] == self.sequences[:, :step]).all(-1)  # (B, W, N)
        tokens = torch.arange(self.scheme.vocabulary[step])
        return (same[..., None] & (self.sequences[:, step, None] == tokens)).any(2)


ISLANDS = torch.tensor([[0, 1, 2], [0, 3, 3], [4, 0, 0], [4, 0, 1]])


@pytest.mark.parametrize("width", [4, 5, 96, 500])
def test_under_a_mask_a_beam_is_the_ranking_of_its_cells(model, width):
    found = beam(model, pictures(3, 1), width=width, mask=OnlyCells(model.scheme, ISLANDS))
    assert found.tokens.shape == (2, min(width, 96), 3)
    for row, picture in enumerate((3, 1)):
        leaves, log_probs = model.every_leaf(picture)
        allowed = (leaves[:, None] == ISLANDS).all(-1).any(1)
        totals, order = log_probs[allowed].sum(-1).sort(descending=True)
        assert torch.equal(found.tokens[row, :4], leaves[allowed][order])
        torch.testing.assert_close(found.log_probs[row, :4], totals)
        torch.testing.assert_close(found.token_log_probs[row, :4], log_probs[allowed][order])
        assert (found.log_probs[row, 4:] == -torch.inf).all()
        assert not found.token_log_probs[row].isnan().any()


def test_under_a_mask_every_frontier_sums_to_what_the_model_gives_the_cells(model):
    steps = frontiers(model, pictures(3), width=96, mask=OnlyCells(model.scheme, ISLANDS))
    assert [int(step.log_probs.isfinite().sum()) for step in steps] == [2, 3, 4]
    held = torch.stack([step.log_probs.exp().sum() for step in steps])
    assert (held.diff() < 0).all(), "a cell that is only partly allowed counts in full until it is divided"


def test_under_a_mask_greedy_takes_the_best_token_left(model):
    found = greedy(model, pictures(4), mask=OnlyCells(model.scheme, ISLANDS[1:2]))
    assert found.tokens[0, 0].tolist() == [0, 3, 3]
    leaves, log_probs = model.every_leaf(4)
    own = log_probs[(leaves == ISLANDS[1]).all(-1)]
    torch.testing.assert_close(found.token_log_probs[0], own)


def test_a_mask_of_everything_changes_nothing(model):
    every, _ = model.every_leaf(0)
    masked = beam(model, pictures(3, 1), width=7, mask=OnlyCells(model.scheme, every))
    plain = beam(model, pictures(3, 1), width=7)
    assert torch.equal(masked.tokens, plain.tokens)
    assert torch.equal(masked.log_probs, plain.log_probs)


def test_where_the_model_gives_a_mask_nothing_there_is_no_answer(model):
    model.tables[0][:, 0, 4] = -torch.inf
    found = greedy(model, pictures(4), mask=OnlyCells(model.scheme, ISLANDS[2:]))
    assert found.log_probs[0, 0] == -torch.inf
