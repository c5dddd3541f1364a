"""The distribution over the Earth, against sums over everything there is."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from graticule.decoding.beam import beam, frontiers
from graticule.decoding.constrain import CellMask
from graticule.decoding.density import density, density_of_beam
from graticule.earth import s2
from graticule.earth.cell_size import cell_areas_km2, reach_km
from graticule.earth.cells import TokenScheme
from graticule.earth.distance import EARTH_RADIUS_KM, haversine_km
from graticule.earth.regions import parse_region
from graticule.errors import ConfigError
from graticule.prediction import credible_radius_km
from graticule.tokens.gallery import GalleryCellModel
from graticule.tokens.query import Query

EARTH_KM2 = 4 * np.pi * EARTH_RADIUS_KM**2
SCHEME = TokenScheme((0, 1, 3, 4))
LEAVES = 6 * 4**4


def model(seed=0, *, count=60, epsilon=0.01, scheme=SCHEME):
    random = np.random.default_rng(seed)
    lat_lon = random.uniform((-90, -180), (90, 180), (count, 2))
    vectors = torch.randn(count, 6, generator=torch.Generator().manual_seed(seed))
    return GalleryCellModel(scheme, torch.from_numpy(lat_lon), vectors, temperature=0.4, epsilon=epsilon)


def query(count=3, seed=0):
    return Query({"location": torch.randn(count, 6, generator=torch.Generator().manual_seed(seed + 1))})


def leaves_of(gallery, pictures):
    """Ids (L,) of all the finest cells, and their exact probabilities (B, L)."""
    found = beam(gallery, pictures, width=LEAVES)
    cells = gallery.scheme.decode(found.tokens.numpy())
    order = cells.argsort(axis=1)
    mass = np.take_along_axis(found.log_probs.exp().numpy(), order, 1)
    return np.take_along_axis(cells, order, 1)[0], mass


def inside(cells, leaves):
    """Whether each cell (C,) holds each leaf (L,)."""
    return s2.contains(cells[:, None], leaves[None])


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 99), st.integers(1, 30), st.floats(0.3, 1), st.sampled_from([0, 1, 2, 3, 4, 30]))
def test_the_cells_are_a_partition_of_the_earth(seed, width, mass, finest_level):
    found = density(model(seed), query(seed=seed), width=width, mass=mass, finest_level=finest_level)
    np.testing.assert_allclose(found.mass.sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_allclose(found.area_km2.sum(axis=1), EARTH_KM2, rtol=1e-9)
    assert found.levels.max() <= finest_level
    for cells, levels in zip(found.cells, found.levels, strict=True):
        assert (cells[levels < 0] == 0).all()
        cells, levels = cells[levels >= 0], levels[levels >= 0]
        assert np.array_equal(s2.level_of(cells), levels)
        low, high = s2.id_range(np.sort(cells))
        # Leaf ids are odd: one cell begins where the one before it ends.
        assert low[0] == 1
        assert high[-1] == (6 << 61) - 1
        assert (low[1:] == high[:-1] + np.uint64(2)).all()


@pytest.mark.parametrize(("width", "mass"), [(1, 0.5), (4, 0.9), (3, 1), (400, 0.99)])
def test_every_cell_has_the_mass_of_what_lies_in_it(width, mass):
    gallery, pictures = model(), query()
    leaves, exact = leaves_of(gallery, pictures)
    found = density(gallery, pictures, width=width, mass=mass)
    for picture in range(3):
        real = found.levels[picture] >= 0
        sums = inside(found.cells[picture, real], leaves) @ exact[picture]
        np.testing.assert_allclose(found.mass[picture, real], sums, atol=1e-12)


def test_the_gallery_s_cells_hold_what_its_rows_say():
    gallery, pictures = model(epsilon=0), query()
    unit = torch.nn.functional.normalize
    rows_of_places = unit(gallery._vectors, dim=-1)
    weights = (unit(pictures.vectors["location"], dim=-1) @ rows_of_places.T).double() / 0.4
    leaves = gallery._leaves[gallery._place].numpy()
    places = SCHEME.decode(np.stack(np.unravel_index(leaves, SCHEME.vocabulary), axis=-1))
    found = density(gallery, pictures)
    for picture in range(3):
        real = found.levels[picture] >= 0
        rows = inside(found.cells[picture, real], places) @ weights.softmax(-1)[picture].numpy()
        np.testing.assert_allclose(found.mass[picture, real], rows, atol=1e-7)


@pytest.mark.parametrize("width", [1, 2, 7, 40])
def test_all_that_a_beam_finds_is_there(width):
    gallery, pictures = model(), query()
    best = beam(gallery, pictures, width=width)
    cells, mass = SCHEME.decode(best.tokens.numpy()), best.log_probs.exp().numpy()
    found = density(gallery, pictures, width=width, mass=1)
    for picture in range(3):
        at = [found.cells[picture].tolist().index(cell) for cell in cells[picture]]
        np.testing.assert_allclose(found.mass[picture, at], mass[picture], rtol=1e-9)


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 99), st.floats(0.1, 1))
def test_as_much_is_followed_down_as_was_asked(seed, mass):
    found = density(model(seed), query(seed=seed), mass=mass, width=LEAVES)
    finest = (found.mass * (found.levels == 4)).sum(axis=1)
    assert (finest >= mass - 1e-9).all()


def test_no_more_cells_are_split_than_it_takes():
    counts = [(density(model(), query(), mass=m, width=LEAVES).levels >= 0).sum() for m in (0.3, 0.6, 0.9, 1)]
    assert counts == sorted(set(counts))
    assert counts[-1] == 3 * LEAVES
    # 1 + 1 + 1 splits of width one: all cells of level 0, and 3, 15 and 3 more than were there.
    assert (density(model(), query(), mass=1, width=1).levels >= 0).sum(axis=1).tolist() == [27, 27, 27]


def test_the_densest_come_first():
    found = density(model(), query(), width=5)
    for mass, area, levels in zip(found.mass, found.area_km2, found.levels, strict=True):
        real = levels >= 0
        assert (np.diff(mass[real] / area[real]) <= 0).all()
        assert real[: real.sum()].all()


def test_a_picture_gets_the_same_answer_in_any_company():
    gallery, pictures = model(), query(4)
    together = density(gallery, pictures)
    for picture in range(4):
        alone = density(gallery, pictures[picture : picture + 1])
        count = alone.cells.shape[1]
        # Cells without a picture of the gallery are equally dense: rounding may change their order.
        order, same = together.cells[picture, :count].argsort(), alone.cells[0].argsort()
        assert np.array_equal(together.cells[picture, order], alone.cells[0, same])
        np.testing.assert_allclose(together.mass[picture, order], alone.mass[0, same], rtol=1e-5)
        assert (together.levels[picture, count:] == -1).all()
        np.testing.assert_allclose(together.point()[picture], alone.point()[0])
        np.testing.assert_allclose(together.entropy_bits()[picture], alone.entropy_bits()[0], rtol=1e-5)


def test_no_pictures():
    found = density(model(), query(0))
    assert found.cells.shape[0] == 0
    assert found.point().shape == (0, 2)
    assert found.finest_cell(0.5)[0].shape == (0,)
    assert found.radius_km(found.point(), mass=0.9).shape == (0,)


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 50), st.floats(0.01, 0.999), st.floats(0.01, 0.999))
def test_credible_regions_hold_what_they_say_and_are_nested(seed, one, other):
    found = density(model(seed), query(seed=seed))
    small, large = (found.credible(mass) for mass in sorted((one, other)))
    assert (small <= large).all()
    for mass, region in zip(sorted((one, other)), (small, large), strict=True):
        held = (found.mass * region).sum(axis=1)
        last = found.mass[np.arange(3), region.sum(axis=1) - 1]
        assert (held >= mass - 1e-12).all()
        assert (held - last < mass).all()
        thickness = np.where(found.levels >= 0, found.mass / np.maximum(found.area_km2, 1), 0)
        assert (np.where(region, thickness, np.inf).min(1) >= np.where(region, 0, thickness).max(1)).all()


def test_a_region_of_everything_is_the_earth():
    found = density(model(epsilon=0), query())
    np.testing.assert_allclose((found.area_km2 * found.credible(1)).sum(axis=1), EARTH_KM2)
    with pytest.raises(ConfigError, match="above 0"):
        found.credible(0)


def test_entropy_at_its_ends():
    even = model(epsilon=1 - 1e-12, scheme=TokenScheme((0,)))
    np.testing.assert_allclose(density(even, query()).entropy_bits(), np.log2(EARTH_KM2), rtol=1e-9)
    sure = density(model(count=1, epsilon=0), query())
    np.testing.assert_allclose(sure.entropy_bits(), np.log2(sure.area_km2[:, 0]))
    assert (sure.levels[:, 0] == 4).all()


def test_entropy_does_not_depend_on_how_an_even_spread_is_cut():
    """Splitting a cell whose children are equally dense adds nothing."""
    gallery = model(epsilon=1 - 1e-12, scheme=TokenScheme((0, 5)))
    coarse, fine = (density(gallery, query(1), width=w, mass=1).entropy_bits()[0] for w in (1, 6))
    # S2's cells are equal in mass here, not in area, which costs some hundredths of a bit.
    assert fine == pytest.approx(coarse, abs=0.06)
    assert fine < coarse


@pytest.mark.parametrize("level", [0, 1, 2, 3, 4])
def test_the_best_cell_of_a_level(level):
    gallery, pictures = model(), query()
    leaves, exact = leaves_of(gallery, pictures)
    cells, held = density(gallery, pictures, mass=1, width=LEAVES).best_cell(level)
    parents, places = np.unique(s2.parent(leaves, level), return_inverse=True)
    for picture in range(3):
        sums = np.bincount(places, weights=exact[picture])
        assert cells[picture] == parents[sums.argmax()]
        assert held[picture] == pytest.approx(sums.max())


def test_what_is_not_resolved_is_not_counted():
    cells, held = density(model(), query(), width=1, mass=1).best_cell(4)
    fine = density(model(), query(), width=1, mass=1)
    np.testing.assert_allclose(held, np.where(fine.levels == 4, fine.mass, 0).max(axis=1))
    assert (s2.level_of(cells) == 4).all()
    cells, held = density(model(), query(), finest_level=1).best_cell(3)
    assert (cells == 0).all()
    assert (held == 0).all()


@pytest.mark.parametrize("probability", [0.05, 0.3, 0.6, 0.9])
def test_the_finest_cell_that_is_sure_enough(probability):
    found = density(model(), query(20))
    cells, held = found.finest_cell(probability)
    for picture, (cell, share) in enumerate(zip(cells, held, strict=True)):
        finest = -1 if cell == 0 else s2.level_of(cell)
        assert share >= probability
        levels = [level for level in range(5) if found.best_cell(level)[1][picture] >= probability]
        assert finest == max(levels, default=-1)
        if cell:
            real = found.levels[picture] >= 0
            within = s2.contains(cell, found.cells[picture, real])
            assert share == pytest.approx(found.mass[picture, real][within].sum())


def test_a_certain_place_is_answered_to_the_last_level():
    cells, held = density(model(count=1, epsilon=0), query()).finest_cell(1)
    assert (s2.level_of(cells) == 4).all()
    assert (held == 1).all()


@pytest.mark.parametrize("probability", [0, 1.01, float("nan")])
def test_a_probability_must_be_one(probability):
    with pytest.raises(ConfigError, match="probability is"):
        density(model(), query()).finest_cell(probability)


def test_the_probability_of_a_region():
    found = density(model(), query())
    faces = [
        found.probability(lambda cells, f=f: (cells >> np.uint64(61) == f).astype(float)) for f in range(6)
    ]
    np.testing.assert_allclose(np.sum(faces, axis=0), 1)
    coarse = density(model(), query(), finest_level=0)
    for picture, (cells, mass) in enumerate(zip(coarse.cells, coarse.mass, strict=True)):
        for cell, share in zip(cells, mass, strict=True):
            assert faces[int(cell) >> 61][picture] == pytest.approx(share)
    np.testing.assert_allclose(found.probability(lambda cells: np.full(len(cells), 0.25)), 0.25)


def test_points_are_found_in_their_cells():
    found = density(model(), query())
    lat_lon = np.array([[0.0, 0.0], [-89.0, 10.0], [51.5, -179.9]])
    columns = found.holding(*lat_lon.T)
    for picture, column in enumerate(columns):
        leaf = s2.cell_ids(*lat_lon[picture])
        assert s2.contains(found.cells[picture, column], leaf)


@pytest.mark.parametrize("mass", [0.2, 0.9, 1.0])
def test_radii_are_those_of_one_picture_at_a_time(mass):
    found = density(model(), query())
    points = found.point()
    for picture, radius in enumerate(found.radius_km(points, mass=mass)):
        real = found.levels[picture] >= 0
        alone = credible_radius_km(
            *points[picture],
            found.lat_lon[picture, real],
            found.mass[picture, real],
            mass=mass,
            reach_km=reach_km(found.levels[picture, real]),
        )
        assert radius == pytest.approx(min(alone, np.pi * EARTH_RADIUS_KM))
    several = found.radii_km(points, np.array([0.5, mass]))
    np.testing.assert_array_equal(several[:, 1], found.radius_km(points, mass=mass))


def expected(found, picture, worth):
    """Mean worth of answering each of the 128 likeliest cells' centres, by its definition."""
    columns = found.likeliest(128)[picture]
    lat, lon = found.lat_lon[picture, columns].T
    apart = haversine_km(lat[:, None], lon[:, None], lat, lon)
    apart = np.sqrt(apart**2 + found.area_km2[picture, columns] / 6)
    return worth(apart, found.mass[picture, columns] / found.mass[picture, columns].sum())


