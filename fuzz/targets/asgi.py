"""One request to an ASGI application, in process and without a socket."""

from __future__ import annotations

import asyncio
from functools import cache
from typing import Any, NamedTuple

__all__ = ["Answer", "ask", "loop"]

loop = cache(asyncio.new_event_loop)
"""The one that all applications live in."""


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes


def ask(app: Any, method: str, path: str, *, kind: bytes = b"", body: bytes = b"") -> Answer:
    """Send a request, its body in two pieces.

    Args:
        app: the application.
        method: of HTTP.
        path: with its query, if there is one.
        kind: the content type.
        body: of the request.
    """
    target, _, query = path.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": target,
        "raw_path": target.encode("utf-8", "replace"),
        "query_string": query.encode("utf-8", "replace"),
        "root_path": "",
        "headers": [(b"host", b"localhost"), (b"content-type", kind)],
        "client": ("127.0.0.1", 9),
        "server": ("127.0.0.1", 80),
    }
    half = len(body) // 2
    parts = [
        {"type": "http.request", "body": body[:half], "more_body": True},
        {"type": "http.request", "body": body[half:], "more_body": False},
    ]
    sent: list[Any] = []

    async def receive() -> Any:
        return parts.pop(0) if parts else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    loop().run_until_complete(app(scope, receive, send))
    told = b"".join(message.get("body", b"") for message in sent)
    return Answer(sent[0]["status"], dict(sent[0]["headers"]), told)
