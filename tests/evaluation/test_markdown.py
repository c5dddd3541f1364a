"""Reports as Markdown tables."""

import json

import pytest

from graticule.evaluation.markdown import difference_table, figure, method_table


def estimate(value, half):
    return {"value": value, "low": value - half, "high": value + half}


REPORT = {
    "best": "GeoToken, beam",
    "summaries": {
        "1-NN": {
            "count": 9,
            "within": {"25": estimate(0.25, 0.01), "2500": estimate(0.5, 0.02)},
            "median_km": estimate(812.4, 30),
            "geoscore": estimate(3000, 40),
        },
        "GeoToken, beam": {
            "count": 9,
            "within": {"25": estimate(0.3, 0.01), "2500": estimate(0.6, 0.02)},
            "median_km": estimate(400, 20),
            "geoscore": estimate(3500, 50),
        },
    },
    "differences": {
        "1-NN": {
            "within": {"25": estimate(0.05, 0.004), "2500": estimate(-0.1, 0.01)},
            "geoscore": estimate(500, 25),
        }
    },
}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, "0 ± 0"),
        ({"scale": 100, "digits": 1}, "12.3 ± 1.5"),
        ({"scale": 100, "digits": 1, "sign": "+"}, "+12.3 ± 1.5"),
    ],
)
def test_a_figure_has_half_its_interval(options, expected):
    assert figure({"value": 0.123, "low": 0.11, "high": 0.14}, **options) == expected


def test_methods():
    assert method_table(REPORT).splitlines() == [
        "| method | < 25 km, % | < 2500 km, % | median km | GeoScore |",
        "|---|---:|---:|---:|---:|",
        "| 1-NN | 25.0 ± 1.0 | 50.0 ± 2.0 | 812 ± 30 | 3000 ± 40 |",
        "| GeoToken, beam | 30.0 ± 1.0 | 60.0 ± 2.0 | 400 ± 20 | 3500 ± 50 |",
    ]


def test_differences():
    assert difference_table(REPORT).splitlines() == [
        "| GeoToken, beam, less | < 25 km, points | < 2500 km, points | GeoScore |",
        "|---|---:|---:|---:|",
        "| 1-NN | +5.0 ± 0.4 | -10.0 ± 1.0 | +500 ± 25 |",
    ]


def test_json_changes_nothing():
    again = json.loads(json.dumps(REPORT))
    assert method_table(again) == method_table(REPORT)
    assert difference_table(again) == difference_table(REPORT)


def test_headings_say_what_within_means():
    geodesic = REPORT | {"distance": {"name": "geodesic", "within": "<="}}
    assert "| <= 25 km, % |" in method_table(geodesic)
    assert "| <= 25 km, points |" in difference_table(geodesic)
    assert "| < 25 km, % |" in method_table(REPORT)
