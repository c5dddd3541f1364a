"""Memory that was freed, given back to the system.

Pictures and batches of all sizes are held for moments, by several threads. glibc keeps most of what they free for the
next to ask, a heap for each thread, and between what is left in use there is ever less that fits: a server that is
busy would grow for minutes.
"""

from __future__ import annotations

import asyncio
import ctypes
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

__all__ = ["given_back"]

_EVERY_S: Final = 5.0
"""Often enough that little gathers; a batch that has to ask for its memory anew takes some milliseconds longer."""


@asynccontextmanager
async def given_back(every_s: float = _EVERY_S) -> AsyncIterator[None]:
    """Give back what was freed, from time to time while the block runs; where the C library can't, nothing is done."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is None:
        yield
        return

    async def trimmed() -> None:
        while True:
            await asyncio.sleep(every_s)
            await asyncio.to_thread(trim, 0)

    trimming = asyncio.create_task(trimmed())
    try:
        yield
    finally:
        trimming.cancel()
