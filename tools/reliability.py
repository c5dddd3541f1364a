"""Run the tests of the fault list, and keep what each showed: the table in docs/reliability.md is made of it.

python tools/reliability.py      # writes benchmarks/results/reliability.json
python tools/results.py          # writes the documents

A file of tests/faults begins with its `FAULT`. Its tests named `test_without_...` take a defence away and show that the
very same check then fails; the others say how many inputs they tried by `record_property("inputs", n)`.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FAULTS = ROOT / "tests" / "faults"
RESULTS = ROOT / "benchmarks" / "results" / "reliability.json"


@dataclass
class Shown:
    """What the tests of one fault showed.

    Attributes:
        number: of its row in the list.
        fault: in a few words.
        defence: in a sentence.
        file: of the tests, from the root.
        outcomes: test, to passed, failed or skipped; without those that take a defence away.
        mutations: the same for those.
        inputs: that all of them tried.
    """

    number: int
    fault: str
    defence: str
    file: str
    outcomes: dict[str, str] = field(default_factory=dict)
    mutations: dict[str, str] = field(default_factory=dict)
    inputs: int = 0


class Collector:
    """A pytest plugin that sees which fault each test is of, and how it ends."""

    def __init__(self) -> None:
        self.shown: dict[str, Shown] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Note the fault of each file."""
        for item in items:
            fault = getattr(getattr(item, "module", None), "FAULT", None)
            file = item.location[0]
            if fault is not None and file not in self.shown:
                self.shown[file] = Shown(fault.number, fault.fault, fault.defence, file)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note how a test ends: what fails before or after the call counts as well."""
        shown = self.shown.get(report.location[0])
        if shown is None or (report.when != "call" and report.passed):
            return
        name = report.nodeid.partition("::")[2]
        (shown.mutations if name.startswith("test_without_") else shown.outcomes)[name] = report.outcome
        if report.when == "call":
            shown.inputs += sum(int(str(value)) for key, value in report.user_properties if key == "inputs")


def main() -> None:
    """Run them; the exit status is pytest's."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=RESULTS)
    output = parser.parse_args().output
    collector = Collector()
    status = pytest.main(["-q", str(FAULTS)], plugins=[collector])
    rows = [asdict(shown) for shown in sorted(collector.shown.values(), key=lambda shown: shown.number)]
    output.write_text(json.dumps({"versions": dict(_versions()), "faults": rows}, indent=1) + "\n")
    print(f"{output}: {len(rows)} faults, {sum(shown.inputs for shown in collector.shown.values()):,} inputs")
    raise SystemExit(int(status))


def _versions() -> Iterator[tuple[str, str]]:
    yield "system", platform.system()
    yield "python", platform.python_version()
    for package in ("torch", "PIL", "numpy"):
        yield package, sys.modules[package].__version__


if __name__ == "__main__":
    main()
