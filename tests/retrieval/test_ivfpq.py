"""The index of millions, at thousands: what it misses, and what it refuses."""

import resource
from contextlib import suppress

import pytest
import torch
from torch.nn import functional

from graticule.errors import ConfigError, MissingExtraError, ModelFormatError
from graticule.retrieval.exact import ExactIndex
from graticule.retrieval.ivfpq import IvfPqIndex, IvfPqIndexConfig, body_bytes, read_body, train_body


def recall(found, right):
    return (found[:, :, None] == right[:, None, :]).any(1).float().mean().item()


def test_few_neighbours_are_missed(clustered):
    vectors, queries = clustered(4000, 32, clusters=100), clustered(50, 32, clusters=100, seed=1)
    index = IvfPqIndex.build(vectors, IvfPqIndexConfig(lists=64, probes=12, candidates=100))
    _, right = ExactIndex(vectors).search(queries, 15)
    similarities, rows = index.search(queries, 15)
    assert recall(rows, right) > 0.95
    # What it finds is ranked by true similarities, not by codes.
    true = (vectors[rows] * queries[:, None]).sum(-1)
    torch.testing.assert_close(similarities, true, atol=1e-5, rtol=0)


def test_more_lists_and_candidates_find_more(clustered):
    vectors, queries = clustered(3000, 32, clusters=500), clustered(60, 32, clusters=500, seed=1)
    _, right = ExactIndex(vectors).search(queries, 15)

    def found(probes, candidates):
        config = IvfPqIndexConfig(lists=64, probes=probes, candidates=candidates)
        return recall(IvfPqIndex.build(vectors, config).search(queries, 15)[1], right)

    assert found(1, 60) < found(8, 60) < found(64, 3000) == 1


def test_float16_vectors_are_ranked_as_they_are_stored(clustered):
    half = clustered(500).half()
    similarities, rows = IvfPqIndex.build(half).search(clustered(5, seed=1), 10)
    assert similarities.dtype == torch.float32
    torch.testing.assert_close(
        similarities, (half[rows].float() * clustered(5, seed=1)[:, None]).sum(-1), atol=1e-6, rtol=0
    )
    torch.testing.assert_close(similarities, ExactIndex(half).search(clustered(5, seed=1), 10)[0])


def test_lists_too_short_for_the_neighbours_asked_for_do_not_lose_any(clustered):
    vectors = clustered(200)
    index = IvfPqIndex.build(vectors, IvfPqIndexConfig(lists=100, probes=1))
    similarities, rows = index.search(vectors[:7], 150)
    expected, right = ExactIndex(vectors).search(vectors[:7], 150)
    assert torch.equal(rows, right)
    assert torch.equal(similarities, expected)


def test_queries_of_any_length_find_the_same_rows(clustered):
    index = IvfPqIndex.build(clustered(800), IvfPqIndexConfig(probes=3))
    asked = clustered(9, seed=1)
    similarities, rows = index.search(asked, 5)
    longer, same = index.search(7 * asked, 5)
    assert torch.equal(same, rows)
    torch.testing.assert_close(longer, 7 * similarities)


def test_the_same_vectors_give_the_same_bytes_and_another_seed_others(clustered):
    vectors = clustered(600)
    first, second = (body_bytes(IvfPqIndex.build(vectors).body) for _ in range(2))
    assert first == second
    assert first != body_bytes(IvfPqIndex.build(vectors, IvfPqIndexConfig(seed=1)).body)


def test_bytes_are_an_index_again(clustered):
    vectors = clustered(600)
    index = IvfPqIndex.build(vectors)
    again = IvfPqIndex(vectors, read_body(bytes(body_bytes(index.body)), name="x"), index.config)
    queries = clustered(4, seed=1)
    assert all(map(torch.equal, again.search(queries, 9), index.search(queries, 9)))


