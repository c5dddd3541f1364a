"""A model beside its baselines on the same pictures."""

import io
import json
from copy import copy

import numpy as np
import pytest
import torch
from rich.console import Console

from graticule.decoding.calibration import Calibration
from graticule.earth.distance import haversine_km
from graticule.errors import ConfigError, InputError
from graticule.evaluation.metrics import geoscore
from graticule.evaluation.report import evaluate, judge_features
from graticule.locator import Geolocator
from graticule.prediction import Prediction

GREEDY, BEAM = "GeoToken, greedy", "GeoToken, beam"
METHODS = ["1-NN", "k-NN vote", "gallery retrieval", "flat classifier", GREEDY, BEAM]


@pytest.fixture(scope="module")
def report(clear_model, views_folder):
    return evaluate(clear_model, images=views_folder, truth=views_folder / "truth.csv")


def shown(report, width=100):
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(report.table())
    return console.export_text()


def test_every_method_is_judged_on_the_same_pictures(report):
    assert list(report.summaries) == METHODS
    assert {summary.count for summary in report.summaries.values()} == {24}
    assert report.refused == 0
    assert report.model == "orbit"
    assert list(report.differences) == METHODS[:4]
    assert report.best in (GREEDY, BEAM)
    scores = {name: report.summaries[name].geoscore.value for name in METHODS}
    assert scores[report.best] == max(scores[GREEDY], scores[BEAM])
    for name, difference in report.differences.items():
        assert difference.geoscore.value == pytest.approx(scores[report.best] - scores[name])


def test_it_judges_the_very_answers_that_locate_gives(report, clear_model, views_folder):
    truth = np.loadtxt(views_folder / "truth.csv", delimiter=",", skiprows=1, usecols=(1, 2))
    for decode, method in (("greedy", GREEDY), ("beam", BEAM)):
        found = list(Geolocator(clear_model).locate([views_folder], decode=decode))
        assert all(isinstance(prediction, Prediction) for prediction in found)
        km = haversine_km(*truth.T, [p.latitude for p in found], [p.longitude for p in found])
        summary = report.summaries[method]
        assert summary.geoscore.value == pytest.approx(geoscore(km).mean())
        assert summary.median_km.value == pytest.approx(np.median(km))


def test_views_look_at_the_mosaic_that_is_given(clear_model, mosaic, monkeypatch):
    def never():
        raise AssertionError("the training mosaic was asked for")

    monkeypatch.setattr("graticule.evaluation.report.training_mosaic_path", never)
    report = evaluate(clear_model, source="orbit", views=4, mosaic=mosaic)
    assert report.summaries[BEAM].count == 4
    with pytest.raises(AssertionError, match="asked for"):
        evaluate(clear_model, source="orbit", views=4)


def test_the_mosaic_is_named_and_orbit_has_its_own_thresholds(clear_model, mosaic, report):
    views = evaluate(clear_model, source="orbit", views=4, mosaic=mosaic)
    assert mosaic.name in views.pictures
    assert list(views.summaries[BEAM].within) == [25, 50, 100, 200, 750, 2500]
    assert list(report.summaries[BEAM].within) == [1, 25, 200, 750, 2500]


def test_the_distance_is_named_everywhere_and_used(clear_model, views_folder, report):
    other = evaluate(clear_model, images=views_folder, truth=views_folder / "truth.csv", distance="geodesic")
    for judged, name, sign in ((report, "haversine", "<"), (other, "geodesic", "<=")):
        assert judged.to_dict()["distance"]["name"] == name
        assert judged.to_dict()["distance"]["within"] == sign
        assert f"{name} (" in shown(judged)
        assert f"within means {sign}." in shown(judged).replace("\n", " ")
    flat, round_ = other.summaries[BEAM].mean_km.value, report.summaries[BEAM].mean_km.value
    assert flat != round_
    assert flat == pytest.approx(round_, rel=0.0057)
    with pytest.raises(ConfigError, match=r"no 'miles'; choose haversine or geodesic"):
        evaluate(clear_model, images=views_folder, truth=views_folder / "truth.csv", distance="miles")


