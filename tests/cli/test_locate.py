"""`graticule locate`: formats, refusals, exit status."""

import csv
import json
from types import SimpleNamespace

import pytest
from PIL import Image

from graticule.cli import present
from graticule.images import remote
from graticule.images.address import Address

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


@pytest.fixture
def gps_photo():
    """Writes a photo taken in Paris."""

    def write(path):
        exif = Image.Exif()
        exif[0x8825] = {1: "N", 2: (48.0, 51.0, 30.0), 3: "E", 4: (2.0, 17.0, 40.0)}
        Image.new("RGB", (8, 8), "blue").save(path, exif=exif)

    return write


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
    assert err.startswith(f"refused  1  {folder / 'bad.jpg'}: a web page, not a picture")
    assert "1 of 3 pictures refused" in err


def test_the_ending_of_the_output_says_its_format(locate, folder):
    for kind in ("jsonl", "csv", "geojson", "kml", "parquet", "txt"):
        status, out, _ = locate(folder, "--output", folder / f"out.{kind}")
        assert (status, out) == (0, "")
    assert len((folder / "out.jsonl").read_text().splitlines()) == 2
    assert len(list(csv.DictReader((folder / "out.csv").open()))) == 2
    features = json.loads((folder / "out.geojson").read_text())["features"]
    assert features[0]["geometry"]["coordinates"] == [5.2, 43.1]
    assert "<Placemark>" in (folder / "out.kml").read_text()
    assert (folder / "out.parquet").read_bytes()[:4] == b"PAR1"
    assert "Estimate" in (folder / "out.txt").read_text()
    assert locate(folder, "--output", folder / "answers", "--format", "csv")[0] == 0
    assert (folder / "answers").read_text() == (folder / "out.csv").read_text()


def test_an_ending_that_says_nothing_is_asked_about(locate, folder):
    status, _, err = locate(folder, "--output", folder / "out.xls")
    assert status == 2
    assert ".jsonl" in err
    assert "--format" in err


@pytest.mark.parametrize("name", ["out.txt", "out.jsonl", "out.parquet"])
def test_an_output_that_cannot_be_written_is_said_at_once(locate, folder, tmp_path, name):
    status, _, err = locate(folder, "--output", tmp_path / "no" / name)
    assert status == 2
    assert err.startswith(f"graticule: {tmp_path}/no/{name}: can't be written")


@pytest.mark.parametrize(
    "wants", [("--contact-sheet", "c.html"), ("--retry-refused",), ("--format", "parquet")]
)
def test_what_wants_an_output_says_so(locate, folder, wants):
    status, _, err = locate(folder, *wants)
    assert status == 2
    assert "--output" in err


def test_a_batch_says_at_its_end_what_came_of_it(locate, folder):
    for number in range(5):
        (folder / f"bad{number}.jpg").write_text("<html>")
    (folder / "empty.jpg").touch()
    output = folder / "out.jsonl"
    status, out, err = locate(folder, "--output", output)
    assert (status, out) == (1, "")
    lines = err.splitlines()
    assert lines[0].startswith("refused  5  ")
    assert "bad2.jpg and 2 more: a web page" in lines[0]
    assert lines[1].startswith("refused  1  ")
    assert lines[2] == "graticule: 6 of 8 pictures refused"
    assert lines[3].startswith("graticule: 2 answered; 0:00:0")
    assert lines[4] == f"graticule: next: graticule review {output}, then graticule write {output}"


def test_a_table_in_a_file_leaves_no_refusal_without_its_reason(locate, folder):
    (folder / "bad.jpg").write_text("<html>")
    status, out, err = locate(folder, "--output", folder / "out.txt")
    assert (status, out) == (1, "")
    assert "bad.jpg: a web page, not a picture" in err