def median_worth(apart, weights):
    order = apart.argsort(axis=1)
    half = (weights[order].cumsum(axis=1) >= 0.5 - 1e-12).argmax(axis=1)
    return -np.take_along_axis(apart, order, 1)[np.arange(len(apart)), half]


WORTH = {
    "geoscore": lambda apart, weights: np.exp(-apart / 1492.7) @ weights,
    "within": lambda apart, weights: (apart <= 800) @ weights,
    "median": median_worth,
}


@pytest.mark.parametrize("goal", WORTH)
def test_no_other_point_is_better_on_average(goal):
    found = density(model(), query(8))
    points = found.point(goal, within_km=800)
    for picture, point in enumerate(points):
        worth = expected(found, picture, WORTH[goal])
        at = (found.lat_lon[picture, found.likeliest(128)[picture]] == point).all(axis=1).argmax()
        assert worth[at] >= worth.max() - 1e-9


def test_a_coarse_cell_is_no_point():
    """Half of the probability somewhere in a face is not within 200 km of its middle."""
    places = torch.tensor([[0.0, 0.0], [10.0, 179.0]], dtype=torch.float64)
    gallery = GalleryCellModel(TokenScheme((0, 7)), places, torch.eye(2), temperature=1.0)
    pictures = Query({"location": torch.tensor([[1.0, 0.9]])})
    found = density(gallery, pictures, width=1, mass=1)
    assert found.mass.max() == pytest.approx(found.mass[0, found.likeliest(1)[0, 0]])
    assert found.levels[0, found.holding(np.array([10.0]), np.array([179.0]))[0]] == 0
    pictures = Query({"location": torch.tensor([[1.0, 1.0]])})
    assert (
        haversine_km(*density(gallery, pictures, width=1, mass=1).point("within", within_km=200)[0], 0, 0)
        < 100
    )


