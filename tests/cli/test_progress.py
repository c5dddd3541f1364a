"""How far a run is: rate and end time however long a step takes, and lines where there is no terminal."""

import io

import pytest
from rich.console import Console

from graticule.cli import progress


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is moved: clock[0] is now."""
    now = [0.0]
    monkeypatch.setattr(progress, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def said(monkeypatch):
    """What is written to a stderr that is no terminal."""
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=False, width=80)
    monkeypatch.setattr(progress, "Console", lambda **_: console)
    return stream


def test_without_a_terminal_there_is_a_line_a_minute(clock, said):
    with progress.progress("Extracting", total=0) as advance:
        for step in range(10):
            advance(32 * step, 4096)
            clock[0] += 31
    first, *others = said.getvalue().splitlines()
    assert first.startswith("Extracting: 64 of 4,096, 1.03/s, ends ")
    assert len(others) == 3, "279 seconds"
    assert all("1.03/s, ends " in line for line in others)


def test_a_run_of_a_minute_or_a_quiet_one_says_nothing(clock, said):
    for quiet, pause in ((False, 5), (True, 500)):
        with progress.progress("Extracting", total=10, quiet=quiet) as advance:
            for step in range(10):
                advance(step, 10)
                clock[0] += pause
    assert said.getvalue() == ""
