"""The exact shape of what is written."""

import csv
import io
import json
from dataclasses import replace
from xml.etree import ElementTree

import pyarrow.parquet as pq
import pytest

from graticule.errors import PictureError
from graticule.output import (
    ENDINGS,
    WRITERS,
    to_dict,
    to_jsonl,
    write_csv,
    write_file,
    write_geojson,
    write_jsonl,
    write_kml,
)
from graticule.prediction import Candidate, NotSure, Prediction, Refusal, Selection

ANSWER = Prediction("a.png", 43.1, -5.25, 310.5, (Candidate(43.0, -5.0, 0.25, "0d4"),), "orbit")
REFUSAL = Refusal("b,\n.jpg", PictureError("b,\n.jpg: the file is empty."))
UNSURE = Prediction(
    "folder/<c>&.png",
    10.0,
    20.0,
    4000.0,
    (),
    "orbit",
    not_sure=NotSure(0.4, 0.8, 25.0),
    selection=Selection("reward"),
)
PLACE = {
    "text": "Asturias, Spain, near Oviedo",
    "country": "ES",
    "country_name": "Spain",
    "region": "Asturias",
    "town": "Oviedo",
    "town_km": 3.5,
    "claimed_by": [],
}
RECORDS = [
    to_dict(ANSWER)
    | {"place": PLACE, "file": {"bytes": 12, "modified": 1.5}, "circles_km": {"50": 90.0, "90": 310.5}},
    to_dict(REFUSAL),
    to_dict(UNSURE),
]
KML = "{http://www.opengis.net/kml/2.2}"


def written(writer, *records):
    stream = io.StringIO()
    writer(records, stream)
    return stream.getvalue()


def test_a_jsonl_line_is_exactly_as_documented():
    assert to_jsonl(ANSWER) == (
        '{"path": "a.png", "latitude": 43.1, "longitude": -5.25, "radius_km": 310.5, "candidates": '
        '[{"latitude": 43.0, "longitude": -5.0, "probability": 0.25, "cell": "0d4"}], "model": "orbit"}'
    )
    assert json.loads(to_jsonl(REFUSAL)) == {
        "path": "b,\n.jpg",
        "error": {"type": "PictureError", "message": "b,\n.jpg: the file is empty."},
    }
    lines = written(write_jsonl, *RECORDS).splitlines()
    assert [json.loads(line) for line in lines] == RECORDS


def test_csv_reads_back():
    rows = list(csv.DictReader(io.StringIO(written(write_csv, *RECORDS))))
    assert rows[0]["latitude"] == "43.1"
    assert rows[0]["cell"] == "0d4"
    assert [rows[0][name] for name in ("country", "region", "town", "town_km")] == [
        "Spain",
        "Asturias",
        "Oviedo",
        "3.5",
    ]
    assert rows[0]["error"] == ""
    assert rows[1]["path"] == "b,\n.jpg"
    assert rows[1]["error_type"] == "PictureError"
    assert rows[1]["latitude"] == ""
    assert rows[2]["selection"] == "reward"
    assert rows[2]["latitude"] == rows[2]["country"] == ""
    assert rows[2]["not_sure"] == "40 % within 25 km, 90 % within 4,000 km of 10.0° N, 20.0° E"


def test_geojson_puts_longitude_first():
    collection = json.loads(written(write_geojson, *RECORDS))
    assert collection["type"] == "FeatureCollection"
    located, refused, unsure = collection["features"]
    assert located["geometry"] == {"type": "Point", "coordinates": [-5.25, 43.1]}
    assert located["properties"]["radius_km"] == 310.5
    assert located["properties"]["place"] == PLACE
    assert refused["geometry"] is None
    assert refused["properties"]["error"]["type"] == "PictureError"
    assert unsure["geometry"] is None
    assert json.loads(written(write_geojson))["features"] == []