def test_the_rate_is_that_of_this_run(locate, folder, monkeypatch):
    clock = iter(range(0, 1000, 10))
    monkeypatch.setattr(present, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    monkeypatch.setattr(present, "run_batch", lambda *given, **more: 25)
    assert "0:00:10, 2.5 pictures/s" in locate(folder, "--output", folder / "out.csv")[2]
    monkeypatch.setattr(present, "run_batch", lambda *given, **more: 0)
    assert "pictures/s" not in locate(folder, "--output", folder / "out.csv")[2]


def test_what_to_do_next_can_be_pasted(locate, folder):
    output = folder / "my results.jsonl"
    assert f"graticule write '{output}'" in locate(folder, "--output", output)[2]


def test_a_contact_sheet_that_cannot_be_is_said_before_the_first_picture(locate, folder, locator):
    output = folder / "out.jsonl"
    for wrong, said in (
        (output, "same file"),
        (folder / "no" / "sheet.html", "no such folder"),
    ):
        locator.Geolocator.asked.clear()
        status, _, err = locate(folder, "--output", output, "--contact-sheet", wrong)
        assert status == 2
        assert said in " ".join(err.replace("│", " ").split())
        assert not locator.Geolocator.asked


def test_pictures_with_gps_are_left_out_if_that_is_asked_for(locate, folder, gps_photo):
    gps_photo(folder / "c.jpg")
    _, _, err = locate(folder, "--output", folder / "out.jsonl", "--skip-located")
    assert "2 answered, 1 left out, they have GPS" in err
    for format in ("table", "jsonl"):
        assert (
            "graticule: 1 left out, they have GPS\n"
            in locate(folder, "--skip-located", "--format", format)[2]
        )
    paths = [json.loads(line)["path"] for line in (folder / "out.jsonl").read_text().splitlines()]
    assert paths == [str(folder / "a.png"), str(folder / "b.png")]
    locate(folder, "--output", folder / "out.jsonl")
    assert len((folder / "out.jsonl").read_text().splitlines()) == 3


def test_folders_are_walked_to_the_bottom_unless_told_otherwise(locate, folder):
    (folder / "deeper").mkdir()
    (folder / "a.png").rename(folder / "deeper" / "a.png")
    assert len(locate(folder, "--recursive", "--format", "jsonl")[1].splitlines()) == 2
    assert len(locate(folder, "--no-recursive", "--format", "jsonl")[1].splitlines()) == 1


def test_estimates_have_places_by_name(locate, folder):
    _, out, _ = locate(folder / "a.png", "--format", "jsonl")
    assert json.loads(out)["place"]["country"] == "FR"
    _, out, _ = locate(folder / "a.png", "--format", "jsonl", "--language", "de")
    assert json.loads(out)["place"]["country_name"] == "Frankreich"
    _, out, _ = locate(folder / "a.png", "--format", "jsonl", "--no-places")
    assert "place" not in json.loads(out)
    assert "France" in " ".join(locate(folder / "a.png")[1].split())
    assert (
        "Place" not in locate(folder / "a.png", "--no-places")[1].replace("Places", "").split("Candidates")[0]
    )


def test_a_contact_sheet_lies_where_it_is_wanted(locate, folder):
    _, _, err = locate(folder, "--output", folder / "out.csv", "--contact-sheet", folder / "sheet.html")
    assert f"contact sheet: {folder / 'sheet.html'}\n" in err
    assert (folder / "sheet.html").read_text().count("<figure") == 2


def test_interrupted_it_says_how_to_go_on(locate, folder, locator, monkeypatch):
    def interrupted(self, paths, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(locator.Geolocator, "locate", interrupted)
        status, _, err = locate(folder, "--output", folder / "out.csv")
    assert status == 130
    assert f"kept in {folder / 'out.csv.part'}: the same command goes on" in err
    assert not (folder / "out.csv").exists()
    assert locate(folder, "--output", folder / "out.csv")[0] == 0
    assert {path.name for path in folder.iterdir()} == {"a.png", "b.png", "out.csv"}


def test_without_a_model_it_says_what_orbit_is_for_and_how_to_get_another(run, folder, tmp_path, monkeypatch):
    monkeypatch.setenv("GRATICULE_MODELS", str(tmp_path))
    status, out, err = run("locate", folder)
    assert (status, out) == (2, "")
    for said in (
        "from above",
        "300 to 1200 km wide",
        "The model orbit is here",
        "graticule models pull geoclip",
    ):
        assert said in err
    assert len(err.splitlines()) == 1


def test_without_a_model_geoclip_answers_once_it_is_installed(run, folder, tmp_path, monkeypatch, locator):
    (tmp_path / "geoclip").mkdir()
    (tmp_path / "geoclip" / "manifest.json").write_text('{"format": 1, "files": {}}')
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
        (["--format", "xls"], "--format"),
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


@pytest.mark.parametrize(
    "other", [("--within", "France"), ("--decode", "sample"), ("--select", "similarity")]
)
def test_what_cannot_be_fused_is_wrong_use(locate, folder, other):
    status, _, err = locate(folder, "--together", "10min", *other)
    assert status == 2
    assert other[0] in err


def test_lengths_of_time_and_tracks_are_checked_before_a_model_is_opened(locate, folder):
    assert "no length of time" in locate(folder, "--together", "soon")[2]
    assert "below 0" in locate(folder, "--together", "-5min")[2]
    assert "--together or --track" in " ".join(locate(folder, "--clock-offset", "2h")[2].split())
    (folder / "walk.gpx").write_text("<gpx/>")
    status, _, err = locate(folder, "--track", folder / "walk.gpx")
    assert status == 2
    assert "walk.gpx: no track point" in err


def test_pictures_without_a_time_are_answered_as_always(locate, folder):
    _, out, _ = locate(folder, "--together", "10min", "--format", "jsonl")
    assert [json.loads(line).get("fused") for line in out.splitlines()] == [None, None]


@pytest.fixture
def asked_for(locator, monkeypatch):
    """What the locator is given; it answers nothing."""
    given = []

    def locate(self, pictures, **options):
        given.extend(pictures)
        return iter(())

    monkeypatch.setattr(locator.Geolocator, "locate", locate)
    return given


def test_addresses_are_addresses_only_where_that_is_allowed(locate, folder, asked_for):
    typed = ["https://someone:secret@b.example//a.png", "http://a.example/?key=secret", str(folder / "a.png")]
    status, _, err = locate(*typed, "--allow-urls", "--format", "jsonl")
    assert status == 0
    assert asked_for == [Address(typed[0]), Address(typed[1]), folder / "a.png"]
    assert err.startswith("graticule: asks a.example for pictures. Who is asked learns")
    assert "secret" not in err
    asked_for.clear()
    status, _, err = locate(*typed, "--format", "jsonl")
    assert not [picture for picture in asked_for if isinstance(picture, Address)]
    assert err == ""


def test_nothing_is_said_where_nobody_is_asked(locate, folder):
    assert locate(folder, "--allow-urls", "--format", "jsonl")[2] == ""


@pytest.mark.parametrize(
    "wants",
    [
        ("--skip-located",),
        ("--together", "10min"),
        ("--judge", "http://127.0.0.1:9/v1", "--judge-model", "eye"),
    ],
)
def test_what_opens_files_twice_takes_no_addresses(locate, folder, asked_for, monkeypatch, wants):
    monkeypatch.setattr(remote, "_look_up", lambda host, port: pytest.fail("was looked up"))
    status, _, err = locate(folder, "http://a.example/b.png", "--allow-urls", *wants)
    assert status == 2
    assert "graticule: http://a.example/b.png: is an address, and --skip-located, --together" in err
    assert not asked_for
    if wants == ("--skip-located",):
        assert locate(folder, "--allow-urls", *wants, "--format", "jsonl")[0] == 0
