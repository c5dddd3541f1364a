"""The shell completes commands, options and choices, and asking for it stays quick."""

import os
import subprocess
import sys

import pytest


def asked(**environment):
    """What the program answers a shell that completes."""
    program = "import sys; from graticule.cli import main; main(sys.argv[1:])"
    return subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "SHELL": "/bin/bash", **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    ).stdout


@pytest.mark.parametrize(
    ("typed", "word", "offered"),
    [
        ("graticule eva", 1, ["evaluate"]),
        ("graticule models pu", 2, ["pull"]),
        ("graticule locate --min-c", 2, ["--min-confidence"]),
        ("graticule locate --decode ", 3, ["greedy", "beam", "sample"]),
    ],
)
def test_bash_completes(typed, word, offered):
    found = asked(_GRATICULE_COMPLETE="complete_bash", COMP_WORDS=typed, COMP_CWORD=str(word))
    assert found.split() == offered


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_its_script(shell):
    script = asked(_GRATICULE_COMPLETE=f"source_{shell}")
    assert "_GRATICULE_COMPLETE" in script
    assert "graticule" in script


def test_completing_imports_nothing_heavy():
    program = (
        "import sys\nfrom graticule.cli import main\n"
        "try:\n    main([])\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'numpy', 'fastapi', 'PIL'} & set(sys.modules)\nassert not heavy, heavy"
    )
    completing = {"_GRATICULE_COMPLETE": "complete_bash", "COMP_WORDS": "graticule lo", "COMP_CWORD": "1"}
    subprocess.run([sys.executable, "-c", program], env={**os.environ, **completing}, check=True, timeout=120)
