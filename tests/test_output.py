"""The exact shape of what is written, and that it is written whole or not at all."""

import csv
import errno
import io
import json

import pytest
from rich.console import Console

from graticule.errors import InputError, PictureError
from graticule.output import (
    atomic_text,
    candidates_table,
    format_km,
    format_place,
    results_table,
    to_jsonl,
    write_csv,
    write_geojson,
    write_jsonl,
)
from graticule.prediction import Candidate, Prediction, Refusal

ANSWER = Prediction("a.png", 43.1, -5.25, 310.5, (Candidate(43.0, -5.0, 0.25, "0d4"),), "orbit")
REFUSAL = Refusal("b,\n.jpg", PictureError("b,\n.jpg: the file is empty."))


def written(writer, *results):
    stream = io.StringIO()
    writer(results, stream)
    return stream.getvalue()


def shown(table):
    console = Console(width=100, file=io.StringIO())
    console.print(table)
    return console.file.getvalue()


def test_a_jsonl_line_is_exactly_as_documented():
    assert to_jsonl(ANSWER) == (
        '{"path": "a.png", "latitude": 43.1, "longitude": -5.25, "radius_km": 310.5, "candidates": '
        '[{"latitude": 43.0, "longitude": -5.0, "probability": 0.25, "cell": "0d4"}], "model": "orbit"}'
    )
    assert json.loads(to_jsonl(REFUSAL)) == {
        "path": "b,\n.jpg",
        "error": {"type": "PictureError", "message": "b,\n.jpg: the file is empty."},
    }
    assert written(write_jsonl, ANSWER, REFUSAL).count("\n") == 2


def test_csv_reads_back():
    rows = list(csv.DictReader(io.StringIO(written(write_csv, ANSWER, REFUSAL))))
    assert rows[0]["latitude"] == "43.1"
    assert rows[0]["cell"] == "0d4"
    assert rows[0]["error"] == ""
    assert rows[1]["path"] == "b,\n.jpg"
    assert rows[1]["error_type"] == "PictureError"
    assert rows[1]["latitude"] == ""


def test_geojson_puts_longitude_first():
    collection = json.loads(written(write_geojson, ANSWER, REFUSAL))
    assert collection["type"] == "FeatureCollection"
    located, refused = collection["features"]
    assert located["geometry"] == {"type": "Point", "coordinates": [-5.25, 43.1]}
    assert located["properties"]["radius_km"] == 310.5
    assert refused["geometry"] is None
    assert refused["properties"]["error"]["type"] == "PictureError"
    assert json.loads(written(write_geojson))["features"] == []


def test_the_table_says_estimate_model_and_purpose():
    text = shown(results_table([ANSWER, REFUSAL], model="orbit", purpose="views of the Earth from above"))
    for words in ("Estimate", "43.1° N, 5.2° W", "310 km", "25 %", "refused", "orbit: views of the Earth"):
        assert words in text
    assert "Error" not in text
    assert "Error" in shown(results_table([ANSWER], model="orbit", errors_km={"a.png": 12.3}))
    assert "12 km" in shown(results_table([ANSWER], model="orbit", errors_km={"a.png": 12.3}))
    assert "25.0 %" in shown(candidates_table(ANSWER))


def test_a_file_name_is_no_markup():
    odd = Prediction("[red]x[/].png", 0, 0, 1, (), "orbit")
    assert "[red]x[/].png" in shown(results_table([odd], model="orbit"))


def test_words_for_places_and_distances():
    assert format_place(-33.86, 151.2) == "33.9° S, 151.2° E"
    assert [format_km(km) for km in (0, 8.44, 84.4, 999.4, 1234.5)] == [
        "0.0 km",
        "8.4 km",
        "84 km",
        "999 km",
        "1,230 km",
    ]


def test_a_file_is_whole_or_as_before(tmp_path):
    path = tmp_path / "out.jsonl"
    path.write_text("before")
    with pytest.raises(RuntimeError), atomic_text(path) as stream:  # noqa: PT012
        stream.write("half")
        stream.flush()
        assert path.read_text() == "before"
        raise RuntimeError
    assert path.read_text() == "before"
    with atomic_text(path) as stream:
        stream.write("after \udce9")
    assert path.read_text() == "after \\udce9", "a name that is no text is escaped"
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.jsonl"], "no temporaries stay"


def test_a_link_keeps_pointing_and_a_device_is_not_replaced(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with atomic_text(tmp_path / "link") as stream:
        stream.write("x")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "x"


def test_where_nothing_can_be_written(tmp_path):
    for path in (tmp_path, tmp_path / "no" / "folder.csv"):
        with pytest.raises(InputError, match=str(path)), atomic_text(path):
            pass


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path):
    path = tmp_path / "out.csv"
    path.write_text("before")
    with pytest.raises(InputError, match="disk is full"), atomic_text(path):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert path.read_text() == "before"
    with pytest.raises(OSError, match="other"), atomic_text(path):
        raise OSError(errno.EINVAL, "other")
