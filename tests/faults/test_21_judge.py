"""Fault 21: a judge that answers anything but what it was asked, or nothing."""

import threading

import pytest

from decoding.judge.conftest import ChatServer
from faults.fault import Fault
from graticule.decoding.judge import client
from graticule.decoding.judge.config import JudgeConfig
from graticule.locator import Geolocator

FAULT = Fault(
    number=21,
    fault="an MLLM answering prose, other JSON, numbers out of range, -33 without decimals, a refusal, nothing, "
    "HTTP 429 or 500, a hang",
    defence="an answer is read in one way or not believed; then the most probable candidate stands in, and the result "
    "says so (decoding/judge/)",
)

PLACES = {
    '{"latitude": -33, "longitude": 151}': (-33.0, 151.0),
    '{"lat": "-33", "lon": "151"}': (-33.0, 151.0),
    "Probably 33 S, 151 E.": (-33.0, 151.0),
    '```json\n{"longitude": 151.2, "latitude": -33.9}\n```': (-33.9, 151.2),
}
"""Answers of free generation that name a place, and the place."""
NO_PLACES = [
    "What a lovely beach! It reminds me of my holidays.",
    '{"city": "Sydney"}',
    '{"latitude": 133, "longitude": 151}',
    '{"latitude": 1e999, "longitude": 0}',
    '{"latitude": NaN, "longitude": NaN}',
    '{"latitude": 0, "longitude": 0}',
    '{"latitude": 0.0, "longitude": -0.0}',
    '{"latitude": null, "longitude": null}',
    '{"latitude": -33, "longitude"',
    "-33",
    "I'm sorry, I can't help with finding people.",
    "[" * 10_000,
]
"""Answers that name none."""
NO_CHOICES = [
    '{"choice": 0}',
    '{"choice": 99}',
    '{"choice": "two or three"}',
    "Candidate 1 or 2.",
    '{"city": 1.5}',
]
ANY_MODE = [
    ("says", ""),
    ("says", None),
    ("refuses",),
    ("sends", b""),
    ("sends", b"<html>Sign in</html>"),
    ("fails", 429),
    ("fails", 500),
    ("fails", 401),
    ("hangs_up",),
    ("breaks_off",),
    ("speaks_something_else",),
    ("hangs",),
    ("drips",),
]
"""What a server does instead of answering."""


def judged(model, picture, *behaviours, mode="free"):
    """What is said of a picture, asked about once for each way in which a judge behaves."""
    server = ChatServer()
    server.behaviours = list(behaviours)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    timeout_s = 0.25 if behaviours[0] in (("hangs",), ("drips",)) else 60.0
    config = JudgeConfig(
        url=server.url, model="eye", mode=mode, attempts=1, timeout_s=timeout_s, concurrency=1
    )
    try:
        return list(model.locate([picture] * len(behaviours), judge=config))
    finally:
        server.released.set()
        server.shutdown()
        server.server_close()
        thread.join()


def check_read(model, picture):
    """Places are understood however they are written. Gives how many answers were tried."""
    results = judged(model, picture, *(("says", text) for text in PLACES))
    assert [(result.latitude, result.longitude) for result in results] == list(PLACES.values())
    assert not [result for result in results if result.selection.fallback]
    return len(PLACES)


def check_fallen_back(model, picture):
    """Whatever is not understood ends in the most probable candidate, and is seen in the result."""
    results = judged(model, picture, *(("says", text) for text in NO_PLACES))
    results += judged(model, picture, *(("says", text) for text in NO_CHOICES), mode="pool")
    # One by one: after an error that would meet every picture, the others are not asked about.
    results += [result for behaviour in ANY_MODE for result in judged(model, picture, behaviour)]
    [own] = model.locate(picture, select="log-probability")
    for tried, result in zip([*NO_PLACES, *NO_CHOICES, *ANY_MODE], results, strict=True):
        assert result.selection.by == "judge"
        assert result.selection.fallback, tried
        assert (result.latitude, result.longitude) != (0, 0)
        assert result.latitude == pytest.approx(own.latitude, abs=1e-5)
        assert result.longitude == pytest.approx(own.longitude, abs=1e-5)
        assert result.radius_km > 0
    return len(results)


@pytest.fixture(scope="module")
def model(small_folder):
    return Geolocator.load(small_folder)


def test_places_are_read_right(model, picture, record_property):
    record_property("inputs", check_read(model, picture))


def test_all_else_falls_back_and_says_so(model, picture, record_property):
    record_property("inputs", check_fallen_back(model, picture))


@pytest.mark.parametrize("reads", [lambda text: (0.0, 0.0), lambda text: (91.0, 181.0)])
def test_without_a_strict_reading_nonsense_is_a_place(model, picture, monkeypatch, reads):
    monkeypatch.setattr(client, "parse_place", reads)
    with pytest.raises((AssertionError, ValueError)):
        check_fallen_back(model, picture)


def test_without_the_mark_a_fallback_passes_for_the_judges_answer(model, picture, monkeypatch):
    whole = client.Verdict

    def unmarked(**verdict):
        return whole(**{**verdict, "how": "judge", "why": ""})

    monkeypatch.setattr(client, "Verdict", unmarked)
    with pytest.raises(AssertionError, match="lovely beach"):
        check_fallen_back(model, picture)
