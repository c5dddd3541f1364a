"""A model beside its baselines on the same pictures."""

import io
import json
import sys
from contextlib import nullcontext
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from rich.console import Console

from graticule.decoding.calibration import Calibration
from graticule.decoding.sample import Sampling
from graticule.earth.distance import haversine_km
from graticule.errors import ConfigError, InputError, MissingExtraError
from graticule.evaluation import methods
from graticule.evaluation.leakage import Nearness
from graticule.evaluation.methods import Choice, baselines
from graticule.evaluation.metrics import geoscore
from graticule.evaluation.pictures import OrbitPictures, encode
from graticule.evaluation.places import PlaceTable
from graticule.evaluation.report import (
    Settings,
    compare_models,
    evaluate,
    find_pictures,
    judge_features,
)
from graticule.locator import Geolocator
from graticule.prediction import Prediction
from graticule.retrieval.gallery import Gallery

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
    geodesic = Settings(distance="geodesic")
    other = evaluate(clear_model, images=views_folder, truth=views_folder / "truth.csv", settings=geodesic)
    for judged, name, sign in ((report, "haversine", "<"), (other, "geodesic", "<=")):
        assert judged.to_dict()["distance"]["name"] == name
        assert judged.to_dict()["distance"]["within"] == sign
        assert f"{name} (" in shown(judged)
        assert f"within means {sign}." in shown(judged).replace("\n", " ")
    flat, round_ = other.summaries[BEAM].mean_km.value, report.summaries[BEAM].mean_km.value
    assert flat != round_
    assert flat == pytest.approx(round_, rel=0.0057)
    with pytest.raises(ConfigError, match=r"no 'miles'; choose haversine or geodesic"):
        compare_models(["no such model"], OrbitPictures(None, "test", 4), settings=Settings(distance="miles"))


def test_a_model_is_judged_raw_and_calibrated_where_it_brings_a_calibration(
    clear_model, views_folder, report
):
    assert list(report.probabilities) == ["raw"]
    hot = {"fitted_on": "other views", "temperatures": (2.0,) * clear_model.cell_model.scheme.length}
    learnt = Calibration.none(clear_model.cell_model).model_copy(update=hot)
    brought = replace(clear_model, calibration=learnt)
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
        {"source": "yfcc4k"},
        {"path": "."},
        {"source": "orbit", "path": "."},
        {"source": "yfcc4k", "path": ".", "images": "."},
        {"images": ".", "truth": "truth.csv", "split": "test"},
        {"images": "."},
        {"truth": "truth.csv"},
        {"source": "orbit", "images": "."},
        {"source": "orbit", "images": ".", "truth": "truth.csv"},
    ],
)
def test_half_a_question_is_refused(tiny_model, tmp_path, given):
    paths = {
        name: value if name in ("source", "split") else tmp_path / value for name, value in given.items()
    }
    with pytest.raises(
        InputError, match=r"give a source and its folder, .* a folder of images together with"
    ):
        evaluate(tiny_model, **paths)


def test_a_model_without_the_flat_baseline_is_judged_without(tiny_model):
    bare = replace(tiny_model, extras={})
    features = torch.randn(5, 16, generator=torch.Generator().manual_seed(0))
    report = judge_features(bare, features, np.zeros((5, 2)), pictures="noise")
    assert "flat classifier" not in report.summaries


def test_a_source_is_judged_in_place(clear_model, street_views):
    pictures = find_pictures("osv5m", street_views, split="test")
    lat_lon = pictures.lat_lon
    towns = {"city": np.array([f"Town {number}" for number in range(12)], dtype=object)}
    settings = Settings(places=PlaceTable("train", lat_lon, towns))
    judged = compare_models([clear_model], pictures, settings=settings)
    [report] = judged.reports
    assert report.pictures == "osv5m, test"
    assert (report.refused, report.summaries[BEAM].count) == (1, 11)
    assert report.answers.rows.tolist() == [0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11]
    np.testing.assert_array_equal(report.answers.truth, lat_lon[report.answers.rows])
    assert report.administrative.levels["city"].pictures == 11
    assert sum(summary.count for summary in report.countries.values()) == 11
    assert sum(summary.count for summary in report.continents.values()) == 11
    assert report.worst[0].km == report.answers.km.max()
    assert report.worst[0].id == str(pictures.ids[report.worst[0].row])
    assert pictures.image(0).mode == "RGB"
    json.dumps(judged.to_dict(), allow_nan=False)
    assert "where the truth does (no distances)" in shown(report)
    assert "by continent of the truth" in shown(report)


