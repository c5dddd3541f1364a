"""Tables: found by their columns, read whatever wrote them, rows numbered as people count them."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graticule.data.sources import tables
from graticule.data.sources.tables import Columns, find_table, read_rows
from graticule.errors import TableError

COLUMNS = Columns(["id"], labels={"country": ["country", "country_code"], "city": ["city"]})


def read(tmp_path, data):
    path = tmp_path / "table.csv"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return read_rows(path, COLUMNS)


def columns(rows):
    return {name: column.to_pylist() for name, column in rows.columns.items()}


cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6)


@given(st.lists(st.tuples(cells, cells, cells), max_size=12), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_what_a_csv_writer_writes_comes_back(tmp_path_factory, given_rows, line_end, marked):
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator=line_end)
    writer.writerows([("id", "latitude", "longitude"), *given_rows])
    data = text.getvalue().encode("utf-8-sig" if marked else "utf-8")
    rows = read(tmp_path_factory.mktemp("any"), data)
    assert list(zip(*columns(rows).values(), strict=True)) == given_rows
    assert rows.numbers.tolist() == list(range(2, 2 + len(given_rows)))
    assert len(rows.problems) == 0


def test_rows_of_another_length_are_left_out_and_the_others_keep_their_numbers(tmp_path):
    rows = read(tmp_path, "id,lat,lon\na,1,2\n\nb,1\nc,1,2,3\nd,1,2\n")
    assert columns(rows)["id"] == ["a", "", "d"]
    assert rows.numbers.tolist() == [2, 3, 6]
    assert [problem.where for problem in rows.problems] == [
        "table.csv, row 4: 2, not 3: b,1",
        "table.csv, row 5: 4, not 3: c,1,2,3",
    ]


def test_case_and_blanks_of_names_do_not_matter_and_others_are_passed_over(tmp_path):
    rows = read(tmp_path, ",extra,extra, ID ,Latitude,LON,City\n0,x,y,a,1,2,Ulm\n")
    assert columns(rows) == {"id": ["a"], "latitude": ["1"], "longitude": ["2"], "city": ["Ulm"]}


def test_the_first_name_that_is_there_is_taken(tmp_path):
    head = "id,lat,lon,country_code"
    assert columns(read(tmp_path, f"{head}\na,1,2,na\n"))["country"] == ["na"]
    assert columns(read(tmp_path, f"{head},country\na,1,2,na,NA\n"))["country"] == ["NA"]


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ("id,lat", "no column longitude or lon in its header; found are id, lat"),
        ("name;lat;lon", "found are name;lat;lon. Needed are id, latitude or lat, longitude or lon"),
        ("id,lat,lon,ID", "no column id"),
        ("", "found are none"),
    ],
)
def test_a_header_that_lacks_a_column_is_refused(tmp_path, header, told):
    with pytest.raises(TableError, match=told):
        read(tmp_path, header + "\na,1,2,b\n")


def test_what_is_not_utf_8_costs_its_own_cell(tmp_path):
    rows = read(tmp_path, "id,lat,lon,city\na,1,2,Köln\n".encode("latin-1") + b"b,3,4,Ulm\n")
    assert columns(rows)["city"] == ["K\N{REPLACEMENT CHARACTER}ln", "Ulm"]
    assert columns(rows)["id"] == ["a", "b"]
    assert rows.problems[0].what.startswith("is not all UTF-8")


def test_a_row_of_another_length_that_is_not_utf_8_costs_itself_alone(tmp_path):
    rows = read(tmp_path, b"\xef\xbb\xbfid,lat,lon\n\xc3\xa9,1,2\nc\xff,1\nd\xe9,3,4\n\ne,5,6\n")
    assert columns(rows)["id"] == ["é", "d\N{REPLACEMENT CHARACTER}", "", "e"]
    assert rows.numbers.tolist() == [2, 4, 5, 6]
    foreign, short = rows.problems
    assert foreign.what.startswith("is not all UTF-8")
    assert short.where == "table.csv, row 3: 2, not 3: c\N{REPLACEMENT CHARACTER},1"


def test_a_quote_that_is_never_closed_is_told(tmp_path, monkeypatch):
    rows = read(tmp_path, 'id,lat,lon\na,1,2\n"b,1,2\nc,1,2\nd,1,2\n')
    assert columns(rows)["id"] == ["a"]
    [problem] = rows.problems
    assert problem.where.startswith("table.csv, row 3: ")
    assert "a quote in it may be left open, and rows after it be lost" in problem.what
    monkeypatch.setattr(tables, "_BLOCK_BYTES", 64)
    with pytest.raises(TableError, match="is a quote left open"):
        read(tmp_path, 'id,lat,lon\n"a,1,2\n' + "b,1,2\n" * 100)


@pytest.mark.parametrize(
    "data", [b"\x89PNG\r\n\x1a\n\0\0", b"PK\x03\x04" + bytes(range(256)) * 9, b"\xff\xfei\0d\0"]
)
def test_what_is_no_table_is_refused(tmp_path, data):
    with pytest.raises(TableError, match=r"table\.csv"):
        read(tmp_path, data)


def test_the_table_is_the_one_with_the_columns(tmp_path):
    assert find_table(tmp_path, COLUMNS) is None
    (tmp_path / "expenses.csv").write_text("what,how much\n")
    (tmp_path / ".hidden.csv").write_text("id,lat,lon\n")
    assert find_table(tmp_path, COLUMNS) is None
    (tmp_path / "metadata").mkdir()
    (tmp_path / "metadata" / "places.CSV").write_text("id,lat,lon\n")
    assert find_table(tmp_path, COLUMNS) == tmp_path / "metadata" / "places.CSV"
    (tmp_path / "other.csv").write_text("id,lat,lon\n")
    with pytest.raises(TableError, match=r"places.CSV and other.csv have|other.csv and places.CSV have"):
        find_table(tmp_path, COLUMNS)
    assert find_table(tmp_path, COLUMNS, published=["best.csv", "other.csv"]) == tmp_path / "other.csv"
