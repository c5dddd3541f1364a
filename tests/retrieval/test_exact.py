import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from graticule.retrieval import exact
from graticule.retrieval.exact import ExactIndex


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 40), st.integers(0, 99))
def test_blocks_of_rows_do_not_change_what_is_found(rows, k, numbers, seed):
    k, generator = min(k, rows), torch.Generator().manual_seed(seed)
    vectors = functional.normalize(torch.randn(rows, 8, generator=generator), dim=-1)
    queries = torch.randn(5, 8, generator=generator)
    whole = (queries @ vectors.T).topk(k)
    before = exact._NUMBERS_AT_ONCE
    exact._NUMBERS_AT_ONCE = numbers
    try:
        similarities, found = ExactIndex(vectors).search(queries, k)
    finally:
        exact._NUMBERS_AT_ONCE = before
    torch.testing.assert_close(similarities, whole.values, atol=1e-5, rtol=0)
    torch.testing.assert_close((queries @ vectors.T).gather(1, found), similarities, atol=1e-5, rtol=0)
    assert all(len(set(row.tolist())) == k for row in found)


def test_float16_vectors_are_compared_as_float32(clustered):
    half = clustered(300, 64).half()
    queries = clustered(7, 64, seed=1)
    similarities, found = ExactIndex(half).search(queries, 20)
    assert similarities.dtype == torch.float32
    expected = (queries.double() @ half.double().T).topk(20)
    torch.testing.assert_close(similarities.double(), expected.values, atol=1e-6, rtol=0)
    assert torch.equal(found, expected.indices)
