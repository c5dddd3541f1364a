"""Requests byte by byte: what no HTTP library would send, at whatever pace, and what comes back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

__all__ = ["BOUNDARY", "FORM", "Answer", "Connection", "Request", "form", "get", "head", "post"]

BOUNDARY = "a-boundary-that-no-picture-holds"
FORM = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
_STALE_S = 1.0
"""A connection that was idle for longer may be closed by the server as the next request sets out."""
_PIECE_BYTES = 16 << 10


@dataclass(frozen=True)
class Answer:
    """What a server said; `status` 0 if the connection ended without a word."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    took_s: float = 0.0


@dataclass(frozen=True)
class Request:
    """What a client sends, and how it behaves meanwhile.

    Attributes:
        pieces: the bytes from the method on, made anew for each sending.
        pause_s: before each piece but the first.
        fresh: on a connection of its own.
        leaves: without waiting for an answer, once all pieces are sent.
        read_pause_s: between the pieces of the answer that are read.
        wrong: says what is wrong with the body of an answer; nothing if it is right.
    """

    pieces: Callable[[], Iterator[bytes]]
    pause_s: float = 0.0
    fresh: bool = False
    leaves: bool = False
    read_pause_s: float = 0.0
    wrong: Callable[[bytes], str] = lambda body: ""


class Connection:
    """A client's connection to a server on this machine, opened when it is needed and kept while it is good."""

    def __init__(self, port: int, address: str = "127.0.0.1") -> None:
        """Set it up.

        Args:
            port: of the server.
            address: of loopback, that the client has.
        """
        self._port = port
        self._address = address
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._used = 0.0

    async def ask(self, request: Request) -> Answer:
        """Send a request, and have its answer; a client that leaves hears 0."""
        if request.fresh or self._streams is None or time.monotonic() - self._used > _STALE_S:
            await self.close()
            self._streams = await asyncio.open_connection(
                "127.0.0.1", self._port, local_addr=(self._address, 0), limit=_PIECE_BYTES
            )
        reader, writer = self._streams
        start = time.perf_counter()
        sending = asyncio.create_task(_send(writer, request))
        try:
            if request.leaves:
                await sending
                writer.transport.abort()
                self._streams = None
                return Answer(0)
            status, headers, body = await _answer(reader, request.read_pause_s)
        except (asyncio.IncompleteReadError, ConnectionError):
            await self.close()
            return Answer(0, took_s=time.perf_counter() - start)
        finally:
            # An answer may come early, to a request that is refused.
            unsent = not sending.done()
            sending.cancel()
            with suppress(asyncio.CancelledError, ConnectionError):
                await sending
        if unsent:
            writer.transport.abort()
        if unsent or headers.get("connection") == "close":
            await self.close()
        self._used = time.monotonic()
        return Answer(status, headers, body, time.perf_counter() - start)

    async def close(self) -> None:
        """End it."""
        if self._streams is not None:
            writer, self._streams = self._streams[1], None
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


async def _send(writer: asyncio.StreamWriter, request: Request) -> None:
    for number, piece in enumerate(request.pieces()):
        if number and request.pause_s:
            await asyncio.sleep(request.pause_s)
        writer.write(piece)
        await writer.drain()


async def _answer(reader: asyncio.StreamReader, pause_s: float) -> tuple[int, dict[str, str], bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
    status = int(head[0].split(" ", 2)[1])
    if "content-length" not in headers:
        return status, headers, await reader.read()
    body = b""
    left = int(headers["content-length"])
    while left:
        if pause_s:
            await asyncio.sleep(pause_s)
        piece = await reader.readexactly(min(left, _PIECE_BYTES) if pause_s else left)
        body += piece
        left -= len(piece)
    return status, headers, body


def form(parts: Iterable[tuple[str, str | None, bytes]]) -> bytes:
    """The body of a form: each part is its name, its file's name if it is a file, and its bytes."""
    body = bytearray()
    for name, filename, data in parts:
        file = "" if filename is None else f'; filename="{filename}"'
        body += f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode()
        body += data + b"\r\n"
    return bytes(body) + f"--{BOUNDARY}--\r\n".encode()


def head(method: str, path: str, headers: Mapping[str, str]) -> bytes:
    """A request's line and headers."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in ({"Host": "127.0.0.1"} | dict(headers)).items())
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode("latin-1")


def get(path: str, method: str = "GET", headers: Mapping[str, str] | None = None) -> bytes:
    """A request without a body."""
    return head(method, path, headers or {})


def post(body: bytes, headers: Mapping[str, str] = FORM, path: str = "/v1/locate") -> bytes:
    """A request with one."""
    return head("POST", path, {**headers, "Content-Length": str(len(body))}) + body
