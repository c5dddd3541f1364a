"""What a process takes, second by second, as Linux tells it under /proc."""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Sample", "Watch", "look"]

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Sample:
    """A process at one moment.

    Attributes:
        at_s: since the watch began.
        resident_mb: memory.
        files: open ones, connections among them.
        threads: of it.
        temporary: files in its folder for temporary ones.
    """

    at_s: float
    resident_mb: float
    files: int
    threads: int
    temporary: int


def look(pid: int, scratch: Path, since: float = 0.0) -> Sample:
    """A process now.

    Raises:
        OSError: It has ended.
    """
    proc = Path(f"/proc/{pid}")
    pages = int((proc / "statm").read_text().split()[1])
    return Sample(
        time.monotonic() - since,
        pages * _PAGE_BYTES / 1e6,
        len(list((proc / "fd").iterdir())),
        len(list((proc / "task").iterdir())),
        sum(1 for _ in scratch.rglob("*")),
    )


@dataclass
class Watch:
    """Looks at a process from time to time, and remembers.

    Attributes:
        pid: of the process.
        scratch: its folder for temporary files.
        interval_s: between looks.
        samples: what was seen.
    """

    pid: int
    scratch: Path
    interval_s: float
    samples: list[Sample] = field(default_factory=list)

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[None]:
        """Look while the block runs."""
        looking = asyncio.create_task(self._look())
        try:
            yield
        finally:
            looking.cancel()

    async def _look(self) -> None:
        since = time.monotonic()
        while True:
            self.samples.append(look(self.pid, self.scratch, since))
            await asyncio.sleep(self.interval_s)

    def memory(self, seconds: float) -> dict[str, Any]:
        """Resident memory in the second and the last tenth of some seconds, minutes of ten, and the slope between."""
        tenth = seconds / 10
        later = [sample for sample in self.samples if sample.at_s >= tenth]
        second = [sample.resident_mb for sample in later if sample.at_s < 2 * tenth]
        last = [sample.resident_mb for sample in later if 9 * tenth <= sample.at_s <= seconds]
        slope, _ = statistics.linear_regression(
            [sample.at_s for sample in later], [sample.resident_mb for sample in later]
        )
        before, after = statistics.median(second), statistics.median(last)
        return {
            "second_minute_mb": before,
            "last_minute_mb": after,
            "growth": after / before - 1,
            "slope_mb_per_minute": 60 * slope,
            "most_mb": max(sample.resident_mb for sample in self.samples),
        }

    def by_tenth(self, seconds: float) -> list[dict[str, float]]:
        """Medians and the most memory of each tenth of some seconds, for who wants to draw them."""
        tenths = [
            [sample for sample in self.samples if number <= 10 * sample.at_s / seconds < number + 1]
            for number in range(10)
        ]
        return [
            {
                "resident_mb": statistics.median(sample.resident_mb for sample in some),
                "most_resident_mb": max(sample.resident_mb for sample in some),
                "files": statistics.median(sample.files for sample in some),
                "threads": statistics.median(sample.threads for sample in some),
            }
            for some in tenths
            if some
        ]
