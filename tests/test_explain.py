"""Answers in words: the places that are named hold what is said of them, and words are never surer than numbers."""

import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graticule.earth import s2
from graticule.earth.cell_size import cell_areas_km2, reach_km
from graticule.earth.density import Density
from graticule.earth.places import Places
from graticule.earth.places.compass import compass
from graticule.errors import InputError
from graticule.explain import explain, words
from graticule.explain.naming import name_of
from graticule.explain.parts import name_cell, parts_of
from graticule.explain.pieces import connected
from graticule.prediction import Candidate, Neighbour, NotSure, Prediction

ATACAMA, BAHIA, GULF, BAVARIA = (-22.5, -69.0), (-12.5, -41.5), (0.0, -20.0), (48.6, 11.5)


@pytest.fixture(scope="module")
def places():
    return Places.load()


def density(*shares, level=7):
    """A density of cells at ((lat, lon), probability); what they leave of the Earth has the rest."""
    lat, lon = np.array([place for place, _ in shares]).T
    cells = s2.cell_ids(lat, lon, level=level)
    mass = np.array([share for _, share in shares])
    if mass.sum() < 1 - 1e-9:
        cells, mass = np.append(cells, np.uint64(1) << np.uint64(60)), np.append(mass, 1 - mass.sum())
    areas, levels = cell_areas_km2(cells), s2.level_of(cells)
    order = np.argsort(-mass / areas)
    columns = cells, levels, mass, areas, np.stack(s2.centres(cells), axis=-1), reach_km(levels)
    return Density(*(column[order][None] for column in columns))


def prediction(*shares, level=7, **more):
    (lat, lon), _ = max(shares, key=lambda share: share[1])
    cell = s2.hex_token(int(s2.cell_ids([lat], [lon], level=level)[0]))
    candidates = (Candidate(lat, lon, 0.5, cell),)
    return Prediction(
        "a.jpg",
        lat,
        lon,
        100.0,
        candidates,
        "m",
        levels=(level,),
        density=density(*shares, level=level),
        **more,
    )


@pytest.mark.parametrize(
    ("shares", "said"),
    [
        ([(ATACAMA, 1.0)], "Most likely Antofagasta in Chile (100 %)."),
        (
            [(ATACAMA, 0.72), (BAHIA, 0.20), (BAVARIA, 0.08)],
            "Most likely Antofagasta in Chile; 90 % within these two regions: Antofagasta in Chile (72 %) and Bahia "
            "in Brazil (20 %).",
        ),
        (
            [(ATACAMA, 0.45), (BAHIA, 0.38), (BAVARIA, 0.17)],
            "About as likely in Antofagasta in Chile (45 %) as in Bahia in Brazil (38 %); 90 % within these three "
            "regions: Antofagasta in Chile (45 %), Bahia in Brazil (38 %) and Bavaria in Germany (17 %).",
        ),
        (
            [(ATACAMA, 0.55), (BAHIA, 0.25), (BAVARIA, 0.2)],
            "More likely in Antofagasta in Chile (55 %) than in Bahia in Brazil (25 %); 90 % within these three "
            "regions: Antofagasta in Chile (55 %), Bahia in Brazil (25 %) and Bavaria in Germany (20 %).",
        ),
        (
            [(ATACAMA, 0.7), (GULF, 0.3)],
            "Most likely Antofagasta in Chile; 90 % within these two regions: Antofagasta in Chile (70 %) and the "
            "sea, 1,100 km from Georgetown, Saint Helena (30 %).",
        ),
    ],
)
def test_sentences(places, shares, said):
    assert words(prediction(*shares), places) == said


def test_many_regions_are_counted_and_the_first_named(places):
    shares = [((-25.0 + 10 * row, -55.0 if row < 2 else 20.0), 0.2) for row in range(5)]
    told = words(prediction(*shares), places)
    assert "; 90 % within five regions, first of them " in told
    assert "Most likely" not in told


def test_per_cents_are_rounded_down(places):
    told = words(prediction((ATACAMA, 0.7199), (BAHIA, 0.2799), (BAVARIA, 0.0002)), places)
    assert "(71 %)" in told
    assert "(27 %)" in told


def test_who_is_not_sure_names_no_favourite(places):
    doubt = NotSure(0.41, 0.8, 100.0)
    told = words(prediction((ATACAMA, 0.9), (BAHIA, 0.1), not_sure=doubt), places)
    assert told == (
        "Not sure: 41 % within 100 km, where 80 % were asked; 90 % within one region: Antofagasta in Chile (90 %)."
    )
    assert explain(prediction((ATACAMA, 1.0), not_sure=doubt), places).place is None


def test_a_region_asked_for_is_a_condition(places):
    told = words(prediction((ATACAMA, 1.0), region_probability=0.004), places)
    assert told.endswith(
        "All this if it was taken in the region asked for, to which the model gives under 1 %."
    )


def test_an_answer_from_a_file_has_its_circle(places):
    bare = Prediction("a.jpg", *ATACAMA, 120.0, (), "m")
    assert words(bare, places).startswith("90 % within 120 km of this place: Antofagasta, Chile, ")
    with pytest.raises(InputError, match="no density"):
        explain(bare, places)


def test_names_follow_the_language():
    told = words(prediction((BAVARIA, 1.0)), Places.load("fr"))
    assert told == "Most likely Bavière in Allemagne (100 %)."


