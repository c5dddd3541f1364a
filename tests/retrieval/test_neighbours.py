"""The nearest others of every row: what is left out, and what is kept."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from graticule.earth.distance import haversine_km
from graticule.errors import ModelFormatError, ModelNotFoundError
from graticule.retrieval import neighbours
from graticule.retrieval.gallery import Gallery
from graticule.retrieval.neighbours import (
    NeighbourConfig,
    build_neighbours,
    nearest_others,
    read_neighbours,
)


def some_gallery(rows, seed, *, twins=True):
    """Rows near each other in both senses, so that every rule has something to leave out."""
    generator = torch.Generator().manual_seed(seed)
    base = torch.randn(max(1, rows // 3), 6, generator=generator)
    pick = torch.randint(len(base), (rows,), generator=generator)
    noise = 0.1 if twins else 1.0
    vectors = functional.normalize(base[pick] + noise * torch.randn(rows, 6, generator=generator), dim=-1)
    lat_lon = torch.randint(3, (rows, 2), generator=generator).double() * 0.0004
    return Gallery(lat_lon, vectors), torch.randint(-1, 4, (rows,), generator=generator)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 40), st.integers(1, 9), st.integers(0, 999), st.booleans())
def test_it_is_what_a_loop_over_all_pairs_finds(rows, count, seed, known):
    gallery, authors = some_gallery(rows, seed)
    config = NeighbourConfig(count=count, duplicate_cosine=0.9, duplicate_km=0.05)
    groups = [authors] if known else []
    found, similarities = nearest_others(gallery, slice(0, rows), config, groups=groups)
    assert found.shape == similarities.shape == (rows, count)
    assert (found.dtype, similarities.dtype) == (torch.int32, torch.float16)
    cosines = gallery.vectors @ gallery.vectors.T
    for row in range(rows):
        km = haversine_km(*gallery.lat_lon[row].tolist(), *gallery.lat_lon.T.numpy())
        kept = [
            other
            for other in range(rows)
            if other != row
            and not (known and authors[row] >= 0 and authors[other] == authors[row])
            and not (cosines[row, other] >= 0.9 and km[other] <= 0.05)
        ]
        kept.sort(key=lambda other: -cosines[row, other])
        expected = kept[:count]
        real = found[row][found[row] >= 0].tolist()
        assert len(real) == len(expected)
        torch.testing.assert_close(cosines[row, real], cosines[row, expected], atol=1e-5, rtol=0)
        assert set(real) <= set(kept)
        assert (found[row][len(real) :] == -1).all()
        assert (similarities[row][len(real) :] == 0).all()


def test_a_twin_elsewhere_and_an_unlike_neighbour_stay():
    vectors = functional.normalize(torch.tensor([[1.0, 0, 0], [1, 0.01, 0], [1, 0.02, 0], [1, 1, 0]]), dim=-1)
    lat_lon = torch.tensor([[10.0, 20], [10, 20.0001], [40, 50], [10, 20]], dtype=torch.float64)
    found, _ = nearest_others(Gallery(lat_lon, vectors), slice(0, 1), NeighbourConfig(count=3))
    assert found[0].tolist() == [2, 3, -1]  # 1 looks alike and lies 11 m away


def test_an_author_of_all_that_is_near_gets_neighbours_from_farther(monkeypatch):
    """300 pictures of one author in one region fill the first hundred of each other, others' come after."""
    generator = torch.Generator().manual_seed(0)
    centre = functional.normalize(torch.randn(32, generator=generator), dim=0)
    spread = torch.cat([torch.full((300, 1), 0.1), torch.full((300, 1), 0.2)])
    vectors = functional.normalize(centre + spread * torch.randn(600, 32, generator=generator), dim=-1)
    authors = torch.cat([torch.zeros(300, dtype=torch.int64), torch.arange(1, 301)])
    lat_lon = torch.rand(600, 2, generator=generator, dtype=torch.float64)
    monkeypatch.setattr(neighbours, "_FOUND_AT_ONCE", 404 * 70)  # several parts
    found, similarities = nearest_others(
        Gallery(lat_lon, vectors), slice(0, 600), NeighbourConfig(), groups=[authors]
    )
    cosines = (vectors @ vectors.T).masked_fill(authors[:, None] == authors, -2)
    expected, rows = cosines.topk(15)
    assert torch.equal(found.long(), rows)
    torch.testing.assert_close(similarities.float(), expected, atol=1e-3, rtol=0)
    narrow, _ = nearest_others(
        Gallery(lat_lon, vectors), slice(0, 600), NeighbourConfig(widest=1), groups=[authors]
    )
    assert (narrow[:300, -1] < 0).any(), "else nothing was tried"


