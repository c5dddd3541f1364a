"""What a soak asks, by kind, each with the statuses that docs/service.md promises for it.

Where a picture is refused the request is answered all the same: what is said of each picture is held against what is
known of it, so that an answer under load must be the one given in peace.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any, Final, Literal

from graticule.serving.settings import Limits
from service.pictures import Pictures
from service.wire import FORM, Request, form, get, head, post

__all__ = ["REGIONS", "Kind", "Known", "kinds", "plain"]

Family = Literal["good", "bad", "huge", "slow"]
Known = Mapping[tuple[str, str], tuple[float, float]]
"""Estimates in degrees, by a picture's name and the region it was confined to."""

REGIONS: Final = (
    "",
    "Chile",
    "-35, 110, -10, 155",
    "500 km around 48.86, 2.35",
    json.dumps({"type": "Polygon", "coordinates": [[[10, 0], [40, 0], [40, 30], [10, 30], [10, 0]]]}),
)
_APART_DEG: Final = 1e-3
"""The last digits of an estimate depend on what it was batched with."""
_REFUSED: Final = "PictureError"
_GONE: Final = 0


@dataclass(frozen=True)
class Kind:
    """One kind of request.

    Attributes:
        name: of it.
        family: good ones are answered, bad ones refused, huge ones refused early, slow ones waited for or not.
        promised: statuses it may be answered with; 0 where nobody waits for an answer.
        share: of all requests, beside the other kinds' shares.
        make: a request of the kind, from what chance gives.
        lasts_s: longer than moments.
        heavy: fills much of what the server holds of uploads.
    """

    name: str
    family: Family
    promised: tuple[int, ...]
    share: float
    make: Callable[[Random], Request]
    lasts_s: float = 0.0
    heavy: bool = False


def kinds(pictures: Pictures, known: Known, limits: Limits) -> list[Kind]:
    """All kinds.

    Args:
        pictures: that are sent.
        known: what is to be said of them.
        limits: of the server that is asked.
    """
    return [
        *_good(pictures, known),
        *_bad(pictures, known),
        *_huge(pictures, known, limits),
        *_slow(pictures, known, limits),
    ]


def plain(files: Mapping[str, bytes], known: Known | None = None, **fields: str) -> Request:
    """Pictures in one request, with fields of text besides; held against what is known of them, if anything is."""
    sent = post(_body(files, **fields))
    expected = {} if known is None else {name: known.get((name, fields.get("within", ""))) for name in files}
    return _at_once(sent, partial(_wrong, expected) if expected else _nothing)


