"""The documents: their links lead somewhere, and their commands exist."""

import re
import shlex
from pathlib import Path

import pytest

from graticule.cli import main

ROOT = Path(__file__).parents[1]
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("**/*.md"))]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_relative_links_lead_somewhere(document):
    for target in re.findall(r"\]\(([^)#]+)", document.read_text(encoding="utf-8")):
        if not target.startswith("https://"):
            assert (document.parent / target).exists(), f"{target} does not exist"


def commands():
    """Every `graticule ...` line of the README, without its comment."""
    for line in (ROOT / "README.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("    graticule "):
            yield " ".join(shlex.split(line, comments=True)[1:])


@pytest.mark.parametrize("command", list(commands()))
def test_the_commands_of_the_readme_exist(command, capsys):
    words = command.split()
    flags = [word for word in words if word.startswith("--")]
    path = words[
        : next((k for k, word in enumerate(words) if not word.isalpha() or word.isupper()), len(words))
    ]
    with pytest.raises(SystemExit) as leaving:
        main(
            [*path[:2], "--help"] if path[0] in ("data", "models", "orbit", "train") else [path[0], "--help"]
        )
    assert not leaving.value.code
    shown = capsys.readouterr().out
    assert all(flag in shown for flag in flags)


def test_make_help_names_every_target():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    [declared] = re.findall(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    assert set(declared.split()) == set(re.findall(r"^([a-z]+):.*##", makefile, re.MULTILINE))
