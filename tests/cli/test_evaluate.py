"""`graticule evaluate` hands what it was given to the library, and writes what it finds."""

import json
import sys
from types import ModuleType, SimpleNamespace

import pytest

from graticule.errors import InputError


class Found:
    def to_dict(self):
        return {"geoscore": 4500}

    def table(self):
        return ["GeoScore 4500"]


@pytest.fixture
def asked(monkeypatch):
    """What the library was asked: options of pictures, models, settings."""
    calls = SimpleNamespace(pictures=None, models=None, settings=None)
    module = ModuleType("graticule.evaluation.report")

    def find_pictures(source, path, **options):
        if (source, options["images"], options["features"]) == (None, None, None):
            raise InputError("evaluate: give a source")
        calls.pictures = {"source": source, "path": path, **options}
        return SimpleNamespace(ids=["a", "b"])

    def compare_models(models, pictures, *, settings, progress):
        progress(2, 2)
        calls.models, calls.settings = models, settings
        return Found()

    module.find_pictures, module.compare_models, module.Settings = (
        find_pictures,
        compare_models,
        SimpleNamespace,
    )
    monkeypatch.setitem(sys.modules, "graticule.evaluation.report", module)
    return calls


def test_views(run, asked):
    status, out, _ = run("evaluate", "--source", "orbit", "--views", 100)
    assert status == 0
    assert "GeoScore 4500" in out
    assert asked.models == ["orbit"]
    assert asked.pictures["source"] == "orbit"
    assert asked.pictures["views"] == 100
    assert {asked.pictures[name] for name in ("path", "split", "mosaic", "images", "truth", "features")} == {
        None
    }
    assert (asked.settings.distance, asked.settings.places, asked.settings.audit) == ("haversine", None, None)


def test_another_mosaic(run, asked, mosaic_file):
    status, _, _ = run("evaluate", "--source", "orbit", "--mosaic", mosaic_file, "--distance", "geodesic")
    assert status == 0
    assert asked.pictures["mosaic"].name == mosaic_file.name
    assert asked.settings.distance == "geodesic"


def test_a_source_and_several_models(run, asked, tmp_path):
    (tmp_path / "towns.csv").write_text("latitude,longitude,city\n1,2,Town\n")
    status, _, _ = run(
        *(
            "evaluate",
            "--source",
            "osv5m",
            tmp_path,
            "--split",
            "test",
            "--model",
            "orbit",
            "--model",
            "mine",
        ),
        *("--places", tmp_path / "towns.csv", "--audit", "--near-km", 0.5),
    )
    assert status == 0
    assert asked.models == ["orbit", "mine"]
    assert asked.pictures["path"] == tmp_path
    assert asked.pictures["split"] == "test"
    assert asked.settings.places.name == "towns.csv"
    assert (asked.settings.audit.cosine, asked.settings.audit.km) == (0.98, 0.5)


def test_pictures_with_a_truth_table(run, asked, tmp_path):
    (tmp_path / "truth.csv").touch()
    target = tmp_path / "report.json"
    status, out, _ = run(
        *("evaluate", "--images", tmp_path, "--truth", tmp_path / "truth.csv"),
        *("--format", "json", "--output", target),
    )
    assert (status, out) == (0, "")
    assert json.loads(target.read_text()) == {"geoscore": 4500}
    assert asked.pictures["images"] == tmp_path


def test_features(run, asked, tmp_path):
    status, _, _ = run("evaluate", "--features", tmp_path, "--model", "a", "--model", "b")
    assert (status, asked.models, asked.pictures["features"]) == (0, ["a", "b"], tmp_path)


def test_a_page(run, asked, tmp_path, monkeypatch):
    module = ModuleType("graticule.figures.report")
    module.report_page = lambda found: f"<p>{found.to_dict()['geoscore']}</p>"
    monkeypatch.setitem(sys.modules, "graticule.figures.report", module)
    status, out, _ = run("evaluate", "--source", "orbit", "--report", tmp_path / "page.html")
    assert status == 0
    assert "GeoScore 4500" in out
    assert (tmp_path / "page.html").read_text() == "<p>4500</p>"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([], "give a source"),
        (["--source", "orbit", "--near-km", "1"], "--audit"),
        (["--source", "orbit", "--decode", "sample"], "--select"),
        (["--source", "orbit", "--select", "similarity", "--samples", "9"], "--decode sample"),
        (["--source", "orbit", "--report", "no-such-folder/page.html"], "make its folder"),
        (["--source", "orbit", "--output", "no-such-folder/report.json"], "make its folder"),
    ],
)
def test_half_a_question_is_wrong_use(run, asked, given, words):
    status, _, err = run("evaluate", *given)
    assert status == 2
    assert words in err
    assert asked.models is None


def test_a_selector_among_samples(run, asked, tmp_path):
    status, _, _ = run(
        *("evaluate", "--source", "orbit", "--select", "reward", "--reward", tmp_path),
        *("--decode", "sample", "--samples", 30, "--temperature", 1.5),
    )
    assert status == 0
    choice = asked.settings.choice
    assert (choice.select, choice.reward) == ("reward", tmp_path)
    assert (choice.sampling.count, choice.sampling.temperature) == (30, 1.5)
    run("evaluate", "--source", "orbit", "--select", "similarity")
    assert asked.settings.choice.sampling is None


def test_a_row_of_the_tables_of_selectors_is_made(run, tiny_model, tiny_model_folder, views_folder, tmp_path):
    from graticule.tokens.reward import RewardModel

    judging = RewardModel.from_geotoken(tiny_model.geotoken, near_km=50, hidden=8)
    for name in ("orbit", "another"):
        judging.save(tmp_path / name, about={"model": name}, card="c")
    judging.save(tmp_path / "namesake", about={"model": "orbit", "geotoken_digest": "ab" * 32}, card="c")
    asked = (
        *("evaluate", "--images", views_folder, "--truth", views_folder / "truth.csv"),
        *("--model", tiny_model_folder, "--select", "reward", "--decode", "sample", "--format", "json"),
    )
    status, out, _ = run(*asked, "--reward", tmp_path / "orbit")
    assert status == 0
    assert json.loads(out)["summaries"]["GeoToken, 30 samples, reward"]["count"] == 24
    status, out, err = run(*asked, "--reward", tmp_path / "another")
    assert (status, out) == (2, "")
    assert "judges candidates of 'another', not of 'orbit'" in err
    status, _, err = run(*asked, "--reward", tmp_path / "namesake")
    assert status == 2
    assert "judges candidates of another model of the name 'orbit'" in " ".join(err.split())
