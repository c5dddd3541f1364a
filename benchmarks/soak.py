"""What the service keeps of its promises under 16 clients for ten minutes, whatever they send.

    python benchmarks/soak.py --seconds 600 --clients 16 --output benchmarks/results/soak.json

`graticule serve` runs as a process of its own. Its clients ask what is good, bad, huge or slow (`service/kinds.py`),
each next request drawn by seeded chance. Then a crowd of ten times as many as one client may have in progress asks at
once, first from one address and then from ten. At last the server is told to stop while it is asked, and started again.

Every promise gets a verdict, in the terminal and in the results; one that is broken makes the exit status 1. Needs
Linux, which tells what a process takes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

from graticule.serving.settings import Limits
from service.crowd import BUSY, Told, crowded, mixed
from service.ending import drained, known_of, said
from service.kinds import Kind, kinds, plain
from service.pictures import Pictures
from service.promises import verdicts
from service.server import SERVE, Server, served
from service.watch import Sample, Watch, look

BEGUN = 8
"""Requests under way when the server is told to stop."""
PROGRESS_S = 15.0
SETTLING_S = 30.0
"""What the server is given to let go of clients that are gone: longer than it waits for any of them."""


@dataclass(frozen=True)
class Soak:
    """What is done.

    Attributes:
        model: that answers.
        clients: that ask at once.
        seconds: of the mix.
        crowd_seconds: of each crowd.
        views: of the examples that pictures are made of.
        seed: of all chances.
        limits: of the server.
        command: that starts it.
    """

    model: str = "orbit"
    clients: int = 16
    seconds: float = 600.0
    crowd_seconds: float = 20.0
    views: int = 12
    seed: int = 0
    limits: Limits = field(default_factory=Limits)
    command: Sequence[str] = SERVE


def main() -> None:
    """Soak, print, and write the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default=Soak.model)
    parser.add_argument("--clients", type=int, default=Soak.clients)
    parser.add_argument("--seconds", type=float, default=Soak.seconds)
    parser.add_argument("--crowd-seconds", type=float, default=Soak.crowd_seconds)
    parser.add_argument("--seed", type=int, default=Soak.seed)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "soak.json")
    options = parser.parse_args()
    soak = Soak(options.model, options.clients, options.seconds, options.crowd_seconds, seed=options.seed)
    figures = soaked(soak)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(figures, indent=2) + "\n")
    for verdict in figures["promises"]:
        print(
            f"{'kept' if verdict['met'] else 'BROKEN':6}  {verdict['promise']}: {verdict['figure']} ({verdict['bar']})"
        )
    for failure in figures["failures"]:
        print(f"  {failure['kind']}, {failure['count']} times: {'; '.join(failure['said'])}")
    sys.exit(not all(verdict["met"] for verdict in figures["promises"]))


def soaked(soak: Soak) -> dict[str, Any]:
    """Do it: the figures, and a verdict for every promise."""
    pictures = Pictures.made(soak.views, soak.limits.pixels)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        with _started(soak, folder) as server:
            figures = asyncio.run(_endured(soak, pictures, server, folder))
            figures["log_faults"] = server.log.read_text(errors="replace").count("Traceback")
        figures["left_files"] = [str(path.relative_to(folder)) for path in folder.rglob("*")]
        before = figures.pop("said")
        with _started(soak, folder) as server:
            after = asyncio.run(said(server.port, pictures.small, pictures.middling | pictures.large))
    figures["restart"] = {
        "asked": len(before),
        "different": sum(before[asked] != after[asked] for asked in before),
    }
    figures = _described(soak) | figures
    return figures | {"promises": verdicts(figures, soak.limits)}


def _started(soak: Soak, folder: Path) -> AbstractContextManager[Server]:
    return served(soak.model, command=soak.command, environment={"TMPDIR": str(folder)})


