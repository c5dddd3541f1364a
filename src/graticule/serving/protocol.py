"""uvicorn's HTTP/1.1, for clients that dawdle: it alone would wait for a request's headers for ever."""

from __future__ import annotations

import asyncio
import json

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from graticule.serving.settings import Limits

__all__ = ["patient_protocol"]


def patient_protocol(limits: Limits) -> type[H11Protocol]:
    """A protocol that ends a connection whose headers come too slowly, and bounds how many are open."""

    class Patient(H11Protocol):
        _due: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            if len(self.connections) > limits.connections:
                self._turn_away(503, "Overloaded", "too many connections are open. Try again soon.")
            else:
                self._wait()

        def connection_lost(self, exc: Exception | None) -> None:
            self._wait_no_longer()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self.conn.their_state is not h11.IDLE:
                self._wait_no_longer()
            elif self._due is None:
                self._wait()

        def _wait(self) -> None:
            message = f"the headers took more than {limits.header_s:g} s."
            self._due = self.loop.call_later(limits.header_s, self._turn_away, 408, "TooSlow", message)

        def _wait_no_longer(self) -> None:
            if self._due is not None:
                self._due.cancel()
                self._due = None

        def _turn_away(self, status: int, kind: str, message: str) -> None:
            body = json.dumps({"error": {"type": kind, "message": message}}).encode()
            head = (
                f"HTTP/1.1 {status} {kind}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
                f"Connection: close\r\nRetry-After: 2\r\n\r\n"
            )
            self.transport.write(head.encode() + body)
            self.transport.close()

    return Patient
