"""A verdict for every promise of the service, from the figures of a soak."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from graticule.serving.settings import Limits

__all__ = ["MOST_GROWTH", "verdicts"]

MOST_GROWTH: Final = 0.05
_ENDING_S: Final = 5.0
"""For the process to end, after what requests are given."""


def verdicts(figures: Mapping[str, Any], limits: Limits) -> list[dict[str, Any]]:
    """Each with the figure that was found, the bar it is held against, and whether it was met."""
    memory, crowd, end, restart = (figures[name] for name in ("memory", "crowd", "end", "restart"))
    fresh, calm = figures["fresh"], figures["calm"]
    turned = sum(crowd["turned_away"].values())
    patience = math.ceil(limits.drain_s)
    return [
        _verdict("answers other than promised", figures["broken"], "none", not figures["broken"]),
        _verdict("faults in the log", figures["log_faults"], "none", not figures["log_faults"]),
        _verdict(
            "growth of resident memory from the second minute to the last",
            f"{100 * memory['growth']:.1f} %",
            f"less than {100 * MOST_GROWTH:g} %",
            memory["growth"] < MOST_GROWTH,
        ),
        _verdict(
            "open files once all clients are gone",
            calm["files"],
            f"as before they came, {fresh['files']}",
            calm["files"] <= fresh["files"],
        ),
        _verdict(
            "threads once all clients are gone",
            calm["threads"],
            f"{fresh['threads']} before they came, and one for each at most",
            calm["threads"] <= fresh["threads"] + figures["clients"],
        ),
        _verdict(
            "temporary files, at any second and after the end",
            max(figures["most_temporary"], len(figures["left_files"])),
            "none",
            not figures["most_temporary"] and not figures["left_files"],
        ),
        _verdict(
            "of a crowd, turned away with 429 or 503 and Retry-After; answered right",
            f"{turned}; {crowd['answered']}",
            "some of each, and nothing else",
            bool(turned and crowd["answered"] and not crowd["broken"]),
        ),
        _verdict(
            "answered of the requests under way at SIGTERM",
            end["answered"],
            f"all {end['begun']}",
            end["answered"] == end["begun"],
        ),
        _verdict(
            "new connections after SIGTERM",
            "refused" if end["new_refused"] else "taken",
            "refused",
            end["new_refused"],
        ),
        _verdict("exit status", end["exit_code"], "0", end["exit_code"] == 0),
        _verdict(
            "seconds from SIGTERM to the end, one client never ending its request",
            f"{end['took_s']:.1f}",
            f"{patience} for requests, {_ENDING_S:g} to end",
            end["took_s"] <= patience + _ENDING_S,
        ),
        _verdict(
            "answers that differ by a byte after a restart",
            f"{restart['different']} of {restart['asked']}",
            "none",
            not restart["different"],
        ),
    ]


def _verdict(promise: str, figure: object, bar: str, met: bool) -> dict[str, Any]:
    return {"promise": promise, "met": met, "figure": figure, "bar": bar}
