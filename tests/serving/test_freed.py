"""Memory that was freed goes back to the system."""

import asyncio
import sys
from pathlib import Path

import numpy as np
import pytest

from graticule.serving import freed


def resident():
    """Pages."""
    return int(Path("/proc/self/statm").read_text().split()[1])


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc keeps what is freed, and only Linux tells")
def test_what_lies_between_things_in_use_is_given_back():
    async def served():
        # Below what glibc gives back of itself, and with something in use beyond each.
        pieces = [np.ones(64 << 10, np.uint8) for _ in range(4_000)]
        kept = pieces[::50]
        full = resident()
        del pieces
        async with freed.given_back(every_s=0.01):
            async with asyncio.timeout(30):
                while resident() > full - 40_000:
                    await asyncio.sleep(0.01)
        return kept

    assert len(asyncio.run(served())) == 80


def test_where_the_c_library_can_not_nothing_is_done(monkeypatch):
    monkeypatch.setattr(freed.sys, "platform", "other")

    async def served():
        async with freed.given_back():
            return asyncio.all_tasks()

    assert len(asyncio.run(served())) == 1
