"""Forward and backward along the pictures of an outing (Rabiner 1989), so that no evidence is counted twice.

The photographer is in a cell x of a partition, and moves as `Ground.ways` says. Picture i says p_i(x), its density,
and is not of the outing with a chance of e: another's, a scan, a wrong clock. With u(x), even over the Earth, it is

    L_i(x) = (1 - e) q_i(x) / u(x) + e

times as likely for a photographer in x. There q_i is p_i, but less sure inside each neighbourhood: to the power of
1 / sqrt(N) of N pictures, the neighbourhood's sum kept. A model errs alike on pictures of one ground, and without this
regions of 90 % would hold the truth six times in ten. Where a track tells the photographer's place, that is evidence of
the same form. Let m_i(x) be what all the other pictures, and the track, say of the photographer's place at picture i.
Then the picture was taken there with odds of (1 - e) sum_x m_i(x) p_i(x) / u(x) against e, and its density is

    taken there: m_i q_i / u, made to sum to one;    else: p_i, as if it were alone.

So a picture that is sure of a place far from all the others keeps it, and does not carry them along.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from graticule.fusing.travel import Ground

__all__ = ["STRANGE", "fused_masses"]

STRANGE: Final = 0.1
"""The chance that a picture is not of its outing, and that a track is not of a picture."""


def fused_masses(
    ground: Ground,
    alone: Sequence[NDArray[np.float64]],
    hours: Sequence[float],
    track: Sequence[NDArray[np.float64] | None],
) -> list[NDArray[np.float64]]:
    """The density of each picture of an outing, given all of them.

    Args:
        ground: the partition, of C cells.
        alone: the density of each of N pictures by itself, (C,) each.
        hours: when each was taken, growing.
        track: what a track says of where the photographer was, (C,) each, or None.

    Returns:
        N densities (C,), each summing to one.
    """
    count, even = len(alone), ground.even
    told = [_tempered(own, ground, 1 / np.sqrt(count)) for own in alone]
    likely = [(1 - STRANGE) * hint / even + STRANGE for hint in told]
    tracked = [1.0 if there is None else (1 - STRANGE) * there / even + STRANGE for there in track]
    ahead, back = [even] * count, [np.ones_like(even)] * count
    for i in range(1, count):
        ways = ground.ways(hours[i] - hours[i - 1])
        ahead[i] = _whole((ahead[i - 1] * likely[i - 1] * tracked[i - 1]) @ ways)
    for i in range(count - 2, -1, -1):
        ways = ground.ways(hours[i + 1] - hours[i])
        back[i] = _whole(ways @ (back[i + 1] * likely[i + 1] * tracked[i + 1]))
    found = []
    for i, (own, hint) in enumerate(zip(alone, told, strict=True)):
        others = _whole(ahead[i] * back[i] * tracked[i])
        agrees = (1 - STRANGE) * (others * own / even).sum()
        there = agrees * _whole(others * hint / even)
        found.append(_whole(there + STRANGE * own))
    return found


def _tempered(mass: NDArray[np.float64], ground: Ground, power: float) -> NDArray[np.float64]:
    """A density that is as sure of each neighbourhood as it was, and less sure inside of it."""
    flat = (mass / ground.even) ** power * ground.even
    count = int(ground.neighbourhood.max()) + 1
    before, after = (np.bincount(ground.neighbourhood, one, minlength=count) for one in (mass, flat))
    return _whole(flat * (before / np.maximum(after, 1e-300))[ground.neighbourhood])


def _whole(mass: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(mass / mass.sum())
