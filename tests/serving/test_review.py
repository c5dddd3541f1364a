"""A batch under review: decisions are on disk before they are acknowledged, and nothing else is touched."""

import io
import json

import httpx
import pytest
from PIL import Image

from asking import VIEWS
from graticule.errors import InputError, TableError
from graticule.serving.review import Batch
from graticule.serving.schema import Decision, ReviewBatch
from serving.conftest import running

CONFIRMED = {"status": "confirmed", "note": ""}
MOVED = {"status": "moved", "latitude": 1.5, "longitude": -2.5, "note": "the harbour"}


def result(path, **more):
    candidates = [{"latitude": 48.0, "longitude": 2.0, "probability": 0.5, "cell": "47e4"}]
    place = {
        "latitude": 48.9,
        "longitude": 2.3,
        "radius_km": 30.0,
        "candidates": candidates,
        "model": "orbit",
    }
    return {"path": str(path)} | place | more


@pytest.fixture
def results(tmp_path):
    """A file of five results: two answers, a refusal, one that is not sure, and one that was reviewed."""
    circle = {"latitude": -70.0, "longitude": 170.0, "radius_km": 900.0}
    unsure = {"probability": 0.1, "asked": 0.5, "within_km": 25.0, "circle": circle}
    lines = [
        result(VIEWS[0]),
        result("gone.jpg"),
        {"path": "letter.txt", "error": {"type": "PictureError", "message": "letter.txt: a text file"}},
        {"path": "odd.png", "not_sure": unsure, "candidates": [], "model": "orbit"},
        result(VIEWS[1], review=CONFIRMED),
    ]
    path = tmp_path / "results.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)) + "\n\n", encoding="utf-8")
    return path


@pytest.fixture
def journal(results):
    return results.with_name("results.review.jsonl")


class TestOnDisk:
    def test_decisions_outlive_the_server(self, results, journal):
        before = results.read_bytes()
        with Batch.open(results) as batch:
            batch.decide(0, MOVED)
            batch.decide(1, CONFIRMED)
            batch.decide(0, CONFIRMED)
            batch.decide(1, None)
        assert len(journal.read_text().splitlines()) == 4
        again = Batch(results)
        assert [again.review(index) for index in range(5)] == [CONFIRMED, None, None, None, CONFIRMED]
        assert again.decided == 2
        assert results.read_bytes() == before

    def test_a_line_that_was_cut_off_is_cut_away(self, results, journal):
        with Batch.open(results) as batch:
            batch.decide(0, MOVED)
            batch.decide(1, MOVED)
        journal.write_bytes(journal.read_bytes()[:-9])
        with Batch.open(results) as batch:
            assert [batch.review(0), batch.review(1)] == [MOVED, None]
            batch.decide(1, CONFIRMED)
        assert Batch(results).review(1) == CONFIRMED

    def test_decisions_about_other_results_are_not_taken_for_these(self, results, journal):
        journal.write_text(json.dumps({"index": 1, "path": "other.jpg", "review": CONFIRMED}) + "\n")
        with pytest.raises(TableError, match=r"results.review.jsonl, line 1: decides about 'other.jpg'"):
            Batch(results)

    def test_one_at_a_time(self, results):
        with Batch.open(results), pytest.raises(InputError, match="another"), Batch.open(results):
            pass

    @pytest.mark.parametrize(
        ("line", "words"),
        [
            ("{", "line 2: is not JSON"),
            ("[]", "line 2: is no JSON object"),
            ('{"latitude": 1, "longitude": 2}', "line 2: has no path"),
            ('{"path": "a.jpg"}', "line 2: latitude None"),
            ('{"path": "a.jpg", "latitude": 91, "longitude": 2}', "latitude 91 must be"),
            ('{"path": "a.jpg", "latitude": NaN, "longitude": 2}', "line 2: is not JSON"),
            ('{"path": "a.jpg", "latitude": 1, "longitude": 2, "radius_km": 1e999}', "line 2: is not JSON"),
            ("[" * 100_000, "line 2: is not JSON"),
            ('{"path": "a.jpg", "not_sure": {"circle": [1, 2]}}', "must be an object with a latitude"),
            ('{"path": "a.jpg", "not_sure": 7, "latitude": 1, "longitude": 2}', "must be an object"),
            (
                '{"path": "a.jpg", "latitude": 1, "longitude": 2, "candidates": {}}',
                "candidates must be a list",
            ),
            ('{"path": "a.jpg", "latitude": 1, "longitude": 2, "candidates": [7]}', "7 must be an object"),
            (
                '{"path": "a.jpg", "latitude": 1, "longitude": 2, "candidates": [{"latitude": 1e19, "longitude": 2}]}',
                "latitude 1e.19 must be",
            ),
            ('{"path": "a.jpg", "latitude": 9, "longitude": true}', "longitude True must be"),
        ],
    )
    def test_a_line_that_is_no_result_is_named(self, tmp_path, line, words):
        path = tmp_path / "results.jsonl"
        path.write_text(json.dumps(result("a.jpg")) + "\n" + line + "\n")
        with pytest.raises(TableError, match=words):
            Batch(path)

    def test_results_that_are_not_there(self, tmp_path):
        with pytest.raises(InputError, match=r"no-such.jsonl: can't be read"):
            Batch(tmp_path / "no-such.jsonl")

    def test_a_decision_that_can_not_be_written_is_not_made(self, results, journal):
        batch = Batch(results)
        journal.mkdir()
        with pytest.raises(InputError, match="not written"):
            batch.decide(0, CONFIRMED)
        assert batch.review(0) is None

    def test_what_is_exported_is_the_results_with_what_was_decided(self, results, tmp_path):
        batch = Batch(results)
        batch.decide(0, MOVED)
        batch.export(tmp_path / "reviewed.jsonl")
        lines = [json.loads(line) for line in (tmp_path / "reviewed.jsonl").read_text().splitlines()]
        assert [line.get("review") for line in lines] == [MOVED, None, None, None, CONFIRMED]
        assert [line["path"] for line in lines] == [one["path"] for one in batch.results]
        assert Batch(tmp_path / "reviewed.jsonl").decided == 2


