"""What fuzzing tried, and what it found."""

from __future__ import annotations

from typing import Any

from sections.tables import load, table

__all__ = ["found", "tried"]

_BY = {"tried": "inputs", "read": "reading"}
"""Whether something was found by trying inputs, or by reading the code for a target."""


def tried() -> list[str]:
    """The last long run, target by target."""
    report = load("fuzz")
    targets: dict[str, dict[str, Any]] = report["targets"]
    rows = [
        [
            name,
            f"`{one['door']}`",
            one["promise"],
            f"{one['seconds']:,}",
            f"{one['inputs']:,}",
            f"{one['edges']:,}",
            str(len(one["finds"])),
        ]
        for name, one in targets.items()
    ]
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    inputs = sum(one["inputs"] for one in targets.values())
    return [
        f"`{report['command']}`, {report['machine']}; Python {report['python']}, {versions}:",
        "",
        *table(["target", "door", "promise", "seconds", "inputs", "edges", "finds left"], rows, texts=3),
        "",
        f"{inputs:,} inputs in all.",
    ]


def found() -> list[str]:
    """What was found since there are targets, all of it mended."""
    rows = [
        [one["target"], one["what"], _BY[one["by"]], f"`{one['test'].removeprefix('tests/')}`"]
        for one in load("fuzz")["found"]
    ]
    return table(["target", "what was wrong", "found by", "test"], rows, texts=4)