def test_the_same_pictures_give_the_same_figures_from_a_zip(clear_model, street_views):
    from_zip = evaluate(clear_model, source="osv5m", path=street_views, split="test")
    rows = (street_views / "plain" / "truth.csv").read_text().splitlines()
    (street_views / "plain" / "some.csv").write_text("\n".join(rows[:6] + rows[7:]))
    from_files = evaluate(
        clear_model, images=street_views / "plain", truth=street_views / "plain" / "some.csv"
    )
    assert from_zip.summaries[BEAM] == from_files.summaries[BEAM]


def test_models_are_compared_two_by_two_on_the_pictures_both_could_read(
    clear_model, tiny_model, views_folder
):
    pictures = find_pictures(images=views_folder, truth=views_folder / "truth.csv")
    judged = compare_models([clear_model, tiny_model, clear_model], pictures)
    assert [report.model for report in judged.reports] == ["orbit", "orbit (2)", "orbit (3)"]
    assert len(judged.pairs) == 3
    first, second, same = judged.pairs
    assert first.first.startswith("orbit: ")
    assert first.second.startswith("orbit (2): ")
    scores = [report.summaries[report.best].geoscore.value for report in judged.reports]
    assert first.difference.geoscore.value == pytest.approx(scores[0] - scores[1])
    assert same.difference.geoscore.value == pytest.approx(scores[1] - scores[2])
    assert second.difference.mean_km.value == second.difference.mean_km.low == 0
    plain = json.loads(json.dumps(judged.to_dict(), allow_nan=False))
    assert set(plain) == {"reports", "pairs"}
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(*judged.table())
    text = console.export_text()
    assert "Models on the same pictures" in text
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.usefixtures("tiny_world")
def test_two_folders_of_one_name_are_told_apart_by_where_they_are(tiny_model_folder):
    judged = compare_models([tiny_model_folder, tiny_model_folder], find_pictures("orbit", views=2))
    assert [report.model for report in judged.reports] == ["orbit", str(tiny_model_folder)]


@pytest.mark.parametrize("source", ["osv5m", "im2gps3k"])
def test_a_source_without_a_picture_says_so(tmp_path, source):
    if source == "osv5m":
        (tmp_path / "images/test").mkdir(parents=True)
        (tmp_path / "test.csv").write_text("id,latitude,longitude\n1,2,3\n")
    else:
        (tmp_path / "im2gps3k_places365.csv").write_text("IMG_ID,AUTHOR,LAT,LON\na.jpg,x,1,2\n")
    with pytest.raises(InputError, match=f"graticule data check {source}"):
        find_pictures(source, tmp_path, split="test" if source == "osv5m" else None)


def test_a_split_or_mosaic_out_of_place_is_refused(mosaic, tmp_path):
    with pytest.raises(InputError, match="no split 'val'; choose train or validation or test"):
        find_pictures("orbit", split="val", mosaic=mosaic)
    for given in ({"mosaic": mosaic}, {"views": 5}):
        with pytest.raises(InputError, match="belong to the source 'orbit'"):
            find_pictures("yfcc4k", tmp_path, **given)


@pytest.mark.parametrize(
    ("package", "settings"),
    [("pyproj", Settings(distance="geodesic")), ("scipy.spatial", Settings(audit=Nearness()))],
)
def test_what_is_not_installed_is_said_before_anything_is_encoded(monkeypatch, package, settings):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=r"graticule\[evaluation\]"):
        compare_models(["no such model"], OrbitPictures(None, "test", 4), settings=settings)


@pytest.fixture(scope="module")
def views(views_folder):
    return find_pictures(images=views_folder, truth=views_folder / "truth.csv")


