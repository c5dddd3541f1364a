"""The documentation as a site: it builds without a warning, and needs nothing from elsewhere."""

import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

pytest.importorskip("mkdocs", reason="the extra docs is not installed")
pytest.importorskip("mkdocstrings", reason="the extra docs is not installed")

ROOT = Path(__file__).parents[1]
FETCHED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "link": "href"}
"""What a browser fetches by itself, unlike the links that a reader follows."""
pytestmark = pytest.mark.slow


class Page(HTMLParser):
    """What a page fetches, what it links to, and the names that can be linked to."""

    def __init__(self, path):
        super().__init__()
        self.fetched, self.linked, self.names = [], [], set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        told = dict(attrs)
        self.names |= {told[key] for key in ("id", "name") if told.get(key)}
        if tag in FETCHED and told.get(FETCHED[tag]) and told.get("rel") not in ("canonical", "next", "prev"):
            self.fetched.append(told[FETCHED[tag]])
        if tag == "a" and told.get("href"):
            self.linked.append(told["href"])


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="session")
def pages(site):
    return {path: Page(path) for path in site.rglob("*.html")}


def test_nothing_is_fetched_from_elsewhere(site, pages):
    elsewhere = [
        (path.relative_to(site).as_posix(), target)
        for path, page in pages.items()
        for target in page.fetched
        if re.match(r"(https?:)?//", target)
    ]
    assert elsewhere == []
    for sheet in site.rglob("*.css"):
        fetched = re.findall(r"(?:url\(|@import )[\"']?((?:https?:)?//[^\"')]+)", sheet.read_text("utf-8"))
        assert not fetched, sheet


def test_what_is_fetched_and_linked_is_there(pages):
    for path, page in pages.items():
        for target in page.fetched + page.linked:
            if re.match(r"[a-z]+:|//", target) or path.name == "404.html":
                continue
            file, _, name = target.partition("#")
            wanted = Path(os.path.normpath(path.parent / file.split("?")[0])) if file else path
            assert wanted.exists(), f"{path}: {target}"
            if name and wanted in pages:
                assert name in pages[wanted].names, f"{path}: {target}"


def test_search_works_from_a_file_too(site):
    script = (site / "search" / "search_index.js").read_text(encoding="utf-8")
    found = json.loads(script.removeprefix("var __index = "))["docs"]
    assert any("semivariogram" in entry["text"].lower() for entry in found)
    assert (site / "assets" / "iframe-worker" / "shim.js").exists()


def test_the_references_come_from_the_code(site):
    commands = (site / "reference" / "cli.html").read_text(encoding="utf-8")
    assert "--min-confidence" in commands
    python = (site / "reference" / "python.html").read_text(encoding="utf-8")
    assert "credible_region" in python