@pytest.mark.parametrize("options", [{"within_km": 0}, {"scale_km": -1}])
def test_distances_must_be_positive(options):
    with pytest.raises(ConfigError, match="positive"):
        density(model(), query()).point("within", **options)
    with pytest.raises(ConfigError, match="goal"):
        density(model(), query()).point("nearest")


class North:
    """North of 20 degrees, in the coarse eyes of a mask: a cell counts by how many of its leaves do."""

    def __init__(self, leaves):
        self.leaves, self.inside = leaves, s2.centres(leaves)[0] > 20

    def shares(self, cells):
        held = inside(cells, self.leaves)
        return (held & self.inside).sum(axis=1) / held.sum(axis=1)

    def points(self, cells):
        first = (inside(cells, self.leaves) & self.inside).argmax(axis=1)
        return np.stack(s2.centres(self.leaves[first]), axis=-1), self.shares(cells) > 0


def northern(gallery):
    region = North(leaves_of(gallery, query(1))[0])
    scheme = gallery.scheme

    def children(prefixes):
        size = scheme.vocabulary[prefixes.shape[2]]
        tokens = torch.cat(
            [prefixes[:, :, None].expand(-1, -1, size, -1), children_of(prefixes, size)], dim=-1
        )
        cells = scheme.decode(tokens.numpy())
        return torch.from_numpy(region.shares(cells.ravel()).reshape(cells.shape) > 0)

    return SimpleNamespace(children=children, region=region)


