"""benchmarks/soak.py, for seconds instead of minutes and against a server without a model."""

import sys
from importlib import import_module
from pathlib import Path

import pytest

from serving.standing_in import LIMITS

ROOT = Path(__file__).parents[2]
SERVE = [sys.executable, "-m", "serving.standing_in"]


@pytest.fixture
def benchmark(monkeypatch):
    """Modules of benchmarks/, by name."""
    monkeypatch.setenv("PYTHONPATH", f"{ROOT / 'src'}:{ROOT / 'tests'}")
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return import_module


def test_a_short_soak_finds_every_promise_kept(benchmark):
    soak = benchmark("soak")
    settings = soak.Soak("stand-in", 2, 1.5, 0.2, views=3, limits=LIMITS, command=SERVE)
    figures = soak.soaked(settings)
    verdicts = {verdict["promise"]: verdict for verdict in figures["promises"]}
    assert len(verdicts) == 12
    # In seconds memory has not settled yet.
    del verdicts["growth of resident memory from the second minute to the last"]
    assert [verdict for verdict in verdicts.values() if not verdict["met"]] == [], figures["failures"]
    assert (
        figures["requests"] == sum(sum(kind["answered"].values()) for kind in figures["kinds"].values()) > 0
    )
    assert figures["memory"]["last_minute_mb"] > 0


def test_what_was_not_promised_is_listed(benchmark):
    answer = benchmark("service.wire").Answer
    kinds, crowd = benchmark("service.kinds"), benchmark("service.crowd")
    request = kinds.plain({"a.png": b""}, {("a.png", ""): (10.0, 20.0)})
    kind = kinds.Kind("one", "good", (200,), 1, lambda chance: request)

    def right(latitude):
        return b'{"results": [{"path": "a.png", "latitude": %f, "longitude": 20}]}' % latitude

    told = crowd.Told()
    told.note(kind, request, answer(200, {}, right(10)), (200,))
    assert not told.failures()
    for broken in (
        answer(200, {}, right(11)),
        answer(200, {}, b'{"results": []}'),
        answer(200, {}, b'{"results": [{"path": "a.png", "error": {"message": "refused"}}]}'),
        answer(500, {}, b"a fault"),
        answer(503),
        answer(0),
    ):
        told.note(kind, request, broken, (200, 503))
    assert told.broken_count == 6
    assert [(failure["kind"], failure["count"]) for failure in told.failures()] == [("one", 6)]
    said = " ".join(told.broken["one"])
    for words in ("instead of", "a fault", "503 without Retry-After", "no answer", "refused"):
        assert words in said
