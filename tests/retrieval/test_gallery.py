import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from graticule.retrieval.gallery import Gallery


def gallery(count):
    generator = torch.Generator().manual_seed(count)
    return Gallery(
        torch.rand(count, 2, generator=generator, dtype=torch.float64) * 90,
        functional.normalize(torch.randn(count, 5, generator=generator), dim=-1),
    )


@given(st.integers(1, 30), st.integers(1, 12))
def test_shards_put_together_are_the_gallery(count, rows):
    whole = gallery(count)
    shards = list(whole.shards(rows))
    assert [len(shard["lat_lon"]) for shard in shards[:-1]] == [rows] * (len(shards) - 1)
    again = Gallery.from_shards(shards)
    assert len(again) == len(whole) == count
    assert torch.equal(again.lat_lon, whole.lat_lon)
    torch.testing.assert_close(again.vectors, whole.vectors)


def test_vectors_that_storage_rounded_are_made_unit_again():
    whole = gallery(9)
    rounded = [{**shard, "vectors": shard["vectors"].half().float() * 1.01} for shard in whole.shards(4)]
    torch.testing.assert_close(Gallery.from_shards(rounded).vectors.norm(dim=1), torch.ones(9))
