"""/v1/locate answers as the library does, whatever else is asked at the time."""

import io
import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from urllib.parse import quote

import httpx
import pytest
from PIL import Image

from asking import VIEWS, pictures, png
from graticule.output import to_dict
from graticule.prediction import Refusal
from graticule.serving.schema import Error, Located
from graticule.store import shipped_models

ROUTE = "/v1/locate"


def located(client, files, **data):
    response = client.post(ROUTE, files=files, data=data)
    assert response.status_code == 200, response.text
    Located.model_validate(response.json())
    return response.json()["results"]


def assert_same(told, prediction):
    assert told["latitude"] == pytest.approx(prediction.latitude, abs=1e-5)
    assert told["longitude"] == pytest.approx(prediction.longitude, abs=1e-5)
    assert told["radius_km"] == pytest.approx(prediction.radius_km, abs=1e-3)
    assert [one["cell"] for one in told["candidates"]] == [one.cell for one in prediction.candidates]
    for one, other in zip(told["candidates"], prediction.candidates, strict=True):
        wanted = asdict(other)
        assert one["place"]["text"]
        for name in ("latitude", "longitude", "probability"):
            assert one[name] == pytest.approx(wanted[name], abs=1e-5)


def test_one_picture_is_answered_as_by_the_library(client, orbit):
    [told] = located(client, pictures(VIEWS[0]))
    [known] = orbit.locate([VIEWS[0]])
    assert told["path"] == VIEWS[0].name
    assert told["model"] == "orbit"
    assert told["words"]
    assert told["place"]["text"]
    assert_same(told, known)


def test_clients_at_once_are_answered_as_by_the_library(server, orbit):
    asked = [
        (VIEWS[start : start + count], within, top_k)
        for start, (count, within, top_k) in enumerate(
            [
                (1, None, 5),
                (3, "India", 2),
                (2, None, 1),
                (5, "-30,-80,30,80", 5),
                (4, "India", 50),
                (1, None, 9),
            ]
        )
    ]

    def ask(request):
        views, within, top_k = request
        data = {"top_k": str(top_k)} | ({} if within is None else {"within": within})
        with httpx.Client(base_url=server.url, timeout=120) as client:
            return located(client, pictures(*views), **data)

    with ThreadPoolExecutor(len(asked)) as pool:
        answers = list(pool.map(ask, asked))
    for (views, within, top_k), told in zip(asked, answers, strict=True):
        known = list(orbit.locate(views, within=within, top_k=top_k))
        for one, other in zip(told, known, strict=True):
            if isinstance(other, Refusal):
                assert "no place" in one["error"]["message"]
            else:
                assert_same(one, other)
                assert one.get("region_probability") == pytest.approx(other.region_probability, abs=1e-5)


def test_what_is_no_picture_is_refused_by_name_and_the_rest_answered(client):
    files = [
        *pictures(VIEWS[0]),
        ("pictures", ("letter.txt", b"Dear Sir", "image/png")),
        ("pictures", ("empty.jpg", b"", "image/jpeg")),
        *pictures(VIEWS[1]),
    ]
    told = located(client, files)
    assert [one["path"] for one in told] == [VIEWS[0].name, "letter.txt", "empty.jpg", VIEWS[1].name]
    assert told[1]["error"] == {
        "type": "PictureError",
        "message": "letter.txt: a text file, not a picture, whatever its name says. Graticule reads JPEG, PNG, "
        "WebP, TIFF, GIF and BMP.",
    }
    assert "empty" in told[2]["error"]["message"]
    assert "latitude" in told[0]
    assert "latitude" in told[3]


def test_a_map_is_told_all_of_it(client):
    [told] = located(client, pictures(VIEWS[0]), detail="map", language="en")
    probabilities = told["cells"]["probabilities"]
    assert len(told["cells"]["tokens"]) == len(probabilities) <= 4096
    assert sum(probabilities) + told["cells_left"] == pytest.approx(1, abs=1e-3)
    assert [region["mass"] for region in told["regions"]] == [0.5, 0.9]
    assert all(region["geometry"]["type"] == "MultiPolygon" for region in told["regions"])
    assert [step["level"] for step in told["coarse_to_fine"]] == sorted(
        step["level"] for step in told["coarse_to_fine"]
    )
    assert told["coarse_to_fine"]
    shown = client.get(told["neighbours"][0]["thumbnail"])
    assert shown.headers["Content-Type"] == "image/webp"
    with Image.open(io.BytesIO(shown.content)) as image:
        assert image.format == "WEBP"
    assert set(told["circles_km"]) == {"50", "90"}
    assert told["path"] == VIEWS[0].name


