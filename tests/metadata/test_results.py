"""Results read back: what is a line, and what is wrong with one that is not."""

import json

import pytest

from graticule.errors import InputError, PictureError
from graticule.metadata.results import read_results
from graticule.output import to_jsonl
from graticule.prediction import Candidate, NotSure, Prediction, Refusal

ANSWER = Prediction("a \udce9.png", 43.1, -5.25, 310.5, (Candidate(43.0, -5.0, 0.25, "0d4"),), "orbit")


def test_what_locate_writes_is_read(tmp_path, save_results):
    unsure = Prediction("b.png", 43.1, -5.25, 310.5, (), "orbit", not_sure=NotSure(0.1, 0.5, 25.0))
    refused = Refusal("c.png", PictureError("c.png: empty."))
    file = save_results(tmp_path / "results.jsonl", [to_jsonl(unsure), to_jsonl(refused)])
    with file.open("ab") as stream:  # as atomic_text writes a name that is no text
        stream.write(to_jsonl(ANSWER).encode("utf-8", "backslashreplace") + b"\n\n")
    read = read_results(file)
    assert not read.problems
    (_, first), (_, second), (number, third) = read.answers
    assert number == 3
    assert (third.path, third.latitude, third.longitude, third.radius_km) == (ANSWER.path, 43.1, -5.25, 310.5)
    assert (first.latitude, first.not_sure["probability"]) == (None, 0.1)
    assert second.error["type"] == "PictureError"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("{", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ('"a"', "no JSON object"),
        ({"path": 1}, "path"),
        ({"path": ""}, "path"),
        ({"latitude": 91}, "latitude"),
        ({"longitude": "5"}, "longitude"),
        ({"latitude": float("nan")}, "latitude"),
        ({"radius_km": float("inf")}, "radius_km"),
        ({"radius_km": 10**400}, "radius_km"),
        ({"radius_km": -1}, "radius_km"),
        ({"radius_km": None}, "radius_km"),
        ({"longitude": None}, "one is missing"),
        ({"review": {"status": "perhaps"}}, "review.status"),
        ({"review": {"status": "moved", "latitude": 1.0}}, "not where"),
        ({"review": {"status": "moved", "latitude": 1.0, "longitude": 181.0}}, "review.longitude"),
    ],
)
def test_a_malformed_line_is_named_and_the_rest_goes_on(tmp_path, line, save_results, wrong, words):
    wrong = {**line("a"), **wrong} if isinstance(wrong, dict) else wrong
    read = read_results(save_results(tmp_path / "r.jsonl", [line("a"), wrong, line("b")]))
    assert [(number, answer.path) for number, answer in read.answers] == [(1, "a"), (3, "b")]
    [problem] = read.problems
    assert problem.line == 2
    assert words in problem.what


def test_bytes_that_are_no_text_are_a_malformed_line(tmp_path, line):
    (tmp_path / "r.jsonl").write_bytes(b'{"path": "\xff"}\n' + json.dumps(line("a")).encode())
    assert [problem.line for problem in read_results(tmp_path / "r.jsonl").problems] == [1]


def test_another_file_is_refused_as_a_whole(tmp_path):
    (tmp_path / "r.csv").write_text("path,latitude,longitude\na,1,2\n")
    with pytest.raises(InputError, match=r"r\.csv: no line of it is a result.*jsonl"):
        read_results(tmp_path / "r.csv")
    with pytest.raises(InputError, match=r"none\.jsonl: can't be read"):
        read_results(tmp_path / "none.jsonl")


def test_an_empty_file_is_no_result_and_no_problem(tmp_path, save_results):
    read = read_results(save_results(tmp_path / "r.jsonl", []))
    assert (read.answers, read.problems) == ((), ())


def decide(file, *decisions):
    lines = [{"index": index, "path": path, "review": review} for index, path, review in decisions]
    file.with_name("r.review.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in lines))


def test_decisions_beside_the_results_count_the_last_of_each(tmp_path, line, save_results):
    confirmed, rejected = {"status": "confirmed", "note": ""}, {"status": "rejected"}
    file = save_results(
        tmp_path / "r.jsonl", [line("a"), "", "{", line("b"), line("c", review=confirmed), line("d")]
    )
    decide(file, (0, "a", rejected), (2, "b", rejected), (2, "b", confirmed), (3, "c", None))
    with file.with_name("r.review.jsonl").open("a") as torn:
        torn.write('{"index": 4, "path"')
    read = read_results(file)
    assert [(answer.path, answer.review and answer.review.status) for _, answer in read.answers] == [
        ("a", "rejected"),
        ("b", "confirmed"),
        ("c", None),
        ("d", None),
    ]


@pytest.mark.parametrize(
    "decision",
    [
        (0, "b", None),
        (1, "a", {"status": "rejected"}),
        (0, "a", {"status": "maybe"}),
        ([], "a", None),
        (0, "a", {"status": "moved"}),
    ],
)
def test_a_decision_that_is_not_understood_stops_everything(tmp_path, line, save_results, decision):
    file = save_results(tmp_path / "r.jsonl", [line("a")])
    decide(file, decision)
    with pytest.raises(InputError, match=r"r\.review\.jsonl"):
        read_results(file)


def test_a_decision_nested_too_deep_stops_everything(tmp_path, line, save_results):
    file = save_results(tmp_path / "r.jsonl", [line("a")])
    file.with_name("r.review.jsonl").write_text('{"index": ' + "[" * 100_000 + "\n")
    with pytest.raises(InputError, match=r"r\.review\.jsonl, line 1"):
        read_results(file)


def test_what_the_review_keeps_and_exports_is_understood(tmp_path, line, save_results):
    review = pytest.importorskip("graticule.serving.review", reason="the service is an extra")
    file = save_results(tmp_path / "r.jsonl", [line("a"), line("b"), line("c")])
    moved = {"status": "moved", "latitude": 1.5, "longitude": 2.5, "note": "x"}
    with review.Batch.open(file) as batch:
        batch.decide(0, {"status": "rejected", "note": ""})
        batch.decide(1, moved)
        batch.export(tmp_path / "exported.jsonl")
    for read in (read_results(file), read_results(tmp_path / "exported.jsonl")):
        statuses = [answer.review and answer.review.status for _, answer in read.answers]
        assert statuses == ["rejected", "moved", None]
