"""uvicorn's HTTP/1.1, for clients that dawdle: it alone would wait for a request's headers for ever."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from graticule.serving.settings import Limits

__all__ = ["patient_protocol"]

_LINGER_S: Final = 2.0


def patient_protocol(limits: Limits) -> type[H11Protocol]:
    """A protocol that ends a connection whose headers come too slowly, and bounds how many are open."""

    class Patient(H11Protocol):
        _due: asyncio.TimerHandle | None = None
        _seen_off = False

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            if len(self.connections) > limits.connections:
                self._see_off(503, "Overloaded", "too many connections are open. Try again soon.")
            else:
                self._wait()

        def connection_lost(self, exc: Exception | None) -> None:
            self._wait_no_longer()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            if self._seen_off:
                return
            super().data_received(data)
            if self.conn.their_state is not h11.IDLE:
                self._wait_no_longer()
            elif self._due is None:
                self._wait()

        def send_400_response(self, msg: str) -> None:
            if self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete:
                self.transport.close()  # in the middle of an answer another can't begin
            else:
                self._see_off(400, "BadRequest", "the request is no HTTP/1.1, or its headers are too long.")

        def _wait(self) -> None:
            message = f"the headers took more than {limits.header_s:g} s."
            self._due = self.loop.call_later(limits.header_s, self._see_off, 408, "TooSlow", message)

        def _wait_no_longer(self) -> None:
            if self._due is not None:
                self._due.cancel()
                self._due = None

        def _see_off(self, status: int, kind: str, message: str) -> None:
            """Answer, and close the connection once the client had time to hear it.

            One that is closed with bytes unread is reset, and then the answer may never be seen.
            """
            self._wait_no_longer()
            self._seen_off = True
            body = json.dumps({"error": {"type": kind, "message": message}}).encode()
            again = "Retry-After: 2\r\n" if status == 503 else ""
            head = (
                f"HTTP/1.1 {status} {kind}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
                f"Connection: close\r\n{again}\r\n"
            )
            self.transport.write(head.encode() + body)
            with suppress(OSError):  # it may be gone already
                self.transport.write_eof()
            # A flood is not waited for: what lingers is open too.
            lingers = len(self.connections) <= 2 * limits.connections
            self._due = self.loop.call_later(_LINGER_S if lingers else 0.0, self.transport.close)

    return Patient
