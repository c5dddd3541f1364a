"""Rows meet pictures by name: held against a plain reading, row by row."""

import csv
import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graticule.data.sources.contract import Problem, Problems
from graticule.data.sources.match import base_names, degrees, match
from graticule.data.sources.pictures import list_pictures
from graticule.data.sources.tables import Columns, read_rows

NAMES = ["a.jpg", "b.jpg", "c d.jpg", "é.jpg", "e,f.jpg"]
ids = st.sampled_from([*NAMES, *NAMES, "gone.jpg", "", "../a.jpg", " b.jpg "])
numbers = st.sampled_from(
    ["1", "-2.5", "+3e1", ".5", " 7 ", "90", "-180", "0", "", "NaN", "inf", "1e400", "0x1F", "5,0"]
)


def plainly(table, names):
    """(id, lat, lon) of the rows to be used, and how many are not, by the definition."""
    usable, bad = [], 0
    for row in csv.DictReader(table.open(newline="")):
        id = row["id"].strip()
        try:
            lat, lon = (float(row[c].replace("_", "x")) for c in ("lat", "lon"))
            good = abs(lat) <= 90 and abs(lon) <= 180 and (lat, lon) != (0, 0)
        except ValueError:
            good = False
        if good and id and ".." not in id:
            usable.append((id, lat, lon))
        else:
            bad += 1
    used, seen = [], set()
    for id, lat, lon in usable:
        same = {
            place
            for other, *place in [(i, (la, lo)) for i, la, lo in usable]
            if other == id
            for place in place
        }
        if len(same) == 1 and id in names and id not in seen:
            used.append((id, lat, lon))
            seen.add(id)
        else:
            bad += 1
    return used, bad


@settings(deadline=None, max_examples=80)
@given(st.lists(st.tuples(ids, numbers, numbers), max_size=14), st.sets(st.sampled_from(NAMES)))
def test_records_are_what_a_plain_reading_finds(tmp_path_factory, rows, there):
    root = tmp_path_factory.mktemp("set")
    for name in there:
        (root / name).touch()
    with (root / "t.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("id", "lat", "lon"), *rows])
    found = match("x", read_rows(root / "t.csv", Columns(["id"])), list_pictures(root), names=base_names)
    used, bad = plainly(root / "t.csv", there)
    columns = [found.records[c].to_pylist() for c in ("id", "latitude", "longitude")]
    assert list(zip(*columns, strict=True)) == used
    assert found.records["container"].to_pylist() == [id for id, *_ in used]
    of_rows = [problem for problem in found.problems if ", row " in problem.where]
    assert len(of_rows) == bad
    named = {id.strip() for id, *_ in rows}
    assert {p.where for p in found.problems if p not in of_rows} == {
        name for name in there if name not in named
    }
    lines = [int(re.search(r", row (\d+)", problem.where)[1]) for problem in of_rows]
    assert lines == sorted(set(lines))


@given(st.lists(st.one_of(st.floats(), st.integers()), max_size=9), st.booleans())
def test_degrees_are_exact_whatever_stands_beside_them(values, spoilt):
    texts = [*map(repr, values), *["five"] * spoilt]
    expected = [float(value) for value in values] + [np.nan] * spoilt
    read = degrees(pa.array(texts, pa.string()))
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(read[finite], np.array(expected)[finite])
    assert not np.isfinite(read[~finite]).any()


def test_problems_are_a_sequence():
    some = [Problem(f"row {n}", "odd" if n % 2 else "even") for n in range(5)]
    problems = Problems.join(Problems.of(*some[:2]), Problems.of(), Problems.of(*some[2:]))
    assert list(problems) == some
    assert len(problems) == 5
    assert (problems[0], problems[-1]) == (some[0], some[-1])
    assert list(problems[1:4]) == some[1:4]
    assert problems.by_kind() == {"even": 3, "odd": 2}
    with pytest.raises(IndexError):
        problems[5]
    assert not Problems.of()
