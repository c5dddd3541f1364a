"""Tables of truth: what is read, and which row and column is blamed."""

import pytest

from graticule.data.truth import Truth, read_truth
from graticule.errors import TableError


@pytest.fixture
def table(tmp_path):
    def write(content, encoding="utf-8"):
        path = tmp_path / "truth.csv"
        path.write_bytes(content.encode(encoding))
        return path

    return write


@pytest.mark.parametrize(
    "content",
    [
        "path,latitude,longitude\na.png,43.1,-5.2\nsub/b.png,-90,180\n",
        "\ufeffpath,lat,lon\r\na.png,43.1,-5.2\r\nsub/b.png,-90,180",
        'Longitude, Path ,note,LATITUDE\n-5.2,a.png,"x, y",43.1\n180,sub/b.png,,-90\n',
    ],
)
def test_columns_by_name_in_any_order(table, content, tmp_path):
    path = table(content)
    assert read_truth(path) == [
        Truth(tmp_path / "a.png", 43.1, -5.2),
        Truth(tmp_path / "sub/b.png", -90.0, 180.0),
    ]
    assert read_truth(path, tmp_path / "images")[0].path == tmp_path / "images/a.png"


def test_absolute_paths_stay(table, tmp_path):
    [truth] = read_truth(table("path,lat,lon\n/else/where.png,1,2\n"), tmp_path / "images")
    assert truth.path.as_posix() == "/else/where.png"


@pytest.mark.parametrize(
    ("row", "blamed"),
    [
        ("b.png,north,2", r"row 3, column latitude: 'north'"),
        ("b.png,nan,2", r"row 3, column latitude: 'nan'"),
        ("b.png,90.5,2", r"row 3, column latitude: '90.5'"),
        ("b.png,1,-inf", r"row 3, column longitude: '-inf'"),
        ("b.png,1,180.001", r"row 3, column longitude"),
        ("b.png,1", r"row 3, column longitude: ''"),
        (",1,2", r"row 3, column path: is empty"),
        ("a.png,1,2", r"names .*a\.png twice"),
    ],
)
def test_the_row_and_column_are_named(table, row, blamed):
    with pytest.raises(TableError, match=blamed) as caught:
        read_truth(table(f"path,latitude,longitude\na.png,1,2\n{row}\n"))
    assert "truth.csv" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "no column path in its header .empty."),
        ("path,latitude\na,1\n", "no column longitude or lon"),
        ("path,lat,latitude,lon\n", "more than one column latitude or lat"),
        ('path,lat,lon\n"a', "no CSV table"),
    ],
)
def test_tables_that_are_none(table, content, words):
    with pytest.raises(TableError, match=words):
        read_truth(table(content))


def test_files_that_cannot_be_read(table, tmp_path):
    with pytest.raises(TableError, match="can't be read"):
        read_truth(tmp_path / "gone.csv")
    with pytest.raises(TableError, match="UTF-8"):
        read_truth(table("path,lat,lon\nZürich.png,1,2\n", "latin-1"))
