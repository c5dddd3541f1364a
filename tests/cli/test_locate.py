"""`graticule locate`: formats, refusals, exit status."""

import csv
import json

import pytest
from PIL import Image

pytestmark = pytest.mark.usefixtures("locator")


@pytest.fixture
def locate(run):
    """`graticule locate --model orbit`, with what else is given."""
    return lambda *arguments: run("locate", "--model", "orbit", *arguments)


@pytest.fixture
def folder(tmp_path):
    for name in ("a.png", "b.png"):
        Image.new("RGB", (8, 8), "green").save(tmp_path / name)
    return tmp_path


def test_the_table_names_estimate_model_and_limits(locate, folder):
    status, out, err = locate(folder)
    assert status == 0
    assert out.count("43.1° N, 5.2° E") == 2
    for words in ("Estimate", "90 % within", "310 km", "orbit", "not street photos"):
        assert words in out
    assert err == ""


def test_one_picture_shows_its_candidates(locate, folder):
    _, out, _ = locate(folder / "a.png", "--top-k", 1)
    assert "40.0 %" in out
    assert "12c9" in out
    assert "12b1" not in out


def test_jsonl_on_stdout_and_refusals_in_it(locate, folder):
    (folder / "bad.jpg").write_text("<html>")
    status, out, err = locate(folder, folder / "gone.png", "--format", "jsonl", "--decode", "greedy")
    assert status == 1
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["path"].rpartition("/")[2] for line in lines] == ["a.png", "b.png", "bad.jpg", "gone.png"]
    assert lines[0]["model"] == "orbit/greedy"
    assert "web page" in lines[2]["error"]["message"]
    assert "no such file" in lines[3]["error"]["message"]
    assert err == "graticule: 2 of 4 pictures refused\n"


def test_the_table_names_refusals_on_stderr(locate, folder):
    (folder / "bad.jpg").write_text("<html>")
    status, out, err = locate(folder)
    assert status == 1
    assert "refused" in out
    assert "bad.jpg: a web page" in err
    assert "1 of 3 pictures refused" in err


def test_files_hold_what_stdout_would(locate, folder, tmp_path):
    for kind in ("jsonl", "csv", "geojson", "table"):
        target = tmp_path / f"out.{kind}"
        status, out, _ = locate(folder, "--format", kind, "--output", target)
        assert (status, out) == (0, "")
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 2
    assert len(list(csv.DictReader((tmp_path / "out.csv").open()))) == 2
    features = json.loads((tmp_path / "out.geojson").read_text())["features"]
    assert features[0]["geometry"]["coordinates"] == [5.2, 43.1]
    assert "Estimate" in (tmp_path / "out.table").read_text()


def test_an_output_that_cannot_be_written_is_said_at_once(locate, folder, tmp_path):
    status, _, err = locate(folder, "--output", tmp_path / "no" / "out.txt")
    assert status == 2
    assert err.startswith(f"graticule: {tmp_path}/no/out.txt: can't be written")


def test_without_a_model_it_says_what_orbit_is_for_and_how_to_get_another(run, folder, tmp_path, monkeypatch):
    monkeypatch.setenv("GRATICULE_MODELS", str(tmp_path))
    status, out, err = run("locate", folder)
    assert (status, out) == (2, "")
    for said in ("from above", "300 to 1200 km wide", "--model orbit", "graticule models pull geoclip"):
        assert said in err
    assert len(err.splitlines()) == 1


def test_without_a_model_geoclip_answers_once_it_is_installed(run, folder, tmp_path, monkeypatch, locator):
    (tmp_path / "geoclip").mkdir()
    (tmp_path / "geoclip" / "manifest.json").write_text("{}")
    monkeypatch.setenv("GRATICULE_MODELS", str(tmp_path))
    asked = []
    monkeypatch.setattr(
        locator.Geolocator, "load", lambda name, **_: asked.append(name) or locator.Geolocator()
    )
    assert run("locate", folder / "a.png")[0] == 0
    assert asked == ["geoclip"]


def test_a_missing_model_is_one_line_and_exit_2(run, folder):
    status, out, err = run("locate", folder, "--model", "atlantis")
    assert (status, out) == (2, "")
    assert err == "graticule: atlantis: no such model. The models are: orbit.\n"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--decode", "guess"], "--decode"),
        (["--frobnicate"], "--frobnicate"),
        (["--top-k", "0"], "--top-k"),
        (["--format", "kml"], "--format"),
    ],
)
def test_a_wrong_flag_is_named(locate, folder, arguments, named):
    status, _, err = locate(folder, *arguments)
    assert status == 2
    assert named in err


def test_no_pictures_named_is_wrong_use(locate):
    status, _, err = locate()
    assert status == 2
    assert "PATH" in err


def test_regions_reach_the_locator_united_and_a_low_one_is_said(locate, folder, locator):
    _, out, _ = locate(folder / "a.png", "--within", "France", "--within", "Spain")
    assert locator.Geolocator.asked[-1]["within"] == ["France", "Spain"]
    assert "the model gives this region only 0.3 %" in " ".join(out.split())
    _, out, _ = locate(folder / "a.png", "--within", "France", "--format", "jsonl")
    assert json.loads(out)["region_probability"] == 0.003
    locate(folder / "a.png")
    assert locator.Geolocator.asked[-1]["within"] is None


def test_an_answer_that_is_not_sure_is_never_a_bare_pin(locate, folder):
    doubtful = (folder / "a.png", "--min-confidence", 0.8, "--radius", 25)
    _, out, _ = locate(*doubtful)
    assert "not sure: around 43.1° N, 5.2° E" in out
    _, out, _ = locate(*doubtful, "--format", "jsonl")
    line = json.loads(out)
    assert "latitude" not in line
    assert line["not_sure"]["circle"] == {"latitude": 43.1, "longitude": 5.2, "radius_km": 310.0}
    _, out, _ = locate(*doubtful, "--format", "csv")
    [row] = csv.DictReader(out.splitlines())
    assert row["latitude"] == row["longitude"] == row["cell"] == ""
    assert row["not_sure"] == "40 % within 25 km, 90 % within 310 km of 43.1° N, 5.2° E"
    _, out, _ = locate(*doubtful, "--format", "geojson")
    [feature] = json.loads(out)["features"]
    assert feature["geometry"] is None
    assert feature["properties"]["not_sure"]["within_km"] == 25


@pytest.mark.parametrize("alone", [("--min-confidence", 0.8), ("--radius", 25)])
def test_confidence_and_radius_go_together(locate, folder, alone):
    status, _, err = locate(folder, *alone)
    assert status == 2
    assert "together" in err
