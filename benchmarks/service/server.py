"""`graticule serve` as a process of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["SERVE", "Server", "served"]

SERVE = (sys.executable, "-m", "graticule", "serve", "--port", "0", "--no-browser", "--model")


@dataclass(frozen=True)
class Server:
    """A server that runs.

    Attributes:
        process: of it.
        port: on 127.0.0.1 that it listens at.
        log: file that it writes what it says to.
    """

    process: subprocess.Popen[bytes]
    port: int
    log: Path


@contextmanager
def served(
    model: str, *, command: Sequence[str] = SERVE, environment: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """A server while the block runs.

    Args:
        model: name or folder of what answers.
        command: that serves, without the model.
        environment: variables that the server is given besides those of this process.

    Raises:
        SystemExit: it ended before it said where it listens.
    """
    # It logs every request: a pipe that nobody empties would stop it, and a file does not.
    with tempfile.NamedTemporaryFile(suffix=".log") as log:
        process = subprocess.Popen(
            [*command, model], stdout=log, stderr=log, env=os.environ | dict(environment or {})
        )
        try:
            yield Server(process, _port(process, Path(log.name)), Path(log.name))
        finally:
            process.terminate()
            process.wait()


def _port(process: subprocess.Popen[bytes], log: Path) -> int:
    """Where it says it listens."""
    while True:
        ended = process.poll() is not None
        said = log.read_text(errors="replace")
        if found := re.search(r"http://127\.0\.0\.1:(\d+)/", said):
            return int(found[1])
        if ended:
            raise SystemExit(f"the server ended: {said}")
        time.sleep(0.05)
