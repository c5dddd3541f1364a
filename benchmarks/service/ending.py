"""How a server ends, and what it says once it is started again."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import Mapping
from typing import Any

from service.kinds import REGIONS, Known, plain
from service.server import Server
from service.wire import Connection, Request, get

__all__ = ["drained", "known_of", "said"]

_PATIENCE_S = 10.0


async def said(
    port: int, small: Mapping[str, bytes], others: Mapping[str, bytes]
) -> dict[tuple[str, str], bytes]:
    """Answers to a fixed set of requests, one after the other: small pictures in every region, the others in none."""
    connection = Connection(port)
    answers = {}
    for name, data in (small | others).items():
        for region in REGIONS if name in small else REGIONS[:1]:
            within = {"within": region} if region else {}
            answer = await connection.ask(plain({name: data}, detail="map", **within))
            answers[name, region] = answer.body
    await connection.close()
    return answers


def known_of(answers: Mapping[tuple[str, str], bytes]) -> Known:
    """The estimates in such answers.

    Raises:
        SystemExit: One holds none.
    """
    known = {}
    for asked, body in answers.items():
        try:
            result = json.loads(body)["results"][0]
            known[asked] = result["latitude"], result["longitude"]
        except (ValueError, KeyError) as error:
            raise SystemExit(
                f"{asked}: no estimate even in peace: {body.decode(errors='replace')}"
            ) from error
    return known


async def drained(server: Server, request: Request, *, begun: int) -> dict[str, Any]:
    """Have a server told to stop while it receives requests, one of which never ends.

    Args:
        server: that runs.
        request: sound, and sent as one piece.
        begun: how many there are that do end.
    """
    sent = b"".join(request.pieces())
    half = len(sent) // 2
    told = asyncio.Event()

    async def asked(*, ends: bool) -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(sent[:half])
        await writer.drain()
        await told.wait()
        if ends:
            writer.write(sent[half:])
        line = await reader.readline()
        body = (await reader.read()).partition(b"\r\n\r\n")[2] if ends else b""
        writer.close()
        status = int(line.split()[1]) if line else 0
        return 0 if ends and status == 200 and request.wrong(body) else status

    waiting = [asyncio.create_task(asked(ends=True)) for _ in range(begun)]
    waiting.append(asyncio.create_task(asked(ends=False)))
    await _in_progress(server.port, begun + 1)
    start = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    refused = await _refuses(server.port)
    told.set()
    *answered, unfinished = await asyncio.gather(*waiting)
    code = await asyncio.to_thread(server.process.wait)
    return {
        "begun": begun,
        "answered": answered.count(200),
        "unfinished_status": unfinished,
        "new_refused": refused,
        "exit_code": code,
        "took_s": time.monotonic() - start,
    }


async def _in_progress(port: int, count: int) -> None:
    """Returns once a server has so many requests in progress.

    Raises:
        TimeoutError: It never has.
    """
    connection = Connection(port)
    async with asyncio.timeout(_PATIENCE_S):
        while True:
            metrics = await connection.ask(Request(lambda: iter([get("/metrics")])))
            if f"\ngraticule_requests_in_progress {count}.0\n" in metrics.body.decode():
                break
            await asyncio.sleep(0.02)
    await connection.close()


async def _refuses(port: int) -> bool:
    """Whether a server takes no more connections, before long."""
    until = time.monotonic() + _PATIENCE_S
    while time.monotonic() < until:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionError:
            return True
        writer.close()
        await asyncio.sleep(0.02)
    return False