async def _endured(soak: Soak, pictures: Pictures, server: Server, scratch: Path) -> dict[str, Any]:
    """Everything from the first request to the end of the server."""
    port = server.port
    before = await said(port, pictures.small, pictures.middling | pictures.large)
    fresh = look(server.process.pid, scratch)
    known = known_of(before)
    some = kinds(pictures, known, soak.limits)
    mix, watch = Told(), Watch(server.process.pid, scratch, min(1.0, soak.seconds / 100))
    async with watch(), _progress(mix, watch, soak.seconds):
        await mixed(port, some, mix, clients=soak.clients, seconds=soak.seconds, seed=soak.seed)
    memory = watch.memory(soak.seconds)
    crowd = Told()
    await _crowds(soak, port, some[0], crowd)
    calm = await _settled(server, scratch, fresh)
    return {
        "said": before,
        "requests": mix.asked,
        "kinds": {kind.name: _kind(kind, mix) for kind in some},
        "latency": mix.latency(),
        "failures": mix.failures() + crowd.failures(),
        "broken": mix.broken_count + crowd.broken_count,
        "memory": memory | {"after_crowds_mb": calm.resident_mb},
        "fresh": asdict(fresh),
        "calm": asdict(calm),
        "most_temporary": max(sample.temporary for sample in watch.samples),
        "crowd": {
            "clients": 10 * soak.limits.client_requests,
            "requests": crowd.asked,
            "answered": crowd.count(200),
            "turned_away": {str(status): crowd.count(status) for status in BUSY},
            "broken": crowd.broken_count,
            "latency": crowd.latency(),
        },
        "end": await drained(server, plain(pictures.small, known), begun=BEGUN),
        "by_tenth": watch.by_tenth(soak.seconds),
    }


async def _crowds(soak: Soak, port: int, good: Kind, told: Told) -> None:
    """Ten times as many clients as one address may have requests in progress, first of one address, then of ten."""
    count = 10 * soak.limits.client_requests
    for addresses in ["127.0.0.1"] * count, [f"127.0.0.{2 + number % 10}" for number in range(count)]:
        print(f"{_now()}  a crowd of {count} from {len(set(addresses))} addresses", flush=True)
        await crowded(port, good, told, addresses=addresses, seconds=soak.crowd_seconds, seed=soak.seed)


async def _settled(server: Server, scratch: Path, fresh: Sample) -> Sample:
    """The server once its clients are gone, as far as it lets go of them within a while."""
    until = time.monotonic() + SETTLING_S
    while (now := look(server.process.pid, scratch)).files > fresh.files and time.monotonic() < until:
        await asyncio.sleep(0.1)
    return now


@asynccontextmanager
async def _progress(told: Told, watch: Watch, seconds: float) -> AsyncIterator[None]:
    """Say how far it is while the block runs."""
    end = datetime.now() + timedelta(seconds=seconds)

    async def say() -> None:
        while True:
            await asyncio.sleep(PROGRESS_S)
            last = watch.samples[-1]
            print(
                f"{_now()}  {last.at_s:.0f} of {seconds:.0f} s, {told.asked:,} requests, {told.broken_count} broken, "
                f"{last.resident_mb:.0f} MB; ends {end:%H:%M:%S}",
                flush=True,
            )

    saying = asyncio.create_task(say())
    try:
        yield
    finally:
        saying.cancel()


def _kind(kind: Kind, told: Told) -> dict[str, Any]:
    statuses = {str(status or "none"): count for status, count in sorted(told.statuses[kind.name].items())}
    promised = [status or "none" for status in kind.promised]
    return {"family": kind.family, "promised": promised, "answered": statuses}


def _described(soak: Soak) -> dict[str, Any]:
    return {
        "command": f"python benchmarks/soak.py --model {soak.model} --clients {soak.clients} "
        f"--seconds {soak.seconds:g} --crowd-seconds {soak.crowd_seconds:g} --seed {soak.seed}",
        "model": soak.model,
        "clients": soak.clients,
        "seconds": soak.seconds,
        "seed": soak.seed,
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "versions": {name: version(name) for name in ("torch", "fastapi", "starlette", "uvicorn", "h11")},
        "python": platform.python_version(),
    }


def _now() -> str:
    return f"{datetime.now():%H:%M:%S}"


if __name__ == "__main__":
    main()
