"""Pictures that were taken together, with densities made by hand."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graticule.earth import s2
from graticule.earth.cell_size import cell_areas_km2
from graticule.earth.distance import haversine_km
from graticule.errors import InputError, PictureError
from graticule.fusing.chain import STRANGE, fused_masses
from graticule.fusing.fuse import LONGEST, fuse, outings
from graticule.fusing.partition import common_cells, density_of, needed_cells, spread
from graticule.fusing.track import Track
from graticule.fusing.travel import Ground
from graticule.prediction import Candidate, Fused, NotSure, Prediction, Refusal, Selection

ALPS, ANDES, JAPAN = (46.0, 8.0), (-33.0, -70.0), (36.0, 138.0)
MINUTES = 60.0


def density(*places, level=8, elsewhere=0.02):
    """Shares in the cells of some places, (latitude, longitude, share); the rest is even over the Earth."""
    cells = np.array([s2.cell_ids([lat], [lon], level=level)[0] for lat, lon, _ in places], dtype=np.uint64)
    partition = common_cells([cells])
    area = cell_areas_km2(partition)
    mass = (elsewhere if len(places) else 1.0) * area / area.sum()
    for cell, (_, _, share) in zip(cells, places, strict=True):
        mass[partition == cell] += share * (1 - elsewhere)
    return density_of(partition, mass)


def answer(*places, name="a.jpg", **given):
    whole = density(*places, **given)
    [[lat, lon]] = whole.point()
    return Prediction(name, lat, lon, 1000.0, (), "toy", density=whole)


def km(prediction, place):
    return float(haversine_km(prediction.latitude, prediction.longitude, *place))


def near(place, *, km_off):
    return place[0] + km_off / 111.2, place[1]


def in_circle(place, prediction, radius_km):
    return prediction.probability(f"{radius_km} km around {place[0]},{place[1]}")


def test_two_ambiguous_pictures_resolve_each_other():
    first = answer((*ANDES, 0.55), (*ALPS, 0.45))
    second = answer((*JAPAN, 0.55), (*near(ALPS, km_off=30), 0.45))
    assert km(first, ANDES) < 50
    both = fuse([first, second], [0.0, 20 * MINUTES], together_s=30 * MINUTES)
    assert all(km(result, ALPS) < 60 for result in both)
    assert all(in_circle(ALPS, result, 200) > 0.9 for result in both)
    assert [result.fused for result in both] == [Fused(1, track=False)] * 2
    assert both[0].radius_km < 200
    assert both[0].radius_km == both[0].circles_km[89]


def test_a_sure_picture_pulls_a_vague_one_as_far_as_time_allows():
    sure, vague = answer((*ALPS, 1.0)), answer()
    soon = fuse([sure, vague], [0.0, 10 * MINUTES], together_s=3600)[1]
    later = fuse([sure, vague], [0.0, 600 * MINUTES], together_s=36000)[1]
    assert in_circle(ALPS, soon, 100) > 0.6
    assert 0.05 < in_circle(ALPS, later, 100) < in_circle(ALPS, soon, 100)
    assert in_circle(ALPS, soon, 100) <= 1 - STRANGE / 2, "it may be of somewhere else"


def test_the_order_given_does_not_matter_and_the_middle_hears_both_sides():
    pictures = [
        answer((*ALPS, 1.0), name="1"),
        answer(name="2"),
        answer((*near(ALPS, km_off=20), 1.0), name="3"),
    ]
    times = [0.0, 5 * MINUTES, 10 * MINUTES]
    straight = fuse(pictures, times, together_s=600)
    mixed = fuse([pictures[2], pictures[0], pictures[1]], [times[2], times[0], times[1]], together_s=600)
    assert [p.path for p in mixed] == ["3", "1", "2"]
    assert mixed[2].latitude == straight[1].latitude
    alone = fuse(pictures[:2], times[:2], together_s=600)[1]
    assert in_circle(ALPS, straight[1], 60) > in_circle(ALPS, alone, 60)


def test_an_outlier_keeps_its_place_and_does_not_carry_the_others_along():
    here = [answer((*near(ALPS, km_off=5 * i), 0.9), name=str(i)) for i in range(4)]
    strange = answer((*JAPAN, 1.0), elsewhere=0.001, name="strange")
    fused = fuse([*here[:2], strange, *here[2:]], [i * 5 * MINUTES for i in range(5)], together_s=600)
    assert km(fused[2], JAPAN) < 50
    assert in_circle(JAPAN, fused[2], 100) > 0.9
    for number in (0, 1, 3, 4):
        assert in_circle(ALPS, fused[number], 100) > 0.9


def test_one_vague_outlier_does_not_overrule_two_that_agree():
    pictures = [answer((*ALPS, 0.9)), answer((*JAPAN, 0.5), elsewhere=0.5), answer((*ALPS, 0.9))]
    fused = fuse(pictures, [0.0, 5 * MINUTES, 10 * MINUTES], together_s=600)
    assert all(km(result, ALPS) < 50 for result in (fused[0], fused[2]))


TRACK = Track(np.array([0.0, 3600.0]), np.array([ALPS, near(ALPS, km_off=40)]))


def test_a_track_pins():
    [pinned] = fuse([answer()], [1800.0], together_s=0, track=TRACK)
    assert pinned.fused == Fused(0, track=True)
    assert km(pinned, near(ALPS, km_off=20)) < 40
    [at_a_point] = fuse([answer()], [3600.0], together_s=0, track=TRACK)
    assert km(at_a_point, near(ALPS, km_off=40)) < 2
    assert in_circle(near(ALPS, km_off=40), at_a_point, 5) > 0.5


def test_a_track_of_another_day_says_nothing_and_one_of_a_wrong_clock_does_not_overrule():
    before = answer((*JAPAN, 1.0), elsewhere=0.001)
    assert fuse([before], [1e6], together_s=0, track=TRACK) == [before]
    [kept] = fuse([before], [0.0], together_s=0, track=TRACK)
    assert km(kept, JAPAN) < 50
    assert in_circle(JAPAN, kept, 100) > 0.9


def test_what_has_no_company_stays_as_it_is():
    alone, untimed = answer((*ALPS, 1.0)), answer((*JAPAN, 1.0))
    refused = Refusal("r.jpg", PictureError("r.jpg: no"))
    results = fuse([alone, refused, untimed, alone], [0.0, 60.0, None, 1e6], together_s=600)
    assert results == [alone, refused, untimed, alone]
    assert all(
        result is before for result, before in zip(results, [alone, refused, untimed, alone], strict=True)
    )


def test_an_answer_that_is_not_sure_may_become_sure():
    def doubt(prediction):
        return prediction.doubted(0.8, 200.0)

    first = answer((*ANDES, 0.5), (*ALPS, 0.5))
    both = fuse([first, first], [0.0, 60.0], together_s=60, doubt=doubt)
    assert isinstance(doubt(answer()).not_sure, NotSure)
    assert isinstance(both[0].not_sure, NotSure), "the same two places are as likely as before"
    helped = fuse([first, answer((*ALPS, 1.0))], [0.0, 60.0], together_s=60, doubt=doubt)
    assert helped[0].not_sure is None


def test_candidates_are_as_many_and_as_large_as_before():
    located = answer((*ALPS, 0.6), (*ANDES, 0.3))
    whole = located.density
    cells, _ = whole.best_cells(8, 2)
    candidates = tuple(Candidate(0.0, 0.0, 0.5, s2.hex_token(cell)) for cell in cells[0].tolist())
    [first, _] = fuse([replace(located, candidates=candidates), located], [0.0, 60.0], together_s=60)
    assert first.candidates[0].cell == candidates[0].cell
    assert len(first.candidates) == 2
    assert first.candidates[0].probability > 0.7


def test_what_cannot_be_fused_says_why():
    good = answer((*ALPS, 1.0))
    for wrong in ({"density": None}, {"region_probability": 0.5}, {"selection": Selection("reward")}):
        with pytest.raises(InputError, match=r"a\.jpg: "):
            fuse([good, replace(good, **wrong)], [0.0, 60.0], together_s=60)


def test_outings_end_with_a_gap_or_when_they_are_long():
    assert list(outings([50.0, None, 0.0, 100.0, 10.0], together_s=40)) == [[2, 4, 0], [3], [1]]
    long = list(outings([float(i) for i in range(LONGEST + 3)], together_s=2))
    assert [len(numbers) for numbers in long] == [LONGEST, 3]


@given(
    st.lists(st.tuples(st.floats(-85, 85), st.floats(-180, 180), st.integers(3, 14)), min_size=1, max_size=6)
)
def test_a_common_partition_covers_the_earth_and_keeps_what_is_needed(places):
    needed = [s2.cell_ids([lat], [lon], level=level) for lat, lon, level in places]
    cells = common_cells(needed)
    low, high = s2.id_range(cells)
    assert (low[1:] == high[:-1] + np.uint64(2)).all()
    assert cell_areas_km2(cells).sum() == pytest.approx(4 * np.pi * 6371.0**2, rel=1e-6)
    for [cell] in needed:
        assert not s2.contains(cells[cells != cell], cell).any()


def test_a_density_is_spread_without_loss_and_not_moved():
    whole = density((*ALPS, 0.6), (*JAPAN, 0.4))
    same = spread(whole, np.sort(whole.cells[0]))
    np.testing.assert_allclose(same, whole.mass[0][whole.cells[0].argsort()], atol=1e-9)
    finer = common_cells([s2.cell_ids([ALPS[0]], [ALPS[1]], level=14), needed_cells(whole)])
    assert spread(whole, finer).sum() == pytest.approx(1)
    coarse = common_cells([])
    assert len(coarse) == 6
    assert spread(whole, coarse).sum() == pytest.approx(1)


def test_what_a_picture_says_does_not_come_back_to_it():
    """Two that know nothing around one that is sure: they echo it, and it is as sure as it was."""
    ground = Ground(common_cells([s2.cell_ids([ALPS[0]], [ALPS[1]], level=6)]))
    own = ground.even * np.where(ground.area_km2 == ground.area_km2.min(), 1e4, 1.0)
    own /= own.sum()
    three = fused_masses(ground, [ground.even, own, ground.even], [0.0, 0.1, 0.2], [None] * 3)
    [alone] = fused_masses(ground, [own], [0.0], [None])
    np.testing.assert_allclose(alone, own)
    np.testing.assert_allclose(three[1].max(), own.max(), rtol=0.3)
    assert three[0].max() > 3 * ground.even[own.argmax()], "the others heard it"


def test_pictures_that_know_nothing_teach_nothing():
    ground = Ground(common_cells([s2.cell_ids([ALPS[0]], [ALPS[1]], level=6)]))
    even = ground.even
    flat = fused_masses(ground, [even] * 3, [0.0, 0.1, 0.2], [None] * 3)
    for mass in flat:
        assert np.abs(mass - even).max() < 0.1 * even.max(), "three pictures that know nothing know nothing"


def test_time_widens_the_ways_and_their_chances_sum_to_one():
    ground = Ground(common_cells([s2.cell_ids([ALPS[0]], [ALPS[1]], level=10)]))
    stays = [np.diag(ground.ways(hours)).mean() for hours in (0.0, 1.0, 10.0)]
    assert stays[0] > stays[1] > stays[2]
    np.testing.assert_allclose(ground.ways(1.0).sum(axis=1), 1)
    assert ground.from_point(*ALPS, 0.0).sum() == pytest.approx(1)


def test_a_picture_that_shows_nothing_hears_from_the_others():
    sure, unknown = answer((*ALPS, 1.0)), replace(answer(), notice="flatter than all")
    told = fuse([sure, unknown], [0.0, 10 * MINUTES], together_s=3600)[1]
    assert told.notice is None
    assert in_circle(ALPS, told, 100) > 0.6
    alone = fuse([unknown, unknown], [0.0, 10 * MINUTES], together_s=3600)
    assert [result.notice for result in alone] == ["flatter than all"] * 2