@pytest.fixture
def index(index_of, clustered, monkeypatch):
    monkeypatch.setattr(neighbours, "_ROWS_AT_ONCE", 100)
    return index_of(clustered(250, clusters=60))


def test_blocks_together_are_the_whole(index, clustered):
    config = NeighbourConfig(count=4)
    assert build_neighbours(index, config, report=lambda line: None)
    rows, similarities = read_neighbours(index)
    vectors = clustered(250, clusters=60).half()
    expected, _ = nearest_others(Gallery(torch.zeros(250, 2), vectors), slice(0, 250), config)
    same = (rows[:, :, None] == expected[:, None, :]).any(1).float().mean()
    assert same > 0.95
    assert similarities.shape == (250, 4)


def test_it_goes_on_where_it_was_stopped(index, monkeypatch):
    config, ticks, calls = NeighbourConfig(count=4), iter(range(10**6)), []
    once = neighbours.nearest_others

    def counted(gallery, rows, *arguments, **options):
        calls.append(rows)
        return once(gallery, rows, *arguments, **options)

    monkeypatch.setattr(neighbours, "nearest_others", counted)
    monkeypatch.setattr(neighbours.time, "monotonic", lambda: next(ticks))
    runs = 0
    while not build_neighbours(index, config, report=lambda line: None, stop_after_s=0):
        runs += 1
        assert runs < 20
    assert runs == 2, "a block a run, however short it is"
    assert [rows.start for rows in calls] == [0, 100, 200]
    assert build_neighbours(index, config, report=lambda line: None)
    assert len(calls) == 3, "found once"


def test_killed_at_its_very_end_it_leaves_no_folder_of_work(index, monkeypatch):
    def interrupt(path):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(neighbours.shutil, "rmtree", interrupt)
        with pytest.raises(KeyboardInterrupt):
            build_neighbours(index, NeighbourConfig(count=4), report=lambda line: None)
    assert build_neighbours(index, NeighbourConfig(count=4), report=lambda line: None)
    assert not (index / "building").exists()


def test_other_settings_or_authors_are_found_anew(index):
    build_neighbours(index, NeighbourConfig(count=4), report=lambda line: None)
    before, _ = read_neighbours(index)
    build_neighbours(index, NeighbourConfig(count=2), report=lambda line: None)
    assert torch.equal(read_neighbours(index)[0], before[:, :2])
    alone, said = torch.zeros(250, dtype=torch.int64), []
    build_neighbours(index, NeighbourConfig(count=2), groups=[alone], report=said.append)
    assert said[-1] == "neighbours: 250 of 250 rows have fewer than 2"
    assert (read_neighbours(index)[0] == -1).all()


def test_neighbours_that_are_damaged_or_missing_are_refused(index):
    with pytest.raises(ModelNotFoundError, match="--neighbours K"):
        read_neighbours(index)
    build_neighbours(index, NeighbourConfig(count=4), report=lambda line: None)
    path = index / "neighbours.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(ModelFormatError, match=r"neighbours\.safetensors: its SHA-256"):
        read_neighbours(index)
    build_neighbours(index, NeighbourConfig(count=4), report=lambda line: None)
    assert path.read_bytes() == whole