def test_a_model_is_judged_raw_and_calibrated_where_it_brings_a_calibration(
    clear_model, views_folder, report
):
    assert list(report.probabilities) == ["raw"]
    brought = copy(clear_model)
    brought.calibration = Calibration.none(clear_model.cell_model).model_copy(
        update={"fitted_on": "other views", "temperatures": (2.0,) * clear_model.cell_model.scheme.length}
    )
    both = evaluate(brought, images=views_folder, truth=views_folder / "truth.csv")
    assert both.probabilities["raw"] == report.probabilities["raw"]
    assert both.probabilities["calibrated"].fitted_on == "other views"
    assert both.probabilities["calibrated"].nll != report.probabilities["raw"].nll
    assert "calibrated" in shown(both)


def test_it_becomes_json_and_back(report):
    plain = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert set(plain["summaries"]) == set(METHODS)
    beam = plain["summaries"][BEAM]
    assert beam["within"]["25"].keys() == {"value", "low", "high"}
    assert beam["geoscore"]["value"] == report.summaries[BEAM].geoscore.value
    assert (
        plain["differences"]["k-NN vote"]["geoscore"]["low"] == report.differences["k-NN vote"].geoscore.low
    )


def test_the_table_names_everything(report):
    text = shown(report)
    for words in (*METHODS, "25", "2500", "GeoScore", "orbit", "24 pictures", "95 %", "less each baseline"):
        assert words in text, words
    assert "refused" not in text
    widths = [len(line) for line in shown(report, width=80).splitlines()]
    assert max(widths) <= 80


def test_refused_pictures_are_counted_and_the_rest_judged(clear_model, views_folder, tmp_path, report):
    header, *rows = (views_folder / "truth.csv").read_text().splitlines()
    (tmp_path / "page.png").write_text("<html>")
    lines = [header, f"{tmp_path}/page.png,0,0", *rows[:5], f"{tmp_path}/gone.png,1,1", *rows[5:]]
    (tmp_path / "truth.csv").write_text("\n".join(lines))
    told = []
    mixed = evaluate(
        clear_model,
        images=views_folder,
        truth=tmp_path / "truth.csv",
        progress=lambda *now: told.append(now),
    )
    assert mixed.refused == 2
    assert told[-1] == (26, 26)
    assert "2 refused" in shown(mixed)
    for name in METHODS:
        assert mixed.summaries[name].mean_km.value == pytest.approx(report.summaries[name].mean_km.value)


def test_nothing_readable_is_an_error(tiny_model, tmp_path):
    (tmp_path / "truth.csv").write_text("path,lat,lon\na.png,1,2\nb.png,3,4\n")
    with pytest.raises(InputError, match="none of the 2 pictures"):
        evaluate(tiny_model, images=tmp_path, truth=tmp_path / "truth.csv")


@pytest.mark.usefixtures("tiny_world")
def test_views_of_the_embedded_world(tiny_model_folder):
    told = []
    first = evaluate(tiny_model_folder, source="orbit", views=12, progress=lambda *now: told.append(now))
    assert first.summaries[BEAM].count == 12
    assert told == [(12, 12)]
    assert "test" in first.pictures
    assert evaluate(tiny_model_folder, source="orbit", views=12) == first
    other = evaluate(tiny_model_folder, source="orbit", views=12, split="validation")
    assert other.summaries[BEAM].mean_km != first.summaries[BEAM].mean_km


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"source": "yfcc"},
        {"images": "."},
        {"truth": "truth.csv"},
        {"source": "orbit", "images": "."},
        {"source": "orbit", "images": ".", "truth": "truth.csv"},
    ],
)
def test_half_a_question_is_refused(tiny_model, tmp_path, given):
    paths = {name: value if name == "source" else tmp_path / value for name, value in given.items()}
    with pytest.raises(InputError, match=r"give a source .* or a folder of images together with"):
        evaluate(tiny_model, **paths)


def test_a_model_without_the_flat_baseline_is_judged_without(tiny_model):
    from dataclasses import replace

    bare = replace(tiny_model, extras={})
    features = torch.randn(5, 16, generator=torch.Generator().manual_seed(0))
    report = judge_features(bare, features, np.zeros((5, 2)), pictures="noise")
    assert "flat classifier" not in report.summaries
