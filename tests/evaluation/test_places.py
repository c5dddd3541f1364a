"""Administrative accuracy: names of answers against names of truths."""

import numpy as np
import pytest

from graticule.errors import TableError
from graticule.evaluation.places import PlaceTable, administrative, label_column

PARIS, LYON, BERLIN, SEA = (48.86, 2.35), (45.76, 4.84), (52.52, 13.40), (0.0, -30.0)


def labels(**columns):
    return {name: np.array(values, dtype=object) for name, values in columns.items()}


def table(**columns):
    return PlaceTable("towns.csv", np.array([PARIS, LYON, BERLIN]), labels(**columns))


def test_countries_are_those_of_the_outlines():
    found = administrative(np.array([PARIS, BERLIN, SEA, LYON]), labels(country=["FR", "France", "FR", None]))
    country = found.levels["country"]
    assert (country.pictures, country.left_out) == (3, 1)
    assert country.share.value == pytest.approx(1 / 3)
    assert country.share.low < 1 / 3 < country.share.high
    assert list(found.levels) == ["country"]
    assert "Natural Earth" in found.how


def test_rows_without_a_label_are_left_out_at_that_level_only():
    found = administrative(
        np.array([PARIS, LYON]),
        labels(country=["FR", None], city=[None, "lyon "]),
        table=table(city=["Paris", "Lyon", "Berlin"]),
    )
    assert (found.levels["country"].pictures, found.levels["city"].pictures) == (1, 1)
    assert found.levels["city"].share.value == 1
    assert "towns.csv (3 places)" in found.how
    assert "region" not in found.levels


def test_a_place_counts_with_those_it_lies_in():
    names = {"region": ["Île-de-France", "Rhône", "Berlin"], "city": ["Springfield"] * 3}
    truth = labels(region=["Rhône", "Rhône"], city=["Springfield", "Springfield"])
    found = administrative(np.array([PARIS, LYON]), truth, table=table(**names))
    assert found.levels["city"].share.value == 0.5
    # Where one of the two does not name the region, the city alone decides.
    alone = administrative(np.array([PARIS, LYON]), {"city": truth["city"]}, table=table(**names))
    assert alone.levels["city"].share.value == 1


def test_the_nearest_place_with_a_name_at_that_level_counts():
    found = administrative(
        np.array([PARIS]), labels(city=["Lyon"]), table=table(city=[None, "Lyon", "Berlin"])
    )
    assert found.levels["city"].share.value == 1
    none = administrative(np.array([PARIS]), labels(city=["Lyon"]), table=table(city=[None] * 3))
    assert none.levels["city"].share.value == 0


def test_nothing_to_compare_is_no_accuracy():
    assert administrative(np.array([PARIS]), {}) is None
    assert administrative(np.array([PARIS]), labels(country=[None])) is None
    assert administrative(np.array([PARIS]), labels(country=["Atlantis"])) is None
    assert administrative(np.array([PARIS]), labels(city=["Paris"])) is None


def test_a_table_is_read_from_csv(tmp_path):
    path = tmp_path / "train.csv"
    path.write_text(
        "id,latitude,longitude,sub-region,city,author,quality\n1,48.86,2.35,Paris, Paris ,ann,9\n2,1,2,,,,\n"
    )
    found = PlaceTable.read(path)
    assert found.name == "train.csv"
    np.testing.assert_array_equal(found.lat_lon, [PARIS, (1, 2)])
    assert {name: column.tolist() for name, column in found.labels.items()} == {
        "sub_region": ["Paris", None],
        "city": ["Paris", None],
        "author": ["ann", None],
    }


def test_a_table_is_read_from_a_folder_of_features(tmp_path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    records = {"id": ["a", "b"], "latitude": [48.86, 1.0], "longitude": [2.35, 2.0], "city": ["Paris", None]}
    pq.write_table(pa.table(records), tmp_path / "records.parquet")
    found = PlaceTable.read(tmp_path)
    np.testing.assert_array_equal(found.lat_lon, [PARIS, (1, 2)])
    assert found.labels["city"].tolist() == ["Paris", None]


def test_columns_hold_each_text_once():
    pa = pytest.importorskip("pyarrow")
    column = label_column(pa.chunked_array([["a", None], ["a", "b"], []], pa.string()))
    assert column.tolist() == ["a", None, "a", "b"]
    assert column[0] is column[2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has columns none"),
        ("latitude,city\n1,a\n", "needed are latitude, longitude"),
        ("latitude,longitude\n1,2\n", "one at least of country"),
        ("lat,lon,city\n", "holds no place"),
        ("lat,lon,city\n1,2,a\n91,2,b\n", r"row 3, column latitude: '91' is no number from -90 to 90"),
        ("lat,lon,city\n1,north,a\n", "column longitude: holds something else"),
        ("lat,lon,city\n1,2\n", "row 2: has 2 cells, the header 3"),
        ('lat,lon,city\n1,2,"a\n', "no CSV table"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, text, message):
    path = tmp_path / "places.csv"
    path.write_text(text)
    with pytest.raises(TableError, match=message):
        PlaceTable.read(path)
    with pytest.raises(TableError, match=r"records\.parquet"):
        PlaceTable.read(tmp_path)
