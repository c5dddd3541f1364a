"""What every index promises: see `graticule.retrieval.contract`. Each of the registry has entries in `INDEXES`."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from graticule import registry
from graticule.errors import ConfigError
from graticule.retrieval.contract import Index
from graticule.retrieval.exact import ExactIndex
from graticule.retrieval.ivfpq import IvfPqIndex, IvfPqIndexConfig

INDEXES = {
    "exact": ExactIndex,
    "exact-small-blocks": lambda vectors: ExactIndex(vectors, block=2),
    "ivfpq": IvfPqIndex.build,
    "ivfpq-nine-lists": lambda vectors: IvfPqIndex.build(vectors, IvfPqIndexConfig(lists=9, probes=9)),
}


@pytest.fixture(params=INDEXES)
def build(request):
    return INDEXES[request.param]


def unit(count, width=6, seed=0):
    draws = torch.randn(count, width, generator=torch.Generator().manual_seed(seed))
    return functional.normalize(draws, dim=-1)


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 40), st.integers(1, 9), st.integers(0, 7), st.integers(0, 99))
@pytest.mark.parametrize("name", INDEXES)
def test_it_finds_what_comparing_with_all_finds(name, rows, k, queries, seed):
    k = min(k, rows)
    vectors, asked = unit(rows, seed=seed), unit(queries, seed=seed + 1)
    similarities, found = INDEXES[name](vectors).search(asked, k)
    assert similarities.shape == found.shape == (queries, k)
    assert similarities.dtype == torch.float32
    assert found.dtype == torch.int64
    everything = asked.double() @ vectors.double().T
    expected = everything.sort(dim=1, descending=True).values[:, :k]
    torch.testing.assert_close(similarities.double(), expected, atol=1e-5, rtol=0)
    # Each similarity is that of the row beside it, and no row comes twice.
    torch.testing.assert_close(everything.gather(1, found), similarities.double(), atol=1e-5, rtol=0)
    assert all(len(set(row.tolist())) == k for row in found)


def test_every_registered_index_is_held_to_the_contract():
    tried = {type(make(unit(3))) for make in INDEXES.values()}
    assert {registry.INDEXES.find(name) for name in registry.INDEXES} <= tried


def test_best_comes_first(build):
    similarities, found = build(unit(30)).search(unit(5, seed=1), 30)
    assert (similarities.diff(dim=1) <= 0).all()
    assert torch.equal(found.sort(dim=1).values, torch.arange(30).expand(5, 30))


def test_a_vector_finds_itself(build):
    vectors = unit(25)
    similarities, found = build(vectors).search(vectors, 1)
    assert torch.equal(found[:, 0], torch.arange(25))
    torch.testing.assert_close(similarities, torch.ones(25, 1))


def test_ties_are_all_found_and_found_alike(build):
    vectors = unit(4)[torch.tensor([0, 1, 0, 2, 0, 3])]
    index = build(vectors)
    similarities, found = index.search(vectors[:1], 3)
    assert sorted(found[0].tolist()) == [0, 2, 4]
    assert (similarities == similarities[0, 0]).all()
    assert torch.equal(index.search(vectors[:1], 3)[1], found)


def test_a_row_does_not_depend_on_the_batch(build):
    index, asked = build(unit(50)), unit(9, seed=1)
    similarities, found = index.search(asked, 4)
    for row in range(9):
        alone = index.search(asked[row : row + 1], 4)
        torch.testing.assert_close(alone[0][0], similarities[row], atol=1e-5, rtol=0)
        assert torch.equal(alone[1][0], found[row])


@pytest.mark.parametrize("k", [0, -1, 4])
def test_more_neighbours_than_there_are_is_refused(build, k):
    with pytest.raises(ConfigError, match=f"k: {k} neighbours of an index of 3; choose 1 to 3"):
        build(unit(3)).search(unit(1), k)


def test_vectors_of_another_width_are_refused(build):
    with pytest.raises(ConfigError, match="queries: 5 wide, but the index is 6 wide"):
        build(unit(3)).search(unit(1, width=5), 1)


def test_it_is_an_index(build):
    index = build(unit(3))
    assert isinstance(index, Index)
    assert len(index) == 3
