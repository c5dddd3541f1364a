import pytest
import torch

from graticule.tokens.query import Neighbours, Query


def neighbours(count=4, size=3):
    return Neighbours(
        vectors={"image": torch.arange(count * size * 8.0).view(count, size, 8)},
        similarities=torch.rand(count, size),
        lat_lon=torch.zeros(count, size, 2, dtype=torch.float64),
        tokens=torch.zeros(count, size, 5, dtype=torch.int64),
    )


@pytest.fixture
def query():
    return Query({"image": torch.arange(32.0).view(4, 8), "location": torch.zeros(4, 2)}, neighbours())


def test_a_query_counts_its_pictures(query):
    assert query.batch_size == 4


@pytest.mark.parametrize("index", [slice(1, 3), torch.tensor([1, 2])])
def test_some_of_the_pictures(query, index):
    part = query[index]
    assert part.batch_size == 2
    assert torch.equal(part.vectors["image"], query.vectors["image"][1:3])
    for name in ("similarities", "lat_lon", "tokens"):
        assert torch.equal(getattr(part.neighbours, name), getattr(query.neighbours, name)[1:3])
    assert torch.equal(part.neighbours.vectors["image"], query.neighbours.vectors["image"][1:3])


def test_a_query_may_have_no_neighbours():
    query = Query({"image": torch.zeros(2, 8)})
    assert query[:1].neighbours is None
    assert query.to("meta").neighbours is None


def test_everything_moves_to_the_device(query):
    moved = query.to("meta")
    near = moved.neighbours
    parts = [*moved.vectors.values(), *near.vectors.values(), near.similarities, near.lat_lon, near.tokens]
    assert {part.device.type for part in parts} == {"meta"}
    assert near.lat_lon.dtype == torch.float64


def test_parts_must_count_the_same_pictures():
    with pytest.raises(ValueError, match="count the same pictures"):
        Query({"image": torch.zeros(2, 8), "location": torch.zeros(3, 8)})
    with pytest.raises(ValueError, match="count the same pictures"):
        Query({"image": torch.zeros(2, 8)}, neighbours(3))
    with pytest.raises(ValueError, match="tokens"):
        Neighbours({}, torch.zeros(2, 3), torch.zeros(2, 3, 2), torch.zeros(2, 4, 5))
    with pytest.raises(ValueError, match="must be"):
        Neighbours({}, torch.zeros(2), torch.zeros(2, 3, 2), torch.zeros(2, 3, 5))