def _good(pictures: Pictures, known: Known) -> list[Kind]:
    def some(files: Mapping[str, bytes], most: int = 1, **fields: str) -> Callable[[Random], Request]:
        return lambda chance: plain(
            _drawn(chance, files, chance.randint((most + 2) // 3, most)), known, **fields
        )

    def confined(chance: Random) -> Request:
        return plain(_drawn(chance, pictures.small, 1), known, within=chance.choice(REGIONS[1:]))

    def mixed(chance: Random) -> Request:
        files = [*_drawn(chance, pictures.small, 3).items(), *_drawn(chance, pictures.damaged, 1).items()]
        chance.shuffle(files)
        return plain(dict(files), known)

    pages = ["/", "/healthz", "/readyz", "/metrics", "/openapi.json", "/v1/models", "/v1/regions?language=de"]
    return [
        Kind("a small picture", "good", (200,), 20, some(pictures.small)),
        Kind("an estimate alone", "good", (200,), 10, some(pictures.middling, detail="estimate")),
        Kind("up to eight pictures", "good", (200,), 15, some(pictures.small | pictures.middling, 8)),
        Kind("a picture of 12 megapixels", "good", (200,), 2, some(pictures.large)),
        Kind("all for a map", "good", (200,), 6, some(pictures.small, 2, detail="map")),
        Kind("confined to a region", "good", (200,), 10, confined),
        Kind("50 candidates, in German", "good", (200,), 4, some(pictures.small, top_k="50", language="de")),
        Kind("a damaged picture among others", "good", (200,), 5, mixed),
        Kind("another route", "good", (200,), 4, lambda chance: _at_once(get(chance.choice(pages)))),
    ]


def _bad(pictures: Pictures, known: Known) -> list[Kind]:
    one = _drawn(Random(0), pictures.small, 1)

    def any_of(*requests: bytes) -> Callable[[Random], Request]:
        return lambda chance: _at_once(chance.choice(requests))

    def fields(**values: str) -> bytes:
        return post(_body(one, **values))

    wrong = [
        fields(top_k="0"),
        fields(top_k="many"),
        fields(detail="all"),
        fields(language="tlh"),
        fields(x="1"),
    ]
    nowhere = ["Atlantis", "{", '{"type": "Point"}', "91, 0, 92, 1", "NaN, 0, 1, 1", "/etc/passwd", " "]
    broken = [post(b"--x"), post(_body(one)[:-9]), post(_body(one), {"Content-Type": "multipart/form-data"})]
    foreign = [{"Origin": "https://example.org"}, {"Host": "example.org"}, {"Sec-Fetch-Site": "cross-site"}]
    foreign[2]["Sec-Fetch-Mode"] = "no-cors"
    return [
        Kind(
            "what is no picture",
            "bad",
            (200,),
            8,
            lambda chance: plain(_drawn(chance, pictures.damaged, 1), known),
        ),
        Kind("wrong values, unknown fields", "bad", (422,), 4, any_of(*wrong)),
        Kind("no picture at all", "bad", (422,), 1, any_of(post(form([("top_k", None, b"3")])))),
        Kind("a region that is none", "bad", (422,), 3, any_of(*[fields(within=words) for words in nowhere])),
        Kind("a model that is not served", "bad", (404,), 1, any_of(fields(model="../../etc"))),
        Kind("a wrong method", "bad", (405,), 1, any_of(get("/v1/locate"), get("/v1/locate", "DELETE"))),
        Kind("a route that is none", "bad", (404,), 1, any_of(get("/v2/"), get("/assets/../../app.py"))),
        Kind("no form", "bad", (415,), 1, any_of(post(b"{}", {"Content-Type": "application/json"}))),
        Kind("a malformed form", "bad", (400,), 2, any_of(*broken)),
        Kind(
            "a stranger's page",
            "bad",
            (403,),
            2,
            any_of(*[post(_body(one), FORM | more) for more in foreign]),
        ),
        Kind("no HTTP", "bad", (400,), 1, any_of(b"\x16\x03\x01\x02\x00\r\n\r\n", b"GET\r\n\r\n")),
    ]


def _huge(pictures: Pictures, known: Known, limits: Limits) -> list[Kind]:
    one = _drawn(Random(1), pictures.small, 1)
    name, data = next(iter(one.items()))
    begun = form([("pictures", name, data)]).rsplit(b"\r\n--", 1)[0]
    block = bytes(1 << 20)
    blocks = limits.request_bytes // len(block) + 1

    def declared() -> Iterator[bytes]:
        yield head("POST", "/v1/locate", FORM | {"Content-Length": str(blocks * len(block))})
        yield from (block for _ in range(blocks))

    def chunked() -> Iterator[bytes]:
        yield head("POST", "/v1/locate", FORM | {"Transfer-Encoding": "chunked"})
        for chunk in (begun, *(block for _ in range(blocks))):
            yield b"%x\r\n%b\r\n" % (len(chunk), chunk)
        yield b"0\r\n\r\n"

    corners = [[step % 360 - 180, step % 170 - 85] for step in range(limits.geojson_positions + 1)]
    rough = json.dumps({"type": "MultiPoint", "coordinates": corners})
    many = form([("pictures", f"{number}.png", data[:100]) for number in range(limits.pictures + 1)])
    crowded = [
        many,
        form([("pictures", name, data), *[("top_k", None, b"5")] * 65]),
        form([("pictures", name, data), ("model", None, bytes(2000))]),
        form([("pictures", name, data), ("within", None, b"{" + bytes(limits.geojson_bytes))]),
    ]
    long = get("/", headers={"X-Long": "x" * (1 << 20)})
    return [
        Kind("over the bytes, as declared", "huge", (413,), 0.2, lambda _: Request(declared), heavy=True),
        Kind("over the bytes, undeclared", "huge", (413,), 0.2, lambda _: Request(chunked), heavy=True),
        Kind(
            "more pixels than allowed", "huge", (200,), 1, lambda _: plain(_only(pictures, "bomb.png"), known)
        ),
        Kind(
            "too many or too long parts",
            "huge",
            (413,),
            2,
            lambda chance: _at_once(post(chance.choice(crowded))),
        ),
        Kind("too many corners", "huge", (422,), 1, lambda _: plain(one, within=rough)),
        Kind("too many regions", "huge", (422,), 0.5, lambda _: _regions(one, limits.regions + 1)),
        Kind("headers too long", "huge", (400,), 0.5, lambda _: _at_once(long)),
    ]


def _slow(pictures: Pictures, known: Known, limits: Limits) -> list[Kind]:
    one = _drawn(Random(2), pictures.small, 1)
    some = _drawn(Random(3), pictures.small, 3)
    whole = plain(one, known)
    sent = b"".join(whole.pieces())
    half, step = len(sent) // 2, max(1, len(sent) // 20)
    patience = min(limits.idle_s, limits.header_s)

    def dripped_headers(_: Random) -> Request:
        begin = head("POST", "/v1/locate", FORM)[:-2]
        drops = [begin, *[f"X-{number}: x\r\n".encode() for number in range(30)]]
        return Request(lambda: iter(drops), limits.header_s / 12, fresh=True)

    def dripped(_: Random) -> Request:
        drops = [sent[at : at + step] for at in range(0, len(sent), step)]
        return Request(lambda: iter(drops), patience / 50, wrong=whole.wrong)

    def forever(_: Random) -> Request:
        count = int(limits.receive_s / patience * 2) + 20
        drops = [sent[:half], *[sent[half + at : half + at + 1] for at in range(count)]]
        return Request(lambda: iter(drops), patience / 2)

    def slowly_read(_: Random) -> Request:
        asked = plain(some, known, detail="map")
        return Request(asked.pieces, read_pause_s=patience / 50, wrong=asked.wrong)

    def leaving(request: bytes) -> Callable[[Random], Request]:
        return lambda chance: Request(lambda: iter([request[: chance.randint(1, len(request))]]), leaves=True)

    return [
        Kind("headers that drip", "slow", (408,), 0.3, dripped_headers, limits.header_s),
        Kind("a body that stops", "slow", (408,), 0.3, lambda _: _at_once(sent[:half]), limits.idle_s),
        Kind("a body that drips for ever", "slow", (408,), 0.02, forever, limits.receive_s),
        Kind(
            "a connection and no word",
            "slow",
            (408,),
            0.2,
            lambda _: Request(lambda: iter([b""]), fresh=True),
            limits.header_s,
        ),
        Kind("a body that drips, and ends", "slow", (200,), 0.4, dripped, patience / 2),
        Kind("an answer read slowly", "slow", (200,), 0.4, slowly_read, patience / 2),
        Kind("gone in the middle", "slow", (_GONE,), 1.5, leaving(sent)),
        Kind("gone before the answer", "slow", (_GONE,), 1.5, lambda _: Request(whole.pieces, leaves=True)),
    ]


def _body(files: Mapping[str, bytes], **fields: str) -> bytes:
    texts = [(name, None, value.encode()) for name, value in fields.items()]
    return form([*[("pictures", name, data) for name, data in files.items()], *texts])


def _regions(files: Mapping[str, bytes], count: int) -> Request:
    texts = [("within", None, b"Chile")] * count
    return _at_once(post(form([*[("pictures", name, data) for name, data in files.items()], *texts])))


def _at_once(sent: bytes, wrong: Callable[[bytes], str] | None = None) -> Request:
    return Request(lambda: iter([sent]), wrong=wrong or _nothing)


def _drawn(chance: Random, files: Mapping[str, bytes], count: int) -> dict[str, bytes]:
    return {name: files[name] for name in chance.sample(sorted(files), count)}


def _only(pictures: Pictures, name: str) -> dict[str, bytes]:
    return {name: pictures.damaged[name]}


def _nothing(body: bytes) -> str:
    return ""


def _wrong(expected: Mapping[str, tuple[float, float] | None], body: bytes) -> str:
    """What an answer says that it should not, about pictures whose estimates are known; None are refused."""
    results: Sequence[dict[str, Any]] = json.loads(body)["results"]
    if [result["path"] for result in results] != list(expected):
        return f"results for {[result['path'] for result in results]}, asked for {list(expected)}"
    for result, point in zip(results, expected.values(), strict=True):
        if point is None:
            if result.get("error", {}).get("type") != _REFUSED:
                return f"{result['path']}: was not refused"
        elif "error" in result:
            return f"{result['path']}: {result['error']['message']}"
        elif max(abs(result["latitude"] - point[0]), abs(result["longitude"] - point[1])) > _APART_DEG:
            return f"{result['path']}: {result['latitude']}, {result['longitude']} instead of {point}"
    return ""