def children_of(prefixes, size):
    return torch.arange(size).expand(*prefixes.shape[:2], size)[..., None]


def test_a_mask_leaves_what_it_allows_and_its_probability():
    gallery, pictures = model(), query()
    mask = northern(gallery)
    _, exact = leaves_of(gallery, pictures)
    full = density(gallery, pictures, mass=1, width=LEAVES, mask=mask)
    np.testing.assert_allclose(full.total, exact @ mask.region.inside)
    assert (full.lat_lon[full.mass > 0][:, 0] > 20).all()
    some = density(gallery, pictures, mask=mask)
    assert (some.point()[:, 0] > 20).all()
    held = (some.mass * some.credible(0.8)).sum(axis=1) / some.total
    assert (held >= 0.8 - 1e-12).all()
    for picture in range(3):
        real = some.levels[picture] >= 0
        assert (mask.region.shares(some.cells[picture, real]) > 0).all()
    assert density(gallery, pictures, mask=mask).holding(*np.full((2, 3), -50.0)).tolist() == [-1, -1, -1]


def test_an_impossible_mask_leaves_nothing():
    never = SimpleNamespace(
        children=lambda p: torch.zeros(*p.shape[:2], SCHEME.vocabulary[p.shape[2]], dtype=torch.bool),
        region=SimpleNamespace(
            shares=lambda c: np.zeros(len(c)), points=lambda c: (np.zeros((len(c), 2)), c == 0)
        ),
    )
    found = density(model(), query(), mask=never)
    assert found.total.tolist() == [0, 0, 0]
    assert (found.levels == -1).all()
    assert np.isnan(found.point()).all()
    assert found.finest_cell(0.5)[0].tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    "options", [{"mass": 0}, {"mass": 1.1}, {"width": 0}, {"finest_level": 0, "scheme": TokenScheme((1, 2))}]
)
def test_settings_that_make_no_sense(options):
    scheme = options.pop("scheme", SCHEME)
    with pytest.raises(ConfigError):
        density(model(scheme=scheme), query(), **options)