@settings(deadline=None, max_examples=25)
@given(st.lists(st.floats(0.01, 1), min_size=1, max_size=6), st.integers(0, 1000))
def test_words_are_never_surer_than_the_density(shares, seed):
    """Every per cent said is at most that of its region, and the majority is one."""
    places = Places.load()
    random = np.random.default_rng(seed)
    spots = [
        (float(lat), float(lon)) for lat, lon in random.uniform((-60, -180), (75, 180), (len(shares), 2))
    ]
    total = sum(shares)
    asked = prediction(*((spot, share / total) for spot, share in zip(spots, shares, strict=True)), level=6)
    told, parts = words(asked, places), parts_of(asked.credible_region(0.9), places)
    for part in parts:
        for percent in re.findall(rf"{re.escape(part.words)} \((\d+) %\)", told):
            assert int(percent) <= 100 * part.probability + 1e-6
    assert sum(part.probability for part in parts) == pytest.approx(asked.credible_region(0.9).probability)
    if told.startswith("Most likely") and len(parts) > 1:
        assert parts[0].probability >= 0.6


def test_cells_that_touch_are_one_piece():
    quarter = s2.children(s2.cell_ids([-22.5], [-69.0], level=5))[0]
    fine = s2.children(quarter[:1])[0]
    elsewhere = s2.cell_ids([40.0], [10.0], level=5)
    pieces = connected(np.concatenate([fine, quarter[1:], elsewhere]))
    assert len(set(pieces[:7])) == 1
    assert pieces[7] != pieces[0]
    assert connected(np.array([], dtype=np.uint64)).shape == (0,)


def test_pieces_go_round_the_edges_of_the_cube():
    """Six faces are one piece; so is a ring of cells around a pole, and what the antimeridian parts."""
    faces = np.array([(2 * face + 1) << 60 for face in range(6)], dtype=np.uint64)
    assert set(connected(faces)) == {0}
    around = np.arange(0.0, 360.0, 1.0)
    ring = np.unique(s2.cell_ids(np.full(360, 80.0), around - 180, level=4))
    assert set(connected(ring)) == {0}
    pair = s2.cell_ids([10.0, 10.0], [179.99, -179.99], level=6)
    assert set(connected(pair)) == {0}


@pytest.mark.parametrize(
    ("country", "lat", "lon", "side"),
    [
        ("CL", [-20.0], [-69.5], "northern"),
        ("CL", [-50.0], [-73.0], "southern"),
        ("US", [47.0], [-110.0], "north-western"),
        ("US", [28.0], [-82.0], "south-eastern"),
        ("US", [39.0], [-97.0], "central"),
        ("KZ", [43.5], [79.0], "south-eastern"),
        ("RU", [66.0], [-175.0], "north-eastern"),
        ("BR", [-5.0, -30.0], [-60.0, -52.0], None),
        ("LU", [49.6], [6.1], None),
    ],
)
def test_parts_of_countries(country, lat, lon, side):
    assert compass(country, np.array(lat), np.array(lon), np.ones(len(lat))) == side


def test_the_sea_around_an_island_is_not_called_after_what_lies_on_the_island(places):
    turn = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    ring = np.stack([65 + 4.5 * np.sin(turn), -18.5 + 10.6 * np.cos(turn)], axis=1)
    found = places.at(*ring.T, towns=False)
    told = name_of(ring, np.full(24, 1 / 24), found, places)
    assert re.fullmatch(r"the sea, \d+ km from .*", told)


def test_a_face_of_the_cube_is_called_after_no_single_country(places):
    """Of face 0, which is Africa and the sea around, no country holds a tenth."""
    told = name_cell(1 << 60, places)
    assert told.startswith("lands of Africa")
    assert "Congo" not in told


def test_what_a_map_is_told(places):
    asked = prediction(
        (ATACAMA, 0.6),
        (BAHIA, 0.3),
        (BAVARIA, 0.1),
        circles_km=tuple(map(float, range(1, 100))),
        neighbours=tuple(Neighbour(*BAHIA, 0.9, row) for row in range(20)),
    )
    told = json.loads(json.dumps(explain(asked, places, max_cells=2).to_dict(), allow_nan=False))
    assert set(told) == {
        *("place", "words", "candidates", "circles_km", "cells", "cells_left", "regions", "coarse_to_fine"),
        "neighbours",
    }
    assert told["place"]["country"] == "CL"
    assert told["candidates"][0]["place"]["region"] == "Antofagasta"
    assert told["circles_km"] == {"50": 50.0, "90": 90.0}
    assert told["cells"]["probabilities"] == pytest.approx([0.6, 0.3])
    assert told["cells_left"] == pytest.approx(0.1)
    half, most = told["regions"]
    assert [part["words"] for part in half["parts"]] == ["Antofagasta in Chile"]
    assert [part["probability"] for part in most["parts"]] == pytest.approx([0.6, 0.3])
    assert most["geometry"]["type"] == "MultiPolygon"
    assert [step["level"] for step in told["coarse_to_fine"]] == [7]
    assert told["coarse_to_fine"][0]["place"] == "Antofagasta in Chile"
    assert len(told["neighbours"]) == 15
    assert set(told["neighbours"][0]) == {"latitude", "longitude", "similarity", "km", "place", "thumbnail"}
    assert told["neighbours"][0]["thumbnail"] is None
    assert told["neighbours"][0]["place"].startswith("Bahia, Brazil, ")


def test_of_what_is_not_known_the_words_say_why_and_name_no_place(places):
    unknown = prediction((ATACAMA, 1.0), notice="flatter than all: it shows nothing to go by")
    assert words(unknown, places) == (
        "Nothing is known of where it was taken. The picture is flatter than all: it shows nothing to go by."
    )
    assert explain(unknown, places).place is None
