"""What was decided in `graticule review`: lines of `NAME.review.jsonl`, beside the results NAME.jsonl.

A line is `{"index", "path", "review"}`, of which the index counts results from 0. The last line about a result counts,
and a review of null takes back what was decided before. What can't be understood stops everything: an unread line might
be a rejection.
"""

from __future__ import annotations

import json
from pathlib import Path

from graticule.errors import InputError
from graticule.metadata.answer import Review

__all__ = ["decisions_path", "read_decisions"]


def decisions_path(results: Path) -> Path:
    """Where the decisions about a results file lie, if there are any."""
    return results.with_name(f"{results.stem}.review.jsonl")


def read_decisions(results: Path) -> dict[int, tuple[str, Review | None]]:
    """The decisions beside a results file: index -> path of the picture, and the review.

    Raises:
        InputError: the file can't be read, or a line of it can't be understood.
    """
    path = decisions_path(results)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise InputError(f"{path}: can't be read ({error.strerror}). Check the path.") from error
    found: dict[int, tuple[str, Review | None]] = {}
    whole = data[: data.rfind(b"\n") + 1]  # behind it, a line that was being written when a server was killed
    for number, line in enumerate(whole.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            content = json.loads(line)
            review = content["review"]
            found[content["index"]] = (
                content["path"],
                None if review is None else Review.model_validate(review),
            )
        except (ValueError, TypeError, LookupError, RecursionError) as error:
            raise InputError(
                f"{path}, line {number}: is no decision of `graticule review`. Nothing is written, since it may be a "
                "rejection: mend the line, or move the file away."
            ) from error
    return found
