"""The short run: the same inputs every time, made by hypothesis, which shrinks what it finds."""

from __future__ import annotations

from random import Random

from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from fuzz.target import Target, tried

__all__ = ["short_run"]


def short_run(target: Target, *, examples: int) -> int:
    """Try the seeds, and so many inputs made of them.

    Returns:
        How many inputs were tried.

    Raises:
        Exception: a promise is broken; hypothesis tells the smallest input that does it.
    """
    seeds = list(target.seeds())
    count = 0

    @settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )
    @given(st.sampled_from(seeds), st.randoms(use_true_random=False))
    def keeps_its_promise(seed: bytes, chance: Random) -> None:
        nonlocal count
        data = target.edit(seed, chance, seeds)[: target.longest]
        note(f"{target.name}: {data!r}")
        count += 1
        tried(target, data)

    for seed in seeds:
        tried(target, seed)
    keeps_its_promise()
    return len(seeds) + count
