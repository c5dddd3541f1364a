"""The documents: their links lead somewhere, and what they tell a reader to type works.

A command is run, in a folder with pictures under the names that documents use, unless `ONLY_PARSED` says why not, or
one with the same options is run already; then its command, options, choices and arguments must still exist.
"""

import ast
import importlib
import json
import os
import re
import shutil
from pathlib import Path

import pytest

from documented import DOCUMENTS, ROOT, called, commands, options, python_blocks, spans
from graticule import Geolocator
from graticule.cli import main
from graticule.output import to_dict

ONLY_PARSED = {
    "installs packages": r"^pip ",
    "is what runs this test, or takes as long": r"^(make|pytest|torchrun|accelerate|python -m)\b",
    "takes minutes, and has its own results file": r"^python (benchmarks|tools)/",
    "fetches": r"^graticule models pull|--allow-urls\b",
    "serves until it is stopped": r"^graticule (serve|review)\b",
    "asks a server": r"--judge\b",
    "trains for minutes or hours": r"^graticule (align|calibrate|fit|index|reward|train)\b",
    "needs a published data set, or a mosaic": r"^graticule (data|extract|orbit)\b|im2gps3k|yfcc4k|osv5m",
    "needs features of such a set": r"^graticule (variogram (features|work)/|evaluate --features)",
    "takes minutes": r"^graticule (demo|evaluate --source orbit|variogram orbit)\b",
    "needs a reward model": r"--reward\b",
    "stands for names of the reader's own": r"--images DIR",
    "needs exiftool, or a journal": r"^graticule write .*--(in-place|undo)\b",
}
"""Why a command is not run, and which commands it is said of."""

PICTURES = {"view-000000.png", "view-000003.png", "view-000006.png", "view-000011.png"}
TRACK = (
    '<gpx version="1.1" xmlns="http://www.topografix.com/GPX/1/1"><trk><trkseg>'
    '<trkpt lat="46.2" lon="6.1"><time>2024-05-01T10:00:00Z</time></trkpt>'
    '<trkpt lat="46.3" lon="6.2"><time>2024-05-01T11:00:00Z</time></trkpt></trkseg></trk></gpx>'
)
RUN = ("README.md", "start.md", "python.md", "places.md", "uncertainty.md", "how-to", "explanation")
"""Documents whose Python is run; of the others it is compiled, and its imports are made."""


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_relative_links_lead_somewhere(document):
    generated = {ROOT / "docs" / "reference" / "cli.md"}  # written when the site is built
    for target in re.findall(r"\]\(([^)#]+)", document.read_text(encoding="utf-8")):
        if not target.startswith(("https://", "http://")):
            path = Path(os.path.normpath(document.parent / target))
            assert path.exists() or path in generated, f"{target} does not exist"


OTHERS = {"--cpu", "--multi_gpu", "--nproc-per-node", "--num_processes"}
"""Options in the prose that are other programs'."""


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_what_prose_calls_exists(document):
    named = spans(document)
    wrong = {option for span in named for option in re.findall(r"(?<!\S)--[a-z][a-z_-]*", span)}
    assert wrong - options() - OTHERS == set()
    assert [span for span in named if span.startswith("graticule ") and not called(span.split())] == []


def excuse(command):
    return next((why for why, form in ONLY_PARSED.items() if re.search(form, str(command))), None)


@pytest.mark.parametrize("command", commands(), ids=str)
def test_a_command_can_be_typed(command):
    assert command.problem() is None, f"{command.document}: {command}"


def test_every_excuse_is_needed():
    used = {excuse(command) for command in commands()} - {None}
    assert used == set(ONLY_PARSED), "an excuse that no command has: delete it"


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A folder with what documents speak of: pictures, results, and models, all of which are orbit in truth."""
    folder = tmp_path_factory.mktemp("desk")
    pictures = folder / "examples" / "pictures"
    pictures.mkdir(parents=True)
    for name in PICTURES:
        shutil.copy(ROOT / "examples" / "pictures" / name, pictures / name)
    rows = (ROOT / "examples" / "truth.csv").read_text().splitlines()
    kept = [row for row in rows if row.startswith("path") or row.split(",")[0] in PICTURES]
    truth = "\n".join(kept) + "\n"
    (folder / "examples" / "truth.csv").write_text(truth)
    for name in ("photo.jpg", "claim.jpg"):
        shutil.copy(pictures / "view-000006.png", folder / name)
    for name in ("folder", "photos", "scans/sample", "solved", "SCANS"):
        shutil.copytree(pictures, folder / name)
    (folder / "solved" / "truth.csv").write_text(truth)
    (folder / "models").mkdir()
    for name in ("models/geoclip", "archive-model", "mine"):
        (folder / name).symlink_to(ROOT / "src" / "graticule" / "models" / "orbit")
    (folder / "walk.gpx").write_text(TRACK)
    results = [to_dict(result) for result in Geolocator.load("orbit").locate(folder / "scans")]
    (folder / "results.jsonl").write_text("".join(json.dumps(result) + "\n" for result in results))
    return folder


@pytest.fixture
def at_the_desk(desk, monkeypatch):
    monkeypatch.chdir(desk)
    monkeypatch.setenv("GRATICULE_MODELS", str(desk / "models"))
    return desk


def kinds():
    """Of the commands that can be run, one with each set of options."""
    found = {}
    for command in commands():
        if excuse(command) is None:
            found.setdefault(command.kind, command)
    return found.values()


@pytest.mark.parametrize("command", kinds(), ids=str)
def test_a_command_does_what_it_says(command, at_the_desk, capsys):
    with pytest.raises(SystemExit) as leaving:
        main(command.words[1:])
    told = capsys.readouterr()
    assert not leaving.value.code, told.err
    assert told.out or "--output" in command.words


@pytest.mark.parametrize(
    "document",
    [path for path in DOCUMENTS if python_blocks(path)],
    ids=lambda path: path.relative_to(ROOT).as_posix(),
)
def test_python_in_documents_works(document, at_the_desk):
    program = compile(python_blocks(document), str(document), "exec")
    if set(document.relative_to(ROOT).parts) & set(RUN):
        exec(program, {"__name__": "documented"})
        return
    for node in ast.walk(ast.parse(python_blocks(document))):
        if isinstance(node, ast.ImportFrom) and node.module:
            module = importlib.import_module(node.module)
            assert all(hasattr(module, name.name) for name in node.names)


def test_make_help_names_every_target():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    [declared] = re.findall(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    assert set(declared.split()) == set(re.findall(r"^([a-z]+):.*##", makefile, re.MULTILINE))
