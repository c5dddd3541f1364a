"""Clients that ask at once, and what they were told."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from random import Random
from typing import Any

from service.kinds import Kind
from service.wire import Answer, Connection, Request

__all__ = ["BUSY", "Told", "crowded", "mixed"]

BUSY = (429, 503)
"""Statuses that turn a client away for now."""
_EXAMPLES = 3
_PATIENCE_S = 120.0
"""Beyond what a kind lasts: longer than the server gives itself."""
_BREATH_S = 0.1
"""After a failure: a server that is gone would be asked thousands of times a second."""


@dataclass
class Told:
    """What some clients were told.

    Attributes:
        statuses: how often each was, by kind.
        broken: answers other than promised, by kind and what was wrong, with how often.
        seconds: each good request took that was answered.
    """

    statuses: defaultdict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    broken: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    seconds: list[float] = field(default_factory=list)

    def note(self, kind: Kind, request: Request, answer: Answer, promised: Sequence[int]) -> None:
        """Take down an answer."""
        self.statuses[kind.name][answer.status] += 1
        wrong = ""
        if answer.status not in promised:
            said = answer.body[:200].decode(errors="replace")
            wrong = f"{answer.status or 'no answer'} instead of {', '.join(map(str, promised))}: {said}"
        elif answer.status in BUSY and not answer.headers.get("retry-after", "").isdecimal():
            wrong = f"{answer.status} without Retry-After"
        elif answer.status == 200:
            wrong = request.wrong(answer.body)
        if wrong:
            self.broken[kind.name][wrong] += 1
        elif kind.family == "good" and answer.status == 200:
            self.seconds.append(answer.took_s)

    @property
    def asked(self) -> int:
        """Requests."""
        return sum(counted.total() for counted in self.statuses.values())

    @property
    def broken_count(self) -> int:
        """Answers other than promised."""
        return sum(counted.total() for counted in self.broken.values())

    def count(self, *statuses: int) -> int:
        """Answers of some statuses."""
        return sum(counted[status] for counted in self.statuses.values() for status in statuses)

    def latency(self) -> dict[str, float]:
        """Half of the good requests were answered within p50, and all but a hundredth within p99."""
        if len(self.seconds) < 2:
            return {}
        shares = statistics.quantiles(self.seconds, n=100)
        return {"p50_ms": 1000 * shares[49], "p99_ms": 1000 * shares[98], "most_ms": 1000 * max(self.seconds)}

    def failures(self) -> list[dict[str, Any]]:
        """What was broken, by kind, with how often and some of what was said."""
        return [
            {
                "kind": kind,
                "count": counted.total(),
                "said": [wrong for wrong, _ in counted.most_common(_EXAMPLES)],
            }
            for kind, counted in self.broken.items()
        ]


async def mixed(
    port: int, kinds: Sequence[Kind], told: Told, *, clients: int, seconds: float, seed: int
) -> None:
    """Have clients ask, each what chance gives it next, as soon as it was answered; none begins what can't end in time.

    Args:
        port: of the server.
        kinds: of requests.
        told: takes down the answers.
        clients: that ask at once.
        seconds: that they go on for.
        seed: of the chances.
    """
    until = time.monotonic() + seconds
    heavy = asyncio.Semaphore(2)

    async def client(chance: Random, first: list[Kind]) -> None:
        connection = Connection(port)
        while (left := until - time.monotonic()) > 0:
            possible = [kind for kind in kinds if kind.lasts_s < left]
            drawn = chance.choices(possible, [kind.share for kind in possible])[0]
            kind = first.pop() if first and first[-1] in possible else drawn
            request = kind.make(chance)
            # Four that are as large as may be fill what the server holds, and good ones would be turned away.
            async with heavy if kind.heavy else nullcontext():
                answer = await _asked(connection, kind, request)
            told.note(kind, request, answer, kind.promised)
        await connection.close()

    # Every kind is asked once, however rare it is.
    await asyncio.gather(
        *[client(Random(f"{seed} {number}"), list(kinds[number::clients])) for number in range(clients)]
    )


async def crowded(
    port: int, kind: Kind, told: Told, *, addresses: Sequence[str], seconds: float, seed: int
) -> None:
    """Have a client of each address ask, who comes again when it is told to.

    Args:
        port: of the server.
        kind: of all requests, which may also be turned away.
        told: takes down the answers.
        addresses: of loopback, one a client.
        seconds: that they go on for.
        seed: of the chances.
    """
    until = time.monotonic() + seconds

    async def client(chance: Random, address: str) -> None:
        connection = Connection(port, address)
        while time.monotonic() < until:
            request = kind.make(chance)
            answer = await _asked(connection, kind, request)
            told.note(kind, request, answer, (*kind.promised, *BUSY))
            if answer.status in BUSY:
                again = float(answer.headers.get("retry-after", 1)) * chance.uniform(1, 2)
                await asyncio.sleep(min(again, max(0.0, until - time.monotonic())))
        await connection.close()

    await asyncio.gather(
        *[client(Random(f"{seed} {number}"), address) for number, address in enumerate(addresses)]
    )


async def _asked(connection: Connection, kind: Kind, request: Request) -> Answer:
    """An answer, whatever happens."""
    try:
        async with asyncio.timeout(kind.lasts_s + _PATIENCE_S):
            return await connection.ask(request)
    except (OSError, TimeoutError) as error:
        await connection.close()
        await asyncio.sleep(_BREATH_S)
        return Answer(0, body=str(error).encode())
