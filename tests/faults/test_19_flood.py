"""Fault 19: requests that are too large, too slow or too many, against a real server on loopback."""

import asyncio
import http.client
import json
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, nullcontext

import httpx
import pytest

from asking import FORM, connected, form, png
from faults.fault import Fault
from graticule.serving import uploads
from graticule.serving.service import Service
from serving.conftest import StandIn, running

FAULT = Fault(
    number=19,
    fault="oversized upload, chunked without Content-Length, slow client, 10x the allowed concurrency",
    defence="bytes and seconds are counted as they come, and what is over its limit is turned away "
    "(serving/uploads.py, serving/service.py)",
)

ROUTE = "/v1/locate"
ONE = form(("pictures", "a.png", png()))
MOST = 200_000
"""Bytes of a request; four times as many of all requests together."""
AT_ONCE = 4
"""Requests."""


@contextmanager
def served(**limits):
    """A server that answers without a model; `peak` tells the most bytes of uploads it held at a time."""
    stand_in = StandIn()
    with running({"stand-in": stand_in}, limits=limits) as server:
        memory = server.service.memory
        server.stand_in, server.peak, add = stand_in, 0, memory.add

        def watched(count):
            add(count)
            server.peak = max(server.peak, memory.held)

        memory.add = watched
        yield server


def post(url, content):
    with httpx.Client(base_url=url, timeout=60) as client:
        return client.post(ROUTE, content=content, headers=FORM)


def flood(total):
    """A form that goes on and on, sent in chunks without a declared length."""
    yield ONE[:-8] + form(("pictures", "b.png", b""))[:-10]
    for _ in range(total // 10_000):
        yield bytes(10_000)


def check_size(server):
    """Too much, declared or not, is refused while it comes, and no more than the limits is ever held."""
    bodies = [bytes(10 * MOST), form(("pictures", "a.png", bytes(2 * MOST)))] * 3
    with ThreadPoolExecutor(12) as pool:
        sent = [pool.submit(post, server.url, body) for body in bodies]
        sent += [pool.submit(post, server.url, flood(10 * MOST)) for _ in range(6)]
        for one in sent:
            answer = one.result()
            assert answer.status_code in (413, 503), answer.text
            assert answer.status_code == 413 or int(answer.headers["Retry-After"]) > 0
    assert server.peak <= 4 * MOST
    assert server.service.memory.held == 0
    assert post(server.url, ONE).status_code == 200
    return len(sent)


def check_slow(server, patience_s=60):
    """A client that stops in the middle of its body is answered 408, and what it sent is let go."""
    with connected(server.port) as connection:
        connection.settimeout(patience_s)
        head = "".join(f"{name}: {value}\r\n" for name, value in FORM.items())
        connection.sendall(
            f"POST {ROUTE} HTTP/1.1\r\nHost: localhost\r\n{head}Content-Length: 9999\r\n\r\n".encode()
        )
        connection.sendall(ONE[:50])
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert answer.status == 408
        assert json.loads(answer.read())["error"]["type"] == "TooSlow"
    assert server.service.memory.held == 0


def check_crowd(server, status):
    """Of ten times as many requests as are taken, nine tenths are told to come again, and the others answered."""
    server.stand_in.gate.clear()
    queued = server.service.metrics.queued._value
    with ThreadPoolExecutor(10 * AT_ONCE) as pool:
        sent = [pool.submit(post, server.url, ONE) for _ in range(10 * AT_ONCE)]
        while sum(one.done() for one in sent) + queued.get() < len(sent):
            wait(sent, timeout=0.01)
        turned = [one.result() for one in sent if one.done()]
        server.stand_in.gate.set()
        answered = [one.result().status_code for one in sent if one.result() not in turned]
    assert [answer.status_code for answer in turned] == [status] * (9 * AT_ONCE)
    assert all(int(answer.headers["Retry-After"]) > 0 for answer in turned)
    assert answered == [200] * AT_ONCE
    return len(sent)


def test_too_large(record_property):
    with served(request_bytes=MOST) as server:
        record_property("inputs", check_size(server))


def test_too_slow(record_property):
    with served(idle_s=0.2) as server:
        check_slow(server)
        record_property("inputs", 1)


@pytest.mark.parametrize(("limit", "status"), [("requests", 503), ("client_requests", 429)])
def test_too_many(limit, status, record_property):
    with served(**{limit: AT_ONCE}) as server:
        record_property("inputs", check_crowd(server, status))


def test_without_counting_all_of_it_is_held(monkeypatch):
    def uncounted(share, count):
        share._memory.add(count)

    monkeypatch.setattr(uploads._Share, "take", uncounted)
    with served(request_bytes=MOST) as server, pytest.raises(AssertionError):
        check_size(server)


def test_without_the_clock_a_slow_client_is_waited_for(monkeypatch):
    class Timeless:
        """asyncio, but for its time-outs."""

        def __getattr__(self, name):
            return getattr(asyncio, name)

        def timeout(self, seconds):
            return asyncio.timeout(None)

    monkeypatch.setattr(uploads, "asyncio", Timeless())
    with served(idle_s=0.2) as server, pytest.raises(TimeoutError):
        check_slow(server, patience_s=1.5)


def test_without_the_limit_all_of_a_crowd_wait(monkeypatch):
    monkeypatch.setattr(Service, "turn", lambda service, client: nullcontext())
    with served(requests=AT_ONCE) as server, pytest.raises(AssertionError):
        check_crowd(server, 503)
