"""Results files, and tables in Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

__all__ = ["RESULTS", "load", "table"]

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"


def load(name: str) -> dict[str, Any]:
    """One results file."""
    content: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text())
    return content


def table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, texts: int = 1) -> list[str]:
    """A Markdown table whose first columns are texts, and the others figures."""
    rule = "---|" * texts + "---:|" * (len(headings) - texts)
    return [f"| {' | '.join(headings)} |", f"|{rule}", *(f"| {' | '.join(row)} |" for row in rows)]
