"""What every long piece of work on the folder of an index shares."""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from graticule.store import sweep

__all__ = ["Pace", "file_digest", "work_folder"]

try:
    import resource
except ImportError:  # Windows has none
    resource = None  # type: ignore[assignment]

_SILENCE_S: Final = 10


def work_folder(out: Path) -> Path:
    """Where what is not finished lies; what a killed run was just writing is swept away."""
    work = out / "building"
    work.mkdir(exist_ok=True)
    sweep(out)
    sweep(work)
    return work


def file_digest(path: Path) -> str:
    """The SHA-256 of a file of any size."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Pace:
    """Says now and then how far a stage is, how fast it goes, how long it will take, and what memory was needed."""

    def __init__(self, stage: str, rows: int, report: Callable[[str], None]) -> None:
        """Begin a stage over so many rows."""
        self._stage, self._rows, self._report = stage, rows, report
        self._began = self._told = time.monotonic()
        self._done = 0

    def tell(self, start: int, stop: int) -> None:
        """Rows start..stop-1 are done."""
        now = time.monotonic()
        self._done += stop - start
        if now - self._told < _SILENCE_S and stop < self._rows:
            return
        self._told = now
        rate = self._done / max(now - self._began, 1e-9)
        left = (self._rows - stop) / rate / 60
        self._report(
            f"{self._stage}: {stop:,} of {self._rows:,} rows, {rate:,.0f} a second, {left:.0f} min left{_memory()}"
        )


def _memory() -> str:
    """The most that this process had in memory so far, in words."""
    if resource is None:
        return ""
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return f", {peak / 1e9:.1f} GB of memory at most"
