"""The table in docs/reliability.md is of the tests that there are."""

import importlib
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "tests" / "faults").glob("test_*.py"))
ROWS = 22
"""Of the list of faults that Graticule set out to survive."""


def module(path):
    return importlib.import_module(f"faults.{path.stem}")


def test_every_fault_has_its_file():
    assert [int(path.stem.split("_")[1]) for path in FILES] == list(range(1, ROWS + 1))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_says_what_it_is_of_and_shows_that_it_can_fail(path):
    found = module(path)
    assert found.FAULT.number == int(path.stem.split("_")[1])
    assert any(name.startswith("test_without_") for name in vars(found))


def test_the_results_are_of_these_faults_and_none_failed():
    rows = json.loads((ROOT / "benchmarks" / "results" / "reliability.json").read_text())["faults"]
    faults = [module(path).FAULT for path in FILES]
    assert [(row["number"], row["fault"], row["defence"]) for row in rows] == [
        (fault.number, fault.fault, fault.defence) for fault in faults
    ], "run tools/reliability.py, then tools/results.py"
    for row in rows:
        assert set(row["outcomes"].values()) == {"passed"}
        assert set(row["mutations"].values()) == {"passed"}