@pytest.mark.parametrize(
    ("choice", "name"),
    [
        (Choice("similarity"), "GeoToken, beam, similarity"),
        (Choice("minimum-risk", Sampling(count=5)), "GeoToken, 5 samples, minimum-risk"),
        (
            Choice("log-probability", Sampling(count=4, temperature=1.0)),
            "GeoToken, 4 samples at temperature 1, log-probability",
        ),
    ],
)
def test_a_selector_is_judged_by_the_very_answers_that_locate_gives(
    clear_model, views, views_folder, tmp_path, choice, name
):
    # A picture that is refused moves the others' places, and with them what is drawn, in both alike.
    (tmp_path / "page.png").write_text("<html>")
    header, *rows = (views_folder / "truth.csv").read_text().splitlines()
    (tmp_path / "truth.csv").write_text("\n".join([header, f"{tmp_path}/page.png,0,0", *rows]))
    mixed = find_pictures(images=views_folder, truth=tmp_path / "truth.csv")
    [report] = compare_models([clear_model], mixed, settings=Settings(choice=choice)).reports
    assert list(report.summaries) == [*METHODS, name]
    assert report.best in (GREEDY, BEAM)
    assert list(report.differences) == [*METHODS[:4], name]
    paths = [tmp_path / "page.png", *(views_folder / row.split(",")[0] for row in rows)]
    asked = {"select": choice.select, "decode": choice.sampling or "beam"}
    found = [one for one in Geolocator(clear_model).locate(paths, **asked) if isinstance(one, Prediction)]
    km = haversine_km(*views.lat_lon.T, [p.latitude for p in found], [p.longitude for p in found])
    assert report.summaries[name].mean_km.value == pytest.approx(km.mean())
    assert report.summaries[name].mean_km.value != report.summaries[BEAM].mean_km.value
    assert name.split(", ")[-1] in shown(report)


def test_a_selector_that_lacks_what_it_needs_is_refused_before_anything_is_encoded(
    clear_model, views, monkeypatch
):
    monkeypatch.setattr("graticule.evaluation.report.encode", None)
    for name, words in (("reward", "no reward model is named"), ("judge", "sends no pictures")):
        with pytest.raises(ConfigError, match=words):
            compare_models([clear_model], views, settings=Settings(choice=Choice(name)))


@pytest.mark.usefixtures("tiny_world")
def test_models_of_one_encoder_share_its_features(tiny_model_folder, clear_model, views):
    asked = []
    changed = deepcopy(clear_model.encoder)
    next(iter(changed.parameters())).data[0] += 1
    models = [clear_model, tiny_model_folder, replace(clear_model, encoder=changed)]
    compare_models(models, views, progress=lambda *now: asked.append(now))
    assert asked == [(24, 24), (24, 24)]


@pytest.mark.parametrize("damaged", [False, True])
def test_an_encoder_lies_on_a_gpu_only_while_it_encodes(views, monkeypatch, damaged):
    moves = []

    class Encoder(torch.nn.Module):
        size = 32

        def to(self, device):
            moves.append(device)

        def encode(self, pixels):
            assert moves == ["cpu:0"]
            if damaged:
                raise RuntimeError
            return pixels.float().mean((2, 3))

    monkeypatch.setattr("graticule.evaluation.pictures._fastest_device", lambda: "cpu:0")
    with pytest.raises(RuntimeError) if damaged else nullcontext():
        assert encode(views, Encoder())[0].shape == (24, 3)
    assert moves == ["cpu:0", "cpu"]


@pytest.mark.parametrize("of", ["pictures", "places"])
def test_gallery_retrieval_holds_a_block_of_places_at_a_time(clear_model, monkeypatch, of):
    whole = clear_model.location_vectors()
    model = clear_model
    if of == "places":
        config = clear_model.config.model_copy(update={"gallery_of": "places"})
        model = replace(clear_model, config=config, gallery=Gallery(clear_model.gallery.lat_lon, whole))
    else:
        monkeypatch.setattr(type(model), "location_vectors", None)
    monkeypatch.setattr("graticule.evaluation.methods._PLACES_AT_ONCE", 7)
    monkeypatch.setattr("graticule.evaluation.methods._BATCH", 4)
    features = torch.randn(11, 16, generator=torch.Generator().manual_seed(0))
    expected = (model.alignment.images(features) @ whole.T).amax(1)
    places = baselines(model)["gallery retrieval"](features)
    found = (model.alignment.images(features) * model.alignment.locations(places)).sum(1)
    torch.testing.assert_close(found, expected)


def test_the_beam_is_not_searched_twice_for_one_density(clear_model, views, monkeypatch):
    """Answers of the beam are read off the densities whose probabilities are judged."""
    asked = []
    explored = methods.answers
    monkeypatch.setattr(methods, "answers", lambda *given: asked.append(given[-1]) or explored(*given))
    compare_models([clear_model], views)
    assert asked == ["greedy"]
    # A calibration that was fitted on other densities than those of `locate` says nothing of its answers.
    narrow = Calibration.none(clear_model.cell_model, mass=0.9, width=3)
    compare_models([replace(clear_model, calibration=narrow)], views)
    assert asked == ["greedy", "greedy", "beam"]
