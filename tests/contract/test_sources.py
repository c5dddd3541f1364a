"""What every source promises: see `graticule.data.sources.contract`. Each of the registry has an entry in `LAID_OUT`.

What they read is rendered by `orbit render --layout`: tiny, and laid out as published.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from graticule import registry
from graticule.data.orbit.folder import render_folder
from graticule.data.orbit.views import Views
from graticule.data.records import read_picture
from graticule.data.sources.contract import LABELS, SCHEMA, Source, open_source
from graticule.earth.borders import countries_at
from graticule.earth.places.countries import find_country
from graticule.errors import InputError, TableError
from graticule.images.open import open_picture

SIZE = 16


@dataclass(frozen=True)
class Laid:
    """How a source is rendered, and its columns."""

    layout: str
    split: str | None
    table: str
    id: str
    latitude: str
    longitude: str
    stream: str
    views: int


LAID_OUT = {
    "im2gps3k": Laid("im2gps", None, "im2gps3k_places365.csv", "IMG_ID", "LAT", "LON", "test", 12),
    "yfcc4k": Laid("yfcc4k", None, "yfcc4k_places365.csv", "IMG_ID", "LAT", "LON", "test", 12),
    "mp16": Laid("mp16", None, "MP16_Pro_places365.csv", "IMG_ID", "LAT", "LON", "train", 12),
    "osv5m-train": Laid("osv5m", "train", "train.csv", "id", "latitude", "longitude", "train", 9),
    "osv5m-test": Laid("osv5m", "test", "test.csv", "id", "latitude", "longitude", "test", 3),
    "folder": Laid("folder", None, "truth.csv", "path", "latitude", "longitude", "test", 12),
}


@pytest.fixture(params=LAID_OUT)
def name(request):
    return request.param


@pytest.fixture
def laid(name):
    return LAID_OUT[name]


@pytest.fixture
def root(laid, mosaic_file, tmp_path):
    render_folder(mosaic_file, tmp_path / "set", views=12, seed=5, size=SIZE, layout=laid.layout)
    return tmp_path / "set"


def scan(name, root):
    return open_source(name.partition("-")[0], root, LAID_OUT[name].split)


def table_of(laid, root):
    with (root / laid.table).open(newline="") as stream:
        return list(csv.DictReader(stream))


def add_rows(laid, root, *rows):
    """Append rows given as fields, or as a line of text."""
    header = next(csv.reader((root / laid.table).open(newline="")))
    with (root / laid.table).open("a", newline="") as stream:
        for row in rows:
            if isinstance(row, str):
                stream.write(row + "\n")
            else:
                csv.DictWriter(stream, header, restval="", lineterminator="\n").writerow(row)


def place(laid, id, lat, lon):
    return {laid.id: id, laid.latitude: lat, laid.longitude: lon}


def test_every_registered_source_is_held_to_the_contract():
    assert {name.partition("-")[0] for name in LAID_OUT} == set(registry.SOURCES)
    for name in registry.SOURCES:
        source = registry.SOURCES.find(name)()
        assert isinstance(source, Source)
        assert source.name == name


def test_records_are_the_tables_rows_in_its_order(name, laid, root):
    found, rows = scan(name, root), table_of(laid, root)
    assert list(found.problems) == []
    assert found.name == name.partition("-")[0]
    assert found.records.schema.equals(SCHEMA)
    assert found.records.num_rows == laid.views == len(rows)
    assert found.records["id"].to_pylist() == [row[laid.id] for row in rows]
    assert found.records["latitude"].to_pylist() == [float(row[laid.latitude]) for row in rows]
    assert found.records["longitude"].to_pylist() == [float(row[laid.longitude]) for row in rows]


def test_every_record_leads_to_its_own_picture(name, laid, root, mosaic):
    pixels, pose = Views(mosaic, laid.stream, seed=5, size=SIZE).batch(np.arange(laid.views))
    expected = pixels.permute(0, 2, 3, 1).numpy().astype(float)
    records = scan(name, root).records
    np.testing.assert_allclose(records["latitude"], pose.lat, atol=1e-6)
    np.testing.assert_allclose(records["longitude"], pose.lon, atol=1e-6)
    for number, row in enumerate(records.to_pylist()):
        picture = np.asarray(open_picture(read_picture(root, row)), dtype=float)
        assert np.abs(expected - picture).mean(axis=(1, 2, 3)).argmin() == number


def test_labels_are_there_or_null(name, laid, root):
    records = scan(name, root).records
    said = {label for label in LABELS if records[label].null_count < len(records)}
    assert "" not in {value for label in LABELS for value in records[label].to_pylist()}
    assert said == {
        "im2gps": {"author"},
        "mp16": {"country"},
        "osv5m": {"country", "author", "sequence", "captured_at"},
    }.get(laid.layout, set())
    if "country" in said:
        places = np.asarray(records["latitude"]), np.asarray(records["longitude"])
        labels = [label and find_country(label).name for label in records["country"].to_pylist()]
        assert labels == countries_at(*places).tolist()


def test_malformed_rows_are_problems_and_shift_nothing(name, laid, root):
    clean = scan(name, root).records
    last = table_of(laid, root)[-1]
    first = table_of(laid, root)[0]
    size = len(clean) + 1
    add_rows(
        laid,
        root,
        place(laid, "a.jpg", "", "5"),
        place(laid, "b.jpg", "NaN", "5"),
        place(laid, "c.jpg", "5", "inf"),
        place(laid, "d.jpg", "95", "5"),
        place(laid, "e.jpg", "5", "-180.0001"),
        place(laid, "f.jpg", "5° N", "5"),
        place(laid, "g.jpg", "0", "0.0"),
        place(laid, "", "5", "5"),
        place(laid, "../../etc/passwd", "5", "5"),
        place(laid, "/etc/passwd", "5", "5"),
        place(laid, "h.jpg", "5", "5"),
        "x,1",
        "",
        place(laid, last[laid.id], last[laid.latitude], last[laid.longitude]),
        place(laid, f" {first[laid.id]}", "95", "5"),
    )
    found = scan(name, root)
    assert found.records.equals(clean)
    kinds = [
        "its latitude is missing, or no number from -90 to 90",
        "its latitude is missing, or no number from -90 to 90",
        "its longitude is missing, or no number from -180 to 180",
        "its latitude is missing, or no number from -90 to 90",
        "its longitude is missing, or no number from -180 to 180",
        "its latitude is missing, or no number from -90 to 90",
        "its place is (0, 0), which stands for none",
        "names no picture",
        "the name leads out of the folder; pictures are looked for below it only",
        "the name leads out of the folder; pictures are looked for below it only",
        "there is no such picture",
        "the row has more or fewer fields than the header",
        "the row is blank",
        "the picture has a row already",
        "its latitude is missing, or no number from -90 to 90",
    ]
    by_row = {int(p.where.partition(", row ")[2].partition(":")[0]): p for p in found.problems}
    assert [by_row.pop(size + number).what for number in range(1, len(kinds) + 1)] == kinds
    assert not by_row
    assert all(problem.where.startswith(f"{laid.table}, row ") for problem in found.problems)


def test_a_picture_given_two_places_is_not_used(name, laid, root):
    clean = scan(name, root).records
    twice = table_of(laid, root)[1]
    add_rows(laid, root, place(laid, twice[laid.id], "1.5", "2.5"))
    found = scan(name, root)
    assert found.records.equals(clean.take([0, *range(2, len(clean))]))
    assert [problem.what for problem in found.problems] == [
        "other rows of the same picture give another place"
    ] * 2


def test_a_row_that_is_gone_leaves_its_picture_over(name, laid, root):
    clean = scan(name, root).records
    path = root / laid.table
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:2], *lines[3:]]) + "\n")
    found = scan(name, root)
    assert found.records.equals(clean.take([0, *range(2, len(clean))]))
    [problem] = found.problems
    gone = clean.slice(1, 1).to_pylist()[0]
    assert problem.where == "/".join(filter(None, (gone["container"], gone["member"])))
    assert problem.what == "no row of the table names this picture"


def test_byte_order_mark_line_ends_quotes_and_order_of_columns_do_not_matter(name, laid, root):
    clean, path = scan(name, root), root / laid.table
    rows = table_of(laid, root)
    with path.open("w", encoding="utf-8-sig", newline="") as stream:
        columns = [*reversed(rows[0])]
        table = csv.DictWriter(stream, columns, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
        table.writeheader()
        table.writerows(rows)
    found = scan(name, root)
    assert found.records.equals(clean.records)
    assert list(found.problems) == []


def test_an_empty_table_is_no_records(name, laid, root):
    path = root / laid.table
    header = path.read_text().splitlines()[0]
    for text in (header + "\n", header):
        path.write_text(text)
        found = scan(name, root)
        assert found.records.schema.equals(SCHEMA)
        assert found.records.num_rows == 0
        assert found.problems.by_kind() == {"no row of the table names this picture": laid.views}


def test_a_table_without_its_columns_is_refused_naming_both(name, laid, root):
    if name == "folder":
        pytest.skip("takes another table for none, and looks at the pictures' EXIF")
    path = root / laid.table
    path.write_text(path.read_text().replace(laid.longitude, "breite", 1))
    with pytest.raises(TableError) as refusal:
        scan(name, root)
    assert "breite" in str(refusal.value)
    assert laid.table in str(refusal.value)
    assert laid.longitude in str(refusal.value)


def test_a_split_must_be_there(name, laid, root):
    source = name.partition("-")[0]
    with pytest.raises(InputError, match="no split 'validation'"):
        open_source(source, root, "validation")
    if laid.split is not None:
        with pytest.raises(InputError, match="train or test"):
            open_source(source, root)


def test_a_folder_that_is_not_there_is_refused(name):
    with pytest.raises(InputError, match="nowhere: no such folder"):
        scan(name, Path("nowhere"))
