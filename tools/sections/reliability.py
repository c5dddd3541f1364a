"""What the tests of faults, the fuzz targets, the kills and the soak showed."""

from __future__ import annotations

from sections.tables import load, table

__all__ = ["crashes", "faults"]


def faults() -> list[str]:
    """The list of faults: what stands against each, and what its tests showed."""
    report = load("reliability")
    rows = [
        [
            str(row["number"]),
            row["fault"],
            row["defence"],
            f"`{row['file'].removeprefix('tests/faults/')}`",
            f"{row['inputs']:,}" if row["inputs"] else "",
            _ended(row["outcomes"]),
            _ended(row["mutations"]),
        ]
        for row in report["faults"]
    ]
    headings = ["", "fault", "defence", "tests", "inputs", "result", "without the defence"]
    tried = sum(row["inputs"] for row in report["faults"])
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    return [*table(headings, rows, texts=4), "", f"{tried:,} inputs in all. {versions}."]


def crashes() -> list[str]:
    """What killed jobs lost."""
    report = load("crashes")
    jobs, promises = report["jobs"], report["promises"]
    rows = [
        [
            name,
            ", ".join(job["ways"]),
            str(job["moments"]),
            str(job["line"]),
            str(job["file"]),
            str(job["killed_twice"]),
            *(str(job[promise]) for promise in (*promises, "failed")),
        ]
        for name, job in jobs.items()
    ]
    headings = ["job", "done as", "kills", "at a line", "in a file operation", "killed twice"]
    headings += [promise.replace("_", " ") for promise in (*promises, "failed")]
    return [
        f"`{report['command']}`, {report['machine']}; Python {report['python']}, torch {report['torch']}:",
        "",
        *table(headings, rows, texts=2),
    ]


def _ended(outcomes: dict[str, str]) -> str:
    passed = list(outcomes.values()).count("passed")
    others = sorted(f"{name} {outcome}" for name, outcome in outcomes.items() if outcome != "passed")
    return "; ".join([f"{passed} of {len(outcomes)}", *others])
