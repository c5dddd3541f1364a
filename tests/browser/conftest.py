"""The map in a real browser, against real servers: `graticule serve` and `graticule review` as processes.

Skipped where Playwright or a browser is missing. Every page is watched: it may ask its own server and nobody else, and
must not meet an error of its own.
"""

import os
import re
import shutil
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples" / "pictures"
WINDOW = {"width": 1040, "height": 680}
QUIET = ["--disable-background-networking", "--no-first-run", "--no-sandbox"]
WEBGL = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
"""Drawn by software: there may be no graphics card."""


@pytest.fixture(scope="session")
def pictures():
    """The example views, by name."""
    return sorted(EXAMPLES.glob("*.png"))


@contextmanager
def served(*arguments, log, environment=None):
    """A server as a process while the block runs: its `url` and `process`."""
    command = [sys.executable, "-m", "graticule", *map(str, arguments), "--no-browser"]
    with log.open("w+") as written:
        process = subprocess.Popen(
            command,
            stderr=subprocess.PIPE,
            stdout=written,
            text=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1"} | (environment or {}),
        )
        try:
            # It says where it is once it listens.
            said = []
            for line in process.stderr:
                said.append(line)
                if found := re.search(r"http://\S+/", line):
                    # It logs every request: a pipe that nobody empties would stop it.
                    threading.Thread(target=process.stderr.read, daemon=True).start()
                    yield SimpleNamespace(url=found[0], process=process)
                    break
            else:
                pytest.fail(f"the server ended: {''.join(said)}")
        finally:
            process.terminate()
            process.wait(30)


@pytest.fixture
def serve(tmp_path):
    """Starts servers of a test's own."""
    return lambda *arguments, **rest: served(*arguments, log=tmp_path / "server.log", **rest)


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """`graticule serve` with the shipped model."""
    log = tmp_path_factory.mktemp("serve") / "log"
    with served("serve", "--model", "orbit", "--port", 0, log=log) as running:
        yield running


@pytest.fixture(scope="module")
def launch():
    """Starts browsers. Of a module, since Playwright's loop must not run beside the tests of other folders."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    program = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("there is no Chromium on this machine")
    with playwright.sync_playwright() as running:
        yield lambda flags: running.chromium.launch(executable_path=program, args=[*QUIET, *flags])


@pytest.fixture(scope="module")
def chromium(launch):
    """A browser with WebGL."""
    browser = launch(WEBGL)
    yield browser
    browser.close()


@pytest.fixture
def visit(chromium):
    """Opens pages, and looks at the end whether they kept to their own server and met no error."""
    contexts, foreign, errors = [], [], []

    def visit(url, **options):
        context = chromium.new_context(viewport=WINDOW, reduced_motion="reduce", **options)
        context.set_default_timeout(30_000)
        page = context.new_page()
        page.on("request", lambda asked: foreign.append(asked.url) if not is_own(asked.url, url) else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda said: errors.append(said.text) if is_error(said) else None)
        page.goto(url)
        contexts.append(context)
        return page

    yield visit
    for context in contexts:
        context.close()
    assert not foreign, f"asked elsewhere: {foreign}"
    assert not errors, f"errors on the page: {errors}"


@pytest.fixture
def page(visit, server):
    """The page as it is first seen."""
    return visit(server.url)


def is_own(asked, url):
    return asked.startswith((url, "blob:", "data:"))


def is_error(said):
    # A browser writes of each status it did not like, "no batch under review" among them; the page copes with these.
    return said.type == "error" and "Failed to load resource" not in said.text