@pytest.mark.parametrize("path", ["orbit/-1", "orbit/99999999", "no-such-model/0"])
def test_a_neighbour_that_is_not_there(client, path):
    response = client.get(f"/v1/neighbours/{path}")
    assert response.status_code == 404
    Error.model_validate(response.json())


def test_an_estimate_is_told_without_names(client, orbit):
    [told] = located(client, pictures(VIEWS[0]), detail="estimate")
    [known] = orbit.locate([VIEWS[0]])
    assert told.keys() == to_dict(known).keys()
    assert told["latitude"] == pytest.approx(known.latitude, abs=1e-5)


def test_a_drawn_region_is_obeyed(client):
    ring = [[-80, -30], [-60, -30], [-60, -10], [-80, -10], [-80, -30]]
    drawn = json.dumps({"type": "Polygon", "coordinates": [ring]})
    [told] = located(client, pictures(VIEWS[0]), within=drawn)
    assert -30 <= told["latitude"] <= -10
    assert -80 <= told["longitude"] <= -60
    assert 0 <= told["region_probability"] < 0.5


@pytest.mark.parametrize(
    ("data", "status", "words"),
    [
        ({"within": "Atlantis"}, 422, "no country"),
        ({"within": "/etc/hostname.json"}, 422, "no country"),
        ({"within": "{"}, 422, "not JSON"),
        ({"within": '{"type": "Point", "coordinates": [1, 2]}'}, 422, "bounds no area"),
        ({"within": ["1,1,2,2"] * 21}, 422, "21 regions"),
        ({"model": "no-such-model"}, 404, "not served"),
        ({"top_k": "0"}, 422, "top_k"),
        ({"top_k": "many"}, 422, "top_k"),
        ({"detail": "all"}, 422, "detail"),
        ({"language": "../../etc"}, 422, "language"),
        ({"detail": ["map", "map"]}, 422, "2 times"),
        ({"path": "x"}, 422, "no field 'path'"),
        ({"pictures": "x"}, 422, "must be a file"),
    ],
)
def test_what_makes_no_sense_is_named(client, data, status, words):
    response = client.post(ROUTE, files=pictures(VIEWS[0]), data=data)
    assert response.status_code == status
    Error.model_validate(response.json())
    assert words in response.json()["error"]["message"]


@pytest.mark.parametrize("ending", ["", "/", "/manifest.json", "/../{name}"])
def test_a_folder_of_this_machine_is_no_model(client, ending):
    """On the command line a model may be a folder; a client may only choose among those that are served."""
    folder = shipped_models()["orbit"]
    name = f"{folder}{ending.format(name=folder.name)}"
    for asked in (name, os.path.relpath(name), f"file://{name}", "./orbit", "ORBIT", "orbit\0", "orbit/"):
        answer = client.post("/v1/locate", files=pictures(VIEWS[0]), data={"model": asked})
        assert answer.status_code == 404, asked
        assert answer.json()["error"]["type"] == "ModelNotFoundError"
        assert client.get(f"/v1/neighbours/{quote(asked, safe='')}/0").status_code == 404


def test_a_file_of_this_machine_is_no_region(client, tmp_path):
    ring = [[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]
    file = tmp_path / "secret.geojson"
    file.write_text(json.dumps({"type": "Polygon", "coordinates": [ring]}))
    response = client.post(ROUTE, files=pictures(VIEWS[0]), data={"within": str(file)})
    assert response.status_code == 422
    assert "InputError" in response.text


def test_a_form_without_pictures_is_refused(client):
    response = client.post(ROUTE, files=[("model", (None, "orbit"))])
    assert response.status_code == 422
    assert "'pictures' is missing" in response.text


def test_a_name_that_a_page_must_not_be_shown_comes_back_as_it_is(client):
    name = "<script>ü\u202e.png"
    [told] = located(client, [("pictures", (name, png(), "image/png"))])
    assert told["path"] == name