class TestOverHttp:
    @pytest.fixture
    def client(self, results):
        with (
            Batch.open(results) as batch,
            running({}, batch) as server,
            httpx.Client(base_url=server.url, timeout=60) as asking,
        ):
            yield asking

    def test_the_batch_is_told_whole(self, client):
        told = client.get("/v1/review").json()
        ReviewBatch.model_validate(told)
        assert told["name"] == "results.jsonl"
        assert [one["index"] for one in told["results"]] == [0, 1, 2, 3, 4]
        assert [one["review"] for one in told["results"]] == [None, None, None, None, CONFIRMED]
        first, _, refused, unsure, _ = told["results"]
        assert first["place"]["country"] == "FR"
        assert first["candidates"][0]["place"]["country"] == "FR"
        assert refused["place"] is None
        assert unsure["place"]["text"]

    def test_names_that_are_no_text_and_results_that_are_sure_after_all_are_told(self, tmp_path):
        path = tmp_path / "results.jsonl"
        path.write_text(json.dumps(result("\udce9.jpg", not_sure=None)) + "\n")
        with running({}, Batch(path)) as server:
            told = httpx.get(f"{server.url}v1/review", timeout=60).json()
        assert told["results"][0]["path"] == "\udce9.jpg"
        assert told["results"][0]["place"]["country"] == "FR"

    def test_a_decision_is_kept_and_can_be_taken_back(self, client, journal):
        response = client.put("/v1/review/1", json=MOVED)
        assert response.status_code == 200
        Decision.model_validate(response.json())
        assert json.loads(journal.read_text())["review"] == MOVED
        assert client.get("/v1/review").json()["results"][1]["review"] == MOVED
        assert client.delete("/v1/review/1").json() == {"index": 1, "review": None}
        assert client.get("/v1/review").json()["results"][1]["review"] is None

    @pytest.mark.parametrize(
        ("path", "body", "status"),
        [
            ("0", {"status": "perhaps"}, 422),
            ("0", {"status": "moved"}, 422),
            ("0", {"status": "moved", "latitude": 1}, 422),
            ("0", {"status": "moved", "latitude": 91, "longitude": 0}, 422),
            ("0", {"status": "confirmed", "latitude": 1, "longitude": 0}, 422),
            ("0", {"status": "confirmed", "path": "x"}, 422),
            ("0", [], 422),
            ("0", {"status": "rejected", "note": "x" * 70_000}, 413),
            ("5", CONFIRMED, 404),
            ("-1", CONFIRMED, 404),
            ("one", CONFIRMED, 422),
        ],
    )
    def test_a_decision_that_makes_no_sense_is_not_kept(self, client, journal, path, body, status):
        response = client.put(f"/v1/review/{path}", json=body)
        assert response.status_code == status
        assert response.json()["error"]["message"]
        assert not journal.exists()

    def test_a_form_is_no_decision(self, client):
        assert client.put("/v1/review/0", data={"status": "confirmed"}).status_code == 415

    def test_pictures_are_shown_scaled_down(self, client):
        response = client.get("/v1/review/0/picture")
        assert response.headers["Content-Type"] == "image/webp"
        with Image.open(io.BytesIO(response.content)) as shown, Image.open(VIEWS[0]) as known:
            assert shown.size == known.size
        small = client.get("/v1/review/0/picture", params={"side": 32})
        with Image.open(io.BytesIO(small.content)) as shown:
            assert shown.size == (32, 32)
        assert client.get("/v1/review/0/picture", params={"side": 99_999}).status_code == 422
        assert "private" in response.headers["Cache-Control"]

    @pytest.mark.parametrize(("index", "words"), [(1, "no such file"), (2, "no such file"), (99, "has 5")])
    def test_a_picture_that_is_not_there(self, client, index, words):
        response = client.get(f"/v1/review/{index}/picture")
        assert response.status_code == 404
        assert words in response.json()["error"]["message"]

    @pytest.mark.parametrize("index", ["../results.jsonl", "%2e%2e%2fresults.jsonl", "-1", "x"])
    def test_no_other_file_can_be_asked_for(self, client, index):
        assert client.get(f"/v1/review/{index}/picture").status_code in (404, 422)

    def test_without_a_model_nothing_is_located(self, client):
        response = client.post("/v1/locate", files={"pictures": ("a.png", b"x")})
        assert response.status_code == 404
        assert "no model" in response.json()["error"]["message"]

    def test_relative_paths_are_taken_from_the_folder_named(self, results):
        assert Batch(results, folder=results.parent).picture(1) == results.parent / "gone.jpg"
        assert Batch(results, folder=results.parent).picture(0) == VIEWS[0]


def test_without_a_batch_there_is_nothing_to_review(client):
    assert client.get("/v1/review").status_code == 404
    assert client.get("/v1/review/0/picture").status_code == 404
    assert client.put("/v1/review/0", json=CONFIRMED).status_code == 404
