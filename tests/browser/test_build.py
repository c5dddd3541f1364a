"""The page that ships is the one that web/ describes. Needs no node."""

import hashlib
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WEB = ROOT / "web"
STATIC = ROOT / "src" / "graticule" / "serving" / "static"
NOT_SOURCES = {"node_modules", "generated"}


def sources():
    for path in WEB.rglob("*"):
        if path.is_file() and not NOT_SOURCES & set(path.relative_to(WEB).parts):
            yield path.relative_to(WEB).as_posix()


def test_the_build_is_of_these_sources():
    digest = hashlib.sha256()
    for name in sorted(sources()):
        digest.update(f"{name}\0".encode() + (WEB / name).read_bytes() + b"\0")
    built_from = json.loads((STATIC / "built-from.json").read_text())["sha256"]
    assert digest.hexdigest() == built_from, "web/ has changed: npm --prefix web run build"


def test_the_page_loads_nothing_from_elsewhere():
    page = (STATIC / "index.html").read_text()
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert loaded
    for path in loaded:
        assert path.startswith("/assets/"), path
        assert (STATIC / path.removeprefix("/")).is_file()
    assert "<style" not in page
    assert not re.findall(r"<script(?![^>]*src=)", page), "the security policy forbids inline scripts"


def test_addresses_in_the_build_are_names_and_links_that_nothing_loads():
    """A new one is looked at by a person, who adds it here. What is loaded in fact, the tests with a browser see."""
    known = (
        "http://www.w3.org/",
        "https://github.com/",
        "https://maplibre.org/",
        "https://maplibre.invalid/",
    )
    known += ("https://wiki.openstreetmap.org/",)
    for path in (STATIC / "assets").iterdir():
        text = path.read_text(encoding="utf-8")
        found = re.findall(r"(?:https?|wss?)://[a-z0-9][^\s\"'`)]*", text)
        assert not [address for address in found if not address.startswith(known)], path.name
        assert not re.findall(r"sourceMappingURL=(?!maplibre-gl-worker\.mjs\.map)\S+", text), path.name
        if path.suffix == ".css":
            assert not re.findall(r"@import|url\(\s*[\"']?(?![\"']|data:|/assets/|#)[^)]+", text), path.name


def test_it_is_small_and_without_source_maps():
    files = [path for path in STATIC.rglob("*") if path.is_file()]
    assert not [path for path in files if path.suffix == ".map"]
    assert sum(path.stat().st_size for path in files) < 3_500_000


def test_the_lock_names_no_registry():
    assert '"resolved"' not in (WEB / "package-lock.json").read_text()


@pytest.mark.parametrize("package", ["maplibre-gl", "preact", "@preact/signals", "world-atlas"])
def test_licences_of_what_it_carries_are_there(package):
    assert f"{package} " in (STATIC / "licences.txt").read_text()