@pytest.mark.parametrize(
    ("level", "close"), [(0, 1e-12), (3, 1e-12), (10, 1e-8), (11, 1e-6), (20, 1e-6), (30, 1e-6)]
)
def test_areas_are_those_of_the_s2_library(level, close):
    s2geometry = pytest.importorskip("s2geometry")
    random = np.random.default_rng(level)
    cells = s2.cell_ids(random.uniform(-90, 90, 50), random.uniform(-180, 180, 50), level=level)
    exact = [s2geometry.S2Cell(s2geometry.S2CellId(int(cell))).ExactArea() for cell in cells]
    np.testing.assert_allclose(cell_areas_km2(cells), EARTH_RADIUS_KM**2 * np.array(exact), rtol=close)


@pytest.mark.parametrize("region", [None, "Chad", "-40,100,10,180"])
@pytest.mark.parametrize("width", [1, 3, 6])
def test_a_beam_leaves_the_density_that_follows_as_many(width, region):
    gallery, pictures = model(3), query(4)
    mask = None if region is None else CellMask(SCHEME, parse_region(region))
    steps = frontiers(gallery, pictures, width=width, shown=LEAVES, mask=mask)
    seen = density_of_beam(steps, SCHEME, width=width, mask=mask)
    whole = density(gallery, pictures, mass=1.0, width=width, mask=mask)
    np.testing.assert_allclose(seen.total, whole.total, rtol=1e-3)  # float32 against float64
    if mask is not None:
        real = seen.levels >= 0  # which of equally probable cells are followed is left to chance
        assert (mask.region.shares(seen.cells[real]) > 0).all()
        return
    np.testing.assert_allclose(seen.total, 1, atol=1e-5)
    for picture in range(4):
        one, other = (
            dict(zip(d.cells[picture].tolist(), d.mass[picture].tolist(), strict=True)) for d in (seen, whole)
        )
        assert one.keys() == other.keys()
        np.testing.assert_allclose(list(one.values()), [other[cell] for cell in one], rtol=1e-3)


def test_what_a_beam_finds_impossible_has_no_cell():
    steps = frontiers(model(epsilon=0), query(), width=2, shown=LEAVES)
    seen = density_of_beam(steps, SCHEME, width=2)
    assert ((seen.mass > 0) == (seen.levels >= 0)).all()
    np.testing.assert_allclose(seen.total, 1, atol=1e-5)


def test_a_circle_holds_the_far_part_of_a_cell_that_a_region_cuts():
    """Two small circles in opposite corners of one coarse cell: the place stands in one of them."""
    coarse = TokenScheme((0, 2, 4))
    corners = ((45.5, 6.6), (49.0, 10.2))
    cell = {int(s2.cell_ids([lat], [lon], level=4)[0]) for lat, lon in corners}
    assert len(cell) == 1, "the corners must share a cell"
    region = parse_region([f"20 km around {lat},{lon}" for lat, lon in corners])
    gallery = model(scheme=coarse)
    found = density(gallery, query(1), mask=CellMask(coarse, region))
    point = found.point()
    radius = found.radius_km(point, mass=0.99)[0]
    farthest = max(haversine_km(point[0, 0], point[0, 1], lat, lon) for lat, lon in corners)
    assert radius >= farthest
