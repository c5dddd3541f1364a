"""Folders for targets whose door reads files; they are gone when the process ends."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

__all__ = ["folder", "small_model"]


@cache
def _root() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="graticule-fuzz-")


def folder(name: str) -> Path:
    """An empty folder, or that of this name."""
    path = Path(_root().name) / name
    path.mkdir(exist_ok=True)
    return path


@cache
def small_model(*, indexed: bool = False) -> Path:
    """The folder of a small untrained model, as the tests of faults break it."""
    import sys

    tests = str(Path(__file__).parents[2] / "tests")
    if tests not in sys.path:
        sys.path.append(tests)
    from faults.small import small_model as make

    path = Path(_root().name) / ("indexed" if indexed else "small")
    make(indexed=indexed).save(path, card="A card.")
    return path
