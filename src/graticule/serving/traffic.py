"""How requests come and go: bodies that are not read to their end, the log, and what is counted."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from graticule.serving.metrics import Metrics
from graticule.serving.problems import problem

__all__ = ["Linger", "Observe"]

_LINGER_S: Final = 5.0
_LINGER_BYTES: Final = 1 << 30

_log = logging.getLogger("graticule.access")


class Linger:
    """Lets a client that is still sending hear why it was turned away.

    A connection that is closed with bytes unread is reset, and then the answer may never be seen. So the answer goes
    out at once, what still comes is thrown away for some seconds, and only then the connection is closed.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = Headers(scope=scope) if scope["type"] == "http" else Headers()
        unread = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
        if not unread:
            await self._app(scope, receive, send)
            return

        async def watched() -> Message:
            nonlocal unread
            message = await receive()
            unread = unread and message.get("more_body", False)
            return message

        async def patient(message: Message) -> None:
            if message["type"] == "http.response.start" and unread:
                MutableHeaders(scope=message)["Connection"] = "close"
            if message["type"] == "http.response.body" and unread and not message.get("more_body"):
                await send({**message, "more_body": True})
                await _throw_away(watched)
                message = {"type": "http.response.body"}
            await send(message)

        await self._app(scope, watched, patient)


async def _throw_away(receive: Receive) -> None:
    """Read the rest of a body, within reason."""
    left = _LINGER_BYTES
    with suppress(TimeoutError):
        async with asyncio.timeout(_LINGER_S):
            more = True
            while more and left > 0:
                message = await receive()
                left -= len(message.get("body", b""))
                more = message.get("more_body", False)


class Observe:
    """Counts and logs requests, by route: a path may hold what is nobody's business."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        """Watch an application, and tell the metrics."""
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = time.perf_counter()
        status = 0

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except asyncio.CancelledError:  # the time is up that requests are given when the server is stopped
            if not status:
                await problem(503, "the server was stopped before the answer was there.")(
                    scope, receive, noted
                )
        finally:
            took = time.perf_counter() - start
            route = _route(scope)
            self._metrics.requests.labels(route, str(status)).inc()
            self._metrics.request_s.labels(route).observe(took)
            if status >= 400:
                self._metrics.refusals.labels(str(status)).inc()
            _log.info("%s %s %d %.0f ms", scope["method"], route, status, 1000 * took)


def _route(scope: Scope) -> str:
    """The route that took a request, such as `/v1/review/{index}`."""
    return getattr(scope.get("route"), "path", None) or "other"