def test_an_index_of_other_vectors_is_refused(clustered):
    vectors = clustered(100)
    body = IvfPqIndex.build(vectors).body
    for others in (vectors[:99], clustered(100, 24)):
        with pytest.raises(ModelFormatError, match="holds 100 rows of 16, but there are"):
            IvfPqIndex(others, body, IvfPqIndexConfig())


def test_bytes_that_are_no_such_index_are_refused(clustered):
    import faiss

    flat = bytes(faiss.serialize_index(faiss.IndexFlatL2(4)))
    with pytest.raises(ModelFormatError, match=r"some\.faiss: an index of another kind"):
        read_body(flat, name="some.faiss")
    for data in (b"", b"nothing of the kind", bytes(body_bytes(IvfPqIndex.build(clustered(50)).body))[:-9]):
        with pytest.raises(ModelFormatError, match=r"some\.faiss: not an index of faiss"):
            read_body(data, name="some.faiss")


def test_lists_of_rows_that_are_not_there_are_refused(clustered):
    vectors = clustered(100)
    data = bytes(body_bytes(IvfPqIndex.build(vectors).body))
    row = (57).to_bytes(8, "little")
    assert data.count(row) == 1
    for forged in (1_000_057, 100, 2**64 - 1):
        body = read_body(data.replace(row, forged.to_bytes(8, "little")), name="x")
        with pytest.raises(ModelFormatError, match=r"index\.faiss: its lists hold the rows"):
            IvfPqIndex(vectors, body, IvfPqIndexConfig())


def test_a_body_that_faiss_opens_and_can_not_search_is_refused(clustered):
    vectors = clustered(100)
    body = IvfPqIndex.build(vectors).body
    body.implem = 77
    index = IvfPqIndex(
        vectors, read_body(bytes(body_bytes(body)), name="x"), IvfPqIndexConfig(), name="some.faiss"
    )
    with pytest.raises(ModelFormatError, match=r"some\.faiss: can't be searched"):
        index.search(vectors[:2], 1)


def test_no_memory_is_set_aside_for_lengths_beyond_the_file(clustered):
    vectors = clustered(100)
    data = bytes(body_bytes(IvfPqIndex.build(vectors).body))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tried = 0
    for at in range(len(data) - 8):
        if data[at] and data[at + 3 : at + 8] == bytes(5):  # may be a length
            forged = data[:at] + (2**28).to_bytes(8, "little") + data[at + 8 :]
            with suppress(ModelFormatError):
                IvfPqIndex(vectors, read_body(forged, name="x"), IvfPqIndexConfig())
            tried += 1
    assert tried > 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * 1024


@pytest.mark.parametrize(("rows", "lists"), [(1, 2), (100_000, 512), (1_000_000, 2048), (4_100_000, 4096)])
def test_lists_grow_with_the_root_of_the_rows(rows, lists):
    assert IvfPqIndexConfig().lists_of(rows) == lists
    assert IvfPqIndexConfig(lists=7).lists_of(rows) == 7


def test_the_sample_is_of_rows_there_are():
    sample = IvfPqIndexConfig(sample=2).sample_of(1000)
    assert len(sample) == len(set(sample)) == 2 * 64
    assert (sample[1:] > sample[:-1]).all()
    assert IvfPqIndexConfig().sample_of(10).tolist() == list(range(10))


def test_without_faiss_the_extra_is_named(clustered, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(MissingExtraError, match=r"graticule\[scale\]"):
        train_body(clustered(20), 2, IvfPqIndexConfig())


@pytest.mark.parametrize("field", ["probes", "candidates", "lists", "sample"])
def test_settings_without_sense_are_refused(field):
    with pytest.raises(ValueError, match=field):
        IvfPqIndexConfig(**{field: 0})


def test_another_width_is_refused_before_faiss_sees_it(clustered):
    with pytest.raises(ConfigError, match="5 wide, but the index is 16 wide"):
        IvfPqIndex.build(clustered(50)).search(functional.normalize(torch.ones(1, 5)), 1)
