"""`graticule evaluate` hands what it was given to the library, and refuses half a question."""

import json
import sys
from types import ModuleType

import pytest


class Report:
    def to_dict(self):
        return {"geoscore": 4500}

    def table(self):
        return "GeoScore 4500"


@pytest.fixture
def asked(monkeypatch):
    """What the library was asked."""
    calls = []
    module = ModuleType("graticule.evaluation.report")
    module.evaluate = lambda model, **options: calls.append((model, options)) or Report()
    monkeypatch.setitem(sys.modules, "graticule.evaluation.report", module)
    return calls


def test_a_source(run, asked):
    status, out, _ = run("evaluate", "--source", "orbit", "--views", 100)
    assert status == 0
    assert "GeoScore 4500" in out
    [(model, options)] = asked
    assert model == "orbit"
    assert options["source"] == "orbit"
    assert options["split"] == "test"
    assert options["views"] == 100
    assert options["images"] is None


def test_another_mosaic(run, asked, mosaic_file):
    status, _, _ = run("evaluate", "--source", "orbit", "--mosaic", mosaic_file, "--distance", "geodesic")
    assert status == 0
    assert asked[0][1]["mosaic"].name == mosaic_file.name
    assert asked[0][1]["distance"] == "geodesic"


def test_a_mosaic_without_views_is_wrong_use(run, asked, mosaic_file, tmp_path):
    (tmp_path / "truth.csv").touch()
    given = ("--images", tmp_path, "--truth", tmp_path / "truth.csv", "--mosaic", mosaic_file)
    status, _, err = run("evaluate", *given)
    assert status == 2
    assert "--source orbit" in err
    assert not asked


def test_pictures_with_a_truth_table(run, asked, tmp_path):
    (tmp_path / "truth.csv").touch()
    target = tmp_path / "report.json"
    status, out, _ = run(
        *("evaluate", "--images", tmp_path, "--truth", tmp_path / "truth.csv"),
        *("--format", "json", "--output", target),
    )
    assert (status, out) == (0, "")
    assert json.loads(target.read_text()) == {"geoscore": 4500}
    assert asked[0][1]["images"] == tmp_path


@pytest.mark.parametrize("given", [[], ["--images", "{}"], ["--source", "orbit", "--images", "{}"]])
def test_half_a_question_is_wrong_use(run, asked, tmp_path, given):
    status, _, err = run("evaluate", *(part.format(tmp_path) for part in given))
    assert status == 2
    assert "--truth" in err
    assert not asked
