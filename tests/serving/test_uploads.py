"""Bodies that are wrong, too large or too slow: answered by a status, and nothing of them is kept."""

import http.client
import json
import threading

import httpx
import pytest

from asking import FORM, connected, everything, form, png
from serving.conftest import running

ROUTE = "/v1/locate"
HEAD = "POST /v1/locate HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=xx\r\n"


@pytest.fixture(scope="module")
def small():
    """A server that takes little, and answers without a model."""
    from serving.conftest import StandIn

    limits = {
        "pictures": 3,
        "request_bytes": 20_000,
        "idle_s": 0.5,
        "receive_s": 2,
        "header_s": 0.5,
        "pixels": 100,
    }
    with running({"stand-in": StandIn()}, limits=limits) as started:
        yield started


@pytest.fixture
def post(small):
    with httpx.Client(base_url=small.url, timeout=60) as client:
        yield lambda body, **headers: client.post(ROUTE, content=body, headers=FORM | headers)
    assert small.service.memory.held == 0


def said(response):
    return response.status_code, response.json()["error"]["type"], response.json()["error"]["message"]


def chunks(body, size=1000):
    yield from (body[start : start + size] for start in range(0, len(body), size))


def test_a_form_in_pieces_is_read_as_one(post):
    body = form(("pictures", "a.png", png()), ("top_k", None, b"2"), ("pictures", "b.png", png()))
    for pieces in (body, chunks(body, 1), chunks(body, 7)):
        told = post(pieces).json()["results"]
        assert [one["path"] for one in told] == ["a.png", "b.png"]
        assert [len(one["candidates"]) for one in told] == [2, 2]


@pytest.mark.parametrize("pieces", [bytes, chunks])
def test_a_body_too_large_is_refused_whether_its_length_is_declared_or_not(post, pieces):
    status, kind, message = said(post(pieces(form(("pictures", "a.png", bytes(30_000))))))
    assert (status, kind) == (413, "TooLarge")
    assert "20,000 bytes" in message


def test_too_many_pictures(post):
    status, _, message = said(post(form(*[("pictures", "a.png", png())] * 4)))
    assert status == 413
    assert "more than 3 pictures" in message


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ([("model", None, b"x" * 2000)], "model: larger than 1,000 bytes"),
        ([("x", None, b"")] * 65, "more than 64 fields"),
    ],
)
def test_fields_too_large_or_too_many(post, parts, words):
    status, _, message = said(post(form(*parts)))
    assert status == 413
    assert words in message


def test_a_picture_that_declares_too_many_pixels_is_refused_alone(post):
    told = post(form(("pictures", "large.png", png(11)), ("pictures", "small.png", png(10)))).json()[
        "results"
    ]
    assert "11 x 11 pixels" in told[0]["error"]["message"]
    assert "latitude" in told[1]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (form(("pictures", "a.png", png()))[:-4], "cut short"),
        (form(("pictures", "a.png", png()))[:30], "cut short"),
        (b"", "cut short"),
        (b"no form at all", "malformed"),
        (b"--xx\r\n\r\nno headers\r\n--xx--\r\n", "has no name"),
        (b'--xx\r\nContent-Disposition: form-data; filename="a"\r\n\r\n\r\n--xx--\r\n', "has no name"),
        (b"--xx\r\nContent-Disposition: attachment; name=pictures\r\n\r\n\r\n--xx--\r\n", "has no name"),
        (b"--xx\r\n" + b"X: y\r\n" * 100 + b"\r\n\r\n--xx--\r\n", "malformed"),
        (b"--xx\r\nX: " + b"y" * 10_000, "malformed"),
        (form(("model", None, b"\xff\xfe")), "not UTF-8"),
    ],
)
def test_a_malformed_form(post, body, words):
    status, kind, message = said(post(body))
    assert (status, kind) == (400, "BadRequest")
    assert words in message


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("application/json", 415),
        ("text/plain", 415),
        ("", 415),
        ("multipart/form-data", 400),
        ("multipart/form-data; boundary=" + "x" * 300, 400),
    ],
)
def test_what_is_no_form(post, kind, status):
    assert said(post(form(("pictures", "a.png", png())), **{"Content-Type": kind}))[0] == status


@pytest.mark.parametrize("sent", ["", "POST /v1/loc", HEAD])
def test_headers_too_slow(small, sent):
    with connected(small.port) as connection:
        connection.sendall(sent.encode())
        answer = everything(connection)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"the headers took more than 0.5 s" in answer


def test_a_body_that_pauses(small):
    with connected(small.port) as connection:
        connection.sendall(HEAD.encode() + b"Content-Length: 1000\r\n\r\n--xx\r\n")
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert answer.status == 408
        assert json.loads(answer.read())["error"]["type"] == "TooSlow"
        assert answer.headers["Connection"] == "close"
    assert small.service.memory.held == 0


def test_a_body_that_trickles(small):
    """It never pauses for long, and yet never ends."""
    done = threading.Event()
    with connected(small.port) as connection:
        connection.sendall(HEAD.encode() + b"Content-Length: 10000\r\n\r\n--xx\r\n")

        def trickle():
            while not done.wait(0.1):
                connection.sendall(b"X")

        feeding = threading.Thread(target=trickle)
        feeding.start()
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        done.set()
        feeding.join()
    assert answer.status == 408


def test_a_client_that_leaves_midway_leaves_nothing(small):
    with connected(small.port) as connection:
        connection.sendall(HEAD.encode() + b"Content-Length: 1000\r\n\r\n--xx\r\n")
    with httpx.Client(base_url=small.url, timeout=60) as client:
        body = form(("pictures", "a.png", png()))
        assert client.post(ROUTE, content=body, headers=FORM).status_code == 200
    assert small.service.memory.held == 0


def test_a_client_that_only_sends_hears_of_the_refusal(small):
    """The body is ten times what is taken, and sent to its end before the answer is read."""
    with connected(small.port) as connection:
        body = form(("pictures", "a.png", bytes(200_000)))
        connection.sendall(HEAD.encode() + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
        answer = everything(connection)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert answer.endswith(b"}}")


def test_uploads_of_all_requests_are_bounded_together(small):
    """Four bodies of the largest size are held at a time, and no byte more."""
    with httpx.Client(base_url=small.url, timeout=60) as client:
        small.service.memory.add(79_000)
        try:
            refused = client.post(ROUTE, content=form(("pictures", "a.png", bytes(5000))), headers=FORM)
        finally:
            small.service.memory.add(-79_000)
        assert refused.status_code == 503
        assert refused.headers["Retry-After"]
        assert client.post(ROUTE, content=form(("pictures", "a.png", png())), headers=FORM).status_code == 200
