"""What a language model or its server may answer."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from functools import cache
from random import Random
from typing import Final

from fuzz.edits import bytes_edit, json_edit, mixed
from fuzz.target import Target
from graticule.decoding.judge.angles import AnswerError
from graticule.decoding.judge.parse import parse_choice, parse_place
from graticule.decoding.judge.wire import read_reply, retry_after_s, told

_TEXTS: Final = (
    '{"lat": 48.85, "lon": 2.35}', '```json\n{"latitude": "48.85° N", "longitude": "2° 21\' 7\\" E",}\n```',
    "The picture shows Paris, at 48.8566° N, 2.3522° E.", "lat: -33, lon: 151", "-33.9,151.2", "(48.85, 2.35)",
    '{"type": "Point", "coordinates": [2.35, 48.85]}', "<think>maybe 1.5, 2.5</think> 48°51′24″N 2°21′8″E", "0, 0",
    '{"choice": 3}', "Candidate 2.", "I can't tell.", '{"answer": {"lat": 1e400, "lon": NaN}}', "33,151", "1-2", "",
    "Latitude between 40 and 50", "[[1.5, 2.5], [3.5, 4.5]]", '{"lat": 95, "lon": 200}',
    "Tue, 01 Jan 2030 00:00:00 GMT",
)  # fmt: skip
_REPLY: Final = {
    "choices": [
        {"message": {"content": '{"lat": 1.5, "lon": 2.5}', "refusal": None}, "finish_reason": "stop"}
    ],
    "usage": {"prompt_tokens": 100, "completion_tokens": 9},
}


@cache
def seeds() -> list[bytes]:
    """Answers good and bad, and replies that hold them."""
    parts = {"choices": [{"message": {"content": [{"type": "text", "text": "48.8, 2.3"}]}}]}
    replies = (_REPLY, parts, {"error": {"message": "overloaded", "type": "x"}})
    return [*(text.encode() for text in _TEXTS), *(json.dumps(reply).encode() for reply in replies)]


def one(data: bytes) -> None:
    """Read it as an answer, as a reply with an answer in it, as an error, and as a header."""
    text = data.decode("utf-8", "replace")
    texts = [text]
    try:
        reply = read_reply(data)
    except AnswerError:
        pass
    else:
        assert isinstance(reply.text, str)
        assert reply.prompt_tokens >= 0
        assert reply.completion_tokens >= 0
        texts.append(reply.text)
    for answer in texts:
        _check(answer)
    said = told(text)
    assert said.isprintable()
    assert len(said) <= 160
    for headers in ({"retry-after": text}, {"retry-after": "Tue, 01 Jan 2030 00:00:00 GMT", "date": text}):
        wait = retry_after_s(headers)
        assert wait >= 0
        assert math.isfinite(wait)


def _check(answer: str) -> None:
    try:
        lat, lon = parse_place(answer)
    except AnswerError as error:
        assert str(error).isprintable()
    else:
        assert abs(lat) <= 90
        assert abs(lon) <= 180
        assert (lat, lon) != (0, 0)
        assert any(letter.isdigit() for letter in answer), "a place out of nothing"
    try:
        assert 0 <= parse_choice(answer, 5) < 5
    except AnswerError as error:
        assert str(error).isprintable()


def edit(data: bytes, chance: Random, seeds: Sequence[bytes]) -> bytes:
    """Change it as JSON or as text; now and then repeat all of it many times."""
    if chance.randrange(30) == 0:
        return (data * (20_000 // (len(data) + 1)))[:20_000]
    return mixed(json_edit, bytes_edit, bytes_edit)(data, chance, seeds)


TARGET = Target(
    name="judge",
    door="decoding.judge.parse.parse_place, parse_choice, decoding.judge.wire.read_reply, told, retry_after_s",
    promise="a place on Earth other than (0, 0), or a candidate that there is, or an AnswerError",
    seeds=seeds,
    one=one,
    edit=edit,
    longest=1 << 15,
)