def test_kml_has_a_pin_only_where_there_is_an_answer():
    document = ElementTree.fromstring(written(write_kml, *RECORDS))
    located, refused, unsure = document.iter(f"{KML}Placemark")
    assert located.findtext(f"{KML}name") == "a.png"
    assert located.findtext(f".//{KML}Point/{KML}coordinates") == "-5.25000,43.10000"
    ring = located.findtext(f".//{KML}LinearRing/{KML}coordinates").split()
    assert ring[0] == ring[-1]
    assert len(ring) > 50
    words = located.findtext(f"{KML}description")
    assert words.startswith("Estimate: 43.1° N, 5.2° W, 90 % within 310 km. Asturias, Spain, near Oviedo.")
    assert "Refused: the file is empty." in refused.findtext(f"{KML}description")
    assert refused.find(f"{KML}MultiGeometry") is None
    assert unsure.findtext(f"{KML}name") == "<c>&.png"
    assert unsure.find(f".//{KML}Point") is None
    assert unsure.find(f".//{KML}Polygon") is not None


def test_a_name_that_xml_cannot_hold_does_not_break_the_document():
    odd = to_dict(Refusal("\x00\x1b\udce9]]>.png", PictureError("no")))
    [mark] = ElementTree.fromstring(written(write_kml, odd)).iter(f"{KML}Placemark")
    assert mark.findtext(f"{KML}name") == "\ufffd\ufffd\ufffd]]>.png"


def test_parquet_has_the_keys_of_a_line(tmp_path):
    write_file(iter(RECORDS), tmp_path / "out.parquet", "parquet")
    rows = pq.read_table(tmp_path / "out.parquet").to_pylist()
    assert [{key: value for key, value in row.items() if value is not None} for row in rows] == [
        RECORDS[0],
        RECORDS[1],
        RECORDS[2] | {"selection": {"by": "reward", "fallback": None, "tokens": None, "cost": None}},
    ]


def test_parquet_takes_names_that_are_no_text_and_no_rows_at_all(tmp_path):
    refused = Refusal("\udce9.png", PictureError("\udce9.png: the file is empty."))
    write_file([to_dict(refused)], tmp_path / "a.parquet", "parquet")
    [row] = pq.read_table(tmp_path / "a.parquet").to_pylist()
    assert row["path"] == "\\udce9.png"
    assert row["error"]["message"] == "\\udce9.png: the file is empty."
    write_file([], tmp_path / "b.parquet", "parquet")
    assert len(pq.read_table(tmp_path / "b.parquet")) == 0


@pytest.mark.parametrize("format", [*WRITERS, "parquet"])
def test_records_are_taken_one_by_one(format, tmp_path):
    """A batch of any length fits into memory: nobody asks for all records before the first is written."""
    taken = []

    def records():
        for number in range(3):
            taken.append(number)
            yield to_dict(ANSWER) | {"path": f"{number}.png"}

    write_file(records(), tmp_path / "out", format)
    assert taken == [0, 1, 2]
    with pytest.raises(RuntimeError):
        write_file(failing(), tmp_path / "failed", format)
    assert [path.name for path in tmp_path.iterdir()] == ["out"], "nothing half-written is left"


def failing():
    yield to_dict(ANSWER)
    raise RuntimeError


def test_every_format_has_an_ending():
    assert set(ENDINGS.values()) == {*WRITERS, "parquet", "table"}


def test_what_is_not_known_says_why_in_every_format(tmp_path):
    why = "flatter than all: it shows nothing to go by"
    record = to_dict(replace(ANSWER, notice=why))
    assert record["notice"] == why
    assert "notice" not in to_dict(ANSWER)
    [row] = csv.DictReader(io.StringIO(written(write_csv, record)))
    assert row["notice"] == why
    [feature] = json.loads(written(write_geojson, record))["features"]
    assert feature["properties"]["notice"] == why
    assert f"Nothing is known: {why}" in written(write_kml, record)
    write_file([record, to_dict(ANSWER)], tmp_path / "a.parquet", "parquet")
    assert pq.read_table(tmp_path / "a.parquet")["notice"].to_pylist() == [why, None]
