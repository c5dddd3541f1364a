"""What is fuzzed: a door of the product, and what it promises whatever comes in."""

from __future__ import annotations

import resource
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from random import Random
from typing import Final

__all__ = ["NAMES", "Target", "load", "tried"]

NAMES: Final = ("pictures", "exif", "models", "indexes", "results", "regions", "judge", "requests")
"""The modules of `fuzz.targets`."""

_MOST_S: Final = 20.0
"""Of processor time that one small input may take; on a clock, other work on the machine would count."""
_MOST_MIB: Final = 700
"""By which one small input may raise the most memory that the process ever held."""


@dataclass(frozen=True)
class Target:
    """A door, and how to knock.

    Attributes:
        name: of its module in `fuzz.targets`.
        door: the functions that are called, for the table in docs/reliability.md.
        promise: what they do whatever comes in, in a sentence.
        seeds: makes the inputs that all others are made from; most of them are valid.
        one: gives the door one input, and raises whatever is not promised.
        edit: breaks an input by the rules of its format: the input, a source of chance, and the seeds.
        longest: bytes of an input.
    """

    name: str
    door: str
    promise: str
    seeds: Callable[[], Sequence[bytes]]
    one: Callable[[bytes], None]
    edit: Callable[[bytes, Random, Sequence[bytes]], bytes]
    longest: int = 1 << 16


def load(name: str) -> Target:
    """The target of that name; what it needs is imported."""
    target = import_module(f"fuzz.targets.{name}").TARGET
    assert isinstance(target, Target)
    return target


def tried(target: Target, data: bytes) -> None:
    """Try one input.

    Raises:
        Exception: the door broke its promise; an AssertionError if it took too long or too much.
    """
    before, begun = _peak_mib(), time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, of damaged tags
        target.one(data)
    took, more = time.process_time() - begun, _peak_mib() - before
    assert took < _MOST_S, f"{len(data)} bytes took {took:.0f} s"
    assert more < _MOST_MIB, f"{len(data)} bytes took {more:.0f} MiB"


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
