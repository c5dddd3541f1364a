"""Tables for people."""

import io
from dataclasses import replace

from rich.console import Console

from graticule.errors import PictureError
from graticule.output import candidates_table, format_km, format_place, notices, results_table
from graticule.prediction import Candidate, Prediction, Refusal

ANSWER = Prediction("a.png", 43.1, -5.25, 310.5, (Candidate(43.0, -5.0, 0.25, "0d4"),), "orbit")
REFUSAL = Refusal("b,\n.jpg", PictureError("b,\n.jpg: the file is empty."))


def shown(table):
    console = Console(width=100, file=io.StringIO())
    console.print(table)
    return console.file.getvalue()


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


def test_places_have_a_column_where_they_are_known():
    assert "Place" not in shown(results_table([ANSWER], model="orbit"))
    text = shown(results_table([ANSWER, REFUSAL], model="orbit", places={"a.png": "Asturias, Spain"}))
    assert "Asturias, Spain" in text


def test_what_is_not_known_is_no_place():
    unknown = replace(ANSWER, notice="flatter than all")
    text = shown(results_table([unknown], model="orbit", places={"a.png": "Asturias, Spain"}))
    assert "not known" in text
    assert "43.1° N" not in text
    assert "Asturias" not in text
    assert notices([ANSWER, unknown, REFUSAL]) == ["a.png: flatter than all"]
