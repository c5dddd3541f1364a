"""The long run itself: what it counts, and that no crash ends it."""

import json
import re
import sys
from pathlib import Path

import pytest
from fuzz.target import NAMES, load

from fuzz import run

ROOT = Path(__file__).parents[2]


def test_every_target_is_listed_and_has_a_short_run():
    targets = {path.stem for path in (ROOT / "fuzz" / "targets").glob("*.py")} - {"__init__", "asgi", "files"}
    assert targets == set(NAMES)
    for name in NAMES:
        assert load(name).name == name
        assert (ROOT / "tests" / "fuzz" / f"test_{name}.py").is_file()


def test_what_was_found_has_a_test_that_is_there():
    for find in json.loads(run.FOUND.read_text()):
        assert find["target"] in NAMES
        file, name = find["test"].split("::")
        assert re.search(rf"def {name}\b", (ROOT / file).read_text()), find["test"]


@pytest.fixture
def worker(monkeypatch, tmp_path):
    """Have this run in the worker's place."""

    def runs(code):
        monkeypatch.setattr(run, "FOLDER", tmp_path)
        monkeypatch.setattr(run, "_worker", lambda name, folder, flags: [sys.executable, "-c", code])

    return runs


def test_a_signal_is_a_find_and_ends_nothing(worker):
    worker("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    assert run.fuzzed("judge", 60, 1)["finds"] == ["SIGSEGV"]


def test_a_hang_is_a_find(worker):
    worker("print('==1== ERROR: libFuzzer: timeout after 1200 seconds'); raise SystemExit(70)")
    assert run.fuzzed("judge", 60, 1)["finds"] == ["status 70, timeout after 1200 seconds"]


def test_what_libfuzzer_says_is_counted(tmp_path):
    log = tmp_path / "log.txt"
    log.write_text(
        "#2\tINITED cov: 11 ft: 12\n#64\tNEW    cov: 70 ft: 90 corp: 3\nstat::number_of_executed_units: 99\n"
    )
    assert run._counted(log) == (99, 70)
    log.write_text("#2\tINITED cov: 11 ft: 12\n#64\tNEW    cov: 70 ft: 90 corp: 3\n")
    assert run._counted(log) == (64, 70)


def test_without_atheris_it_says_what_brings_it(monkeypatch):
    monkeypatch.setattr(run, "find_spec", lambda name: None)
    monkeypatch.setattr(sys, "argv", ["run"])
    with pytest.raises(SystemExit, match=r"graticule\[fuzz\]"):
        run.main()
