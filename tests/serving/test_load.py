"""More than a server takes: some are turned away at once and told to come again, and the others are answered."""

import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from asking import FORM, connected, everything, form, png
from serving.conftest import running

ROUTE = "/v1/locate"
ONE = form(("pictures", "a.png", png()))
FOUR = form(*[("pictures", "a.png", png())] * 4)


def post(url, body=ONE):
    with httpx.Client(base_url=url, timeout=60) as client:
        return client.post(ROUTE, content=body, headers=FORM)


def waiting(service, pictures):
    """Returns once so many pictures wait for an answer."""
    while service.metrics.queued._value.get() < pictures:
        pass


def closed(port):
    """Returns once a server takes no more connections."""
    while True:
        try:
            connected(port).close()
        except ConnectionError:
            return


def turned_away(response, status):
    assert response.status_code == status
    assert int(response.headers["Retry-After"]) > 0
    return response.json()["error"]["message"]


@pytest.mark.parametrize(
    ("limits", "status", "words"),
    [
        ({"client_requests": 2}, 429, "this client has 2 requests"),
        ({"requests": 2}, 503, "busy with others"),
        ({"queued": 8}, 503, "busy with others"),
        ({"queued": 9}, 503, "too many pictures wait"),
    ],
)
def test_what_is_too_much_is_turned_away_and_the_rest_answered(stand_in, limits, status, words):
    with running({"stand-in": stand_in}, limits=limits) as server, ThreadPoolExecutor(2) as pool:
        stand_in.gate.clear()
        held = [pool.submit(post, server.url, FOUR) for _ in range(2)]
        waiting(server.service, 8)
        assert words in turned_away(post(server.url, FOUR), status)
        stand_in.gate.set()
        assert [one.result(60).status_code for one in held] == [200, 200]
        assert post(server.url).status_code == 200


def test_an_answer_that_takes_too_long_is_called_off(stand_in):
    with running({"stand-in": stand_in}, limits={"answer_s": 0.3}) as server:
        stand_in.gate.clear()
        assert "no answer within 0.3 s" in turned_away(post(server.url), 503)
        stand_in.gate.set()
        assert post(server.url).status_code == 200


def test_a_fault_is_a_500_that_tells_nothing(stand_in):
    def broken(*_, **__):
        raise RuntimeError("/home/someone/secret")

    with running({"stand-in": stand_in}) as server:
        stand_in.pixels = broken
        response = post(server.url)
        assert response.status_code == 500
        assert response.json()["error"]["type"] == "InternalError"
        assert "secret" not in response.text
        assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_an_error_of_the_model_is_told(stand_in):
    with running({"stand-in": stand_in}) as server:
        response = post(server.url, form(("pictures", "fault.png", png())))
        assert response.status_code == 422
        assert response.json()["error"] == {"type": "PictureError", "message": "made to fail"}


def test_to_turn_a_crowd_away_takes_no_threads(stand_in):
    before = set(threading.enumerate())
    with (
        running({"stand-in": stand_in}, limits={"client_requests": 1}) as server,
        ThreadPoolExecutor(8) as pool,
    ):
        stand_in.gate.clear()
        held = pool.submit(post, server.url)
        waiting(server.service, 1)
        for turned in list(pool.map(lambda _: post(server.url), range(32))):
            turned_away(turned, 429)
        taken = {thread.name for thread in set(threading.enumerate()) - before}
        stand_in.gate.set()
        assert held.result(60).status_code == 200
    assert not [name for name in taken if "AnyIO" in name]


def test_connections_are_bounded(stand_in):
    with (
        running({"stand-in": stand_in}, limits={"connections": 2}) as server,
        connected(server.port),
        connected(server.port),
        connected(server.port) as third,
    ):
        assert everything(third).startswith(b"HTTP/1.1 503 ")


def test_one_connection_too_many_hears_so_even_while_it_sends(stand_in):
    with (
        running({"stand-in": stand_in}, limits={"connections": 1}) as server,
        connected(server.port),
        connected(server.port) as second,
    ):
        second.sendall(b"POST /v1/locate HTTP/1.1\r\nContent-Length: 999999\r\n\r\n" + bytes(999_999))
        answer = everything(second)
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"Retry-After: 2" in answer


@pytest.mark.parametrize(
    "sent", [b"GET / HTTP/1.1\r\nX: " + b"x" * (1 << 20), b"\x16\x03\x01\r\n\r\n" + bytes(1 << 20)]
)
def test_what_is_no_http_is_told_so_even_while_it_is_sent(stand_in, sent):
    with running({"stand-in": stand_in}) as server, connected(server.port) as connection:
        connection.sendall(sent)
        assert everything(connection).startswith(b"HTTP/1.1 400 ")


def test_requests_before_the_model_is_warm_wait_for_it(stand_in):
    stand_in.gate.clear()
    with (
        running({"stand-in": stand_in}) as server,
        ThreadPoolExecutor(1) as pool,
        httpx.Client(base_url=server.url, timeout=60) as client,
    ):
        assert client.get("/healthz").json() == {"status": "ok"}
        assert client.get("/readyz").status_code == 503
        early = pool.submit(post, server.url)
        waiting(server.service, 1)
        stand_in.gate.set()
        assert early.result(60).status_code == 200
        assert client.get("/readyz").json() == {"status": "ready"}


def test_a_server_that_is_stopped_answers_what_it_has_taken(stand_in):
    stand_in.gate.clear()
    with ThreadPoolExecutor(2) as pool:
        with running({"stand-in": stand_in}) as server:
            held = pool.submit(post, server.url)
            waiting(server.service, 1)
            pool.submit(lambda: (closed(server.port), stand_in.gate.set()))
        assert held.result(60).status_code == 200


def test_a_server_does_not_wait_for_ever(stand_in):
    stand_in.gate.clear()
    with ThreadPoolExecutor(1) as pool:
        with running({"stand-in": stand_in}, limits={"drain_s": 0.5}) as server:
            held = pool.submit(post, server.url)
            held.add_done_callback(lambda _: stand_in.gate.set())
            waiting(server.service, 1)
        assert "the server was stopped" in turned_away(held.result(60), 503)
