"""A folder of one's own photos: places in a table, or else in the pictures' EXIF."""

import threading

import numpy as np
import pytest
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from graticule.data.records import read_picture
from graticule.data.sources import folder as source
from graticule.data.sources.contract import SCHEMA, open_source
from graticule.data.sources.folder import Folder
from graticule.images.exif import read_exif

GPS, EXIF = 0x8825, 0x8769
DEGREES = (IFDRational(48), IFDRational(30), IFDRational(36, 1))


def photo(path, lat=DEGREES, lon=DEGREES, refs="NE", taken=None):
    """A JPEG whose EXIF gives this place."""
    exif = Image.Exif()
    if lat is not None:
        exif.get_ifd(GPS).update({1: refs[0], 2: lat, 3: refs[1], 4: lon})
    if taken:
        exif.get_ifd(EXIF)[0x9003] = taken
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8)).save(path, exif=exif)


def degrees(number):
    return (IFDRational(number), IFDRational(0), IFDRational(0))


def test_places_come_from_exif(tmp_path):
    photo(tmp_path / "b.jpg")
    photo(tmp_path / "trip" / "a.jpg", refs="SW", taken="2024:05:06 07:08:09")
    found = open_source("folder", tmp_path)
    assert list(found.problems) == []
    rows = found.records.to_pylist()
    assert [row["id"] for row in rows] == [row["container"] for row in rows] == ["b.jpg", "trip/a.jpg"]
    np.testing.assert_allclose([[r["latitude"], r["longitude"]] for r in rows], [[48.51] * 2, [-48.51] * 2])
    assert [row["captured_at"] for row in rows] == [None, "2024-05-06T07:08:09"]
    assert read_picture(tmp_path, rows[1]) == (tmp_path / "trip" / "a.jpg").read_bytes()


def test_lying_tags_are_problems_and_never_records(tmp_path):
    photo(tmp_path / "good.jpg")
    photo(tmp_path / "none.jpg", lat=None)
    photo(tmp_path / "zero.jpg", degrees(0), degrees(0))
    photo(tmp_path / "95.jpg", degrees(95))
    photo(tmp_path / "nan.jpg", (IFDRational(0, 0),) * 3)
    photo(tmp_path / "refs.jpg", refs="XE")
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "page.jpg").write_text("<html>")
    found = open_source("folder", tmp_path)
    assert found.records["id"].to_pylist() == ["good.jpg"]
    problems = {problem.where: problem.what for problem in found.problems}
    assert set(problems) == {
        "none.jpg", "zero.jpg", "95.jpg", "nan.jpg", "refs.jpg", "empty.jpg", "page.jpg"
    }  # fmt: skip
    assert all(problems.values())
    assert "(0, 0)" in problems["zero.jpg"]


def test_a_table_decides_where_there_is_one(tmp_path):
    photo(tmp_path / "a.jpg")
    photo(tmp_path / "sub" / "b.jpg")
    photo(tmp_path / "c.jpg")
    (tmp_path / "expenses.csv").write_text("what,how much\n")
    (tmp_path / "places.csv").write_text("path,lat,lon,author,city\n./a.jpg,1,2,me,\nsub\\b.jpg,3,4,,Ulm\n")
    found = open_source("folder", tmp_path)
    rows = found.records.to_pylist()
    assert [(r["container"], r["latitude"], r["longitude"]) for r in rows] == [
        ("a.jpg", 1, 2),
        ("sub/b.jpg", 3, 4),
    ]
    assert [(r["author"], r["city"]) for r in rows] == [("me", None), (None, "Ulm")]
    assert [(p.where, p.what) for p in found.problems] == [
        ("c.jpg", "no row of the table names this picture")
    ]


@pytest.mark.parametrize("table", ["", "path,latitude\na.jpg,1\n"])
def test_a_table_of_something_else_does_not(tmp_path, table):
    photo(tmp_path / "a.jpg")
    (tmp_path / "t.csv").write_text(table)
    assert open_source("folder", tmp_path).records["id"].to_pylist() == ["a.jpg"]


def test_a_table_that_is_not_read_is_named(tmp_path):
    photo(tmp_path / "a.jpg")
    (tmp_path / "t.csv").write_text("filename,latitude,longitude\na.jpg,1,2\n")
    [problem] = open_source("folder", tmp_path).problems
    assert problem.where == "t.csv"
    assert problem.what == "a table without the columns path, latitude or lat, longitude or lon; not read"


@pytest.mark.parametrize("places", [False, True])
def test_answers_of_locate_are_not_where_pictures_were_taken(tmp_path, places):
    photo(tmp_path / "a.jpg")
    header = "path,latitude,longitude,radius_km,probability,cell,model"
    (tmp_path / "answers.csv").write_text(f"{header}\na.jpg,-30,140,9,0.5,1/2,orbit\n")
    if places:
        (tmp_path / "places.csv").write_text("path,latitude,longitude\na.jpg,1,2\n")
    found = open_source("folder", tmp_path)
    assert [row["latitude"] for row in found.records.to_pylist()] == pytest.approx([1 if places else 48.51])
    assert [(problem.where, problem.what) for problem in found.problems] == [
        ("answers.csv", "holds answers of graticule locate, not places; not read")
    ]


def test_an_empty_folder_holds_nothing(tmp_path):
    found = open_source("folder", tmp_path)
    assert found.records.num_rows == len(found.problems) == 0


def test_a_table_from_elsewhere_decides_and_exif_says_when(tmp_path):
    photo(tmp_path / "photos/a.jpg", taken="2024:05:06 07:08:09")
    photo(tmp_path / "photos/b.jpg", taken="2024:05:06 07:08:09")
    (tmp_path / "photos/other.csv").write_text("path,latitude,longitude\na.jpg,9,9\n")
    (tmp_path / "truth.csv").write_text(
        "path,latitude,longitude,captured_at\na.jpg,1,2,\nb.jpg,3,4,1999-01-01\n"
    )
    undated = Folder().scan(tmp_path / "photos", truth=tmp_path / "truth.csv")
    assert undated.records["captured_at"].to_pylist() == [None, "1999-01-01"]
    found = Folder().scan(tmp_path / "photos", truth=tmp_path / "truth.csv", dated=True)
    assert found.records.schema.equals(SCHEMA)
    assert found.records["latitude"].to_pylist() == [1, 3]
    assert found.records["captured_at"].to_pylist() == ["2024-05-06T07:08:09", "1999-01-01"]


def test_many_headers_are_read_at_once_in_order_and_told(tmp_path, monkeypatch):
    monkeypatch.setattr(source, "_AT_ONCE", 4)
    meeting = threading.Barrier(4, timeout=60)

    def met(path):
        """Passed only by four at once."""
        meeting.wait()
        return read_exif(path)

    monkeypatch.setattr(source, "read_exif", met)
    for number in range(8):
        photo(tmp_path / f"{number}.jpg", degrees(number + 1))
    told = []
    found = open_source("folder", tmp_path, progress=lambda done, total: told.append((done, total)))
    assert found.records["latitude"].to_pylist() == list(range(1, 9))
    assert told == [(4, 8), (8, 8)]
