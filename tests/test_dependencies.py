"""What is installed: the lock, constraints.txt and pyproject.toml agree, and so do the map's package and its lock."""

import json
import re
import sys
from pathlib import Path

import pytest

packaging = pytest.importorskip("packaging", reason="packaging is not installed: pip install '.[dev]'")
sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))

import lock  # noqa: E402

sys.path.pop(0)

ROOT = Path(__file__).parents[1]
PINS = lock.pinned(ROOT / "constraints.txt")
LOCKS = (lock.LOCK, lock.CPU_LOCK)
SEVERAL = re.compile(
    r"[a-z0-9][a-z0-9.-]*==[A-Za-z0-9.+]+( --hash=sha256:[0-9a-f]{64})+"
)  # a name, a version, and one digest or more


def lines(path):
    """Of a lock, each with what continues it, without comments."""
    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    return [" ".join(line.split()) for line in text.splitlines() if line and not line.startswith("#")]


def faults(line):
    """What is wrong with a line of a lock."""
    return [] if SEVERAL.fullmatch(line) else [line]


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_every_line_of_a_lock_is_a_version_and_its_digests(path):
    assert lines(path)
    assert not [fault for line in lines(path) for fault in faults(line)]


@pytest.mark.parametrize(
    "line",
    [
        "numpy==2.4.6",
        "numpy>=2 --hash=sha256:" + 64 * "0",
        "numpy==2.4.6 --hash=md5:" + 32 * "0",
        "--find-links https://example.org",
        "numpy @ https://example.org/numpy.whl --hash=sha256:" + 64 * "0",
        "-e .",
    ],
)
def test_a_line_that_trusts_more_is_seen(line):
    assert faults(line)


def test_the_lock_holds_the_versions_of_the_constraints():
    locked = lock.pinned(lock.LOCK)
    assert {name: PINS.get(name) for name in locked} == locked
    assert lock.pinned(lock.CPU_LOCK)["torch"].partition("+")[0] == PINS["torch"]


def test_the_lock_holds_all_that_tests_need_here():
    """Were anything left out, it would be installed by its version, unchecked."""
    pytest.importorskip("hypothesis", reason="the extra dev is not installed")
    cuda = re.compile("cuda|nvidia|triton")  # of PyPI's torch, whose versions it gives itself
    assert {name for name in lock.closure("dev") if not cuda.match(name)} <= set(lock.pinned(lock.LOCK))


def test_every_dependency_is_constrained_to_a_version_that_fits():
    for extra, requirements in lock.declared().items():
        for requirement in requirements:
            name = lock.canonicalize_name(requirement.name)
            if name != "graticule":
                assert requirement.specifier.contains(PINS[name]), (extra, str(requirement))


def test_the_maps_packages_are_locked_by_digest_and_name_no_host():
    text = (ROOT / "web" / "package-lock.json").read_text(encoding="utf-8")
    packages = json.loads(text)["packages"]
    asked = json.loads((ROOT / "web" / "package.json").read_text(encoding="utf-8"))
    of_map = packages.pop("")
    assert {kind: of_map[kind] for kind in ("dependencies", "devDependencies")} == {
        kind: asked[kind] for kind in ("dependencies", "devDependencies")
    }
    assert packages
    without = [
        name for name, entry in packages.items() if not entry.get("integrity", "").startswith("sha512-")
    ]
    assert without == []
    assert not re.search(r'"resolved"|https?://(?!(www\.)?(github\.com|opencollective|tidelift))', text)


def test_no_package_of_the_map_is_asked_for_loosely():
    asked = json.loads((ROOT / "web" / "package.json").read_text(encoding="utf-8"))
    versions = {**asked["dependencies"], **asked["devDependencies"]}
    assert {name: v for name, v in versions.items() if not re.fullmatch(r"\d+\.\d+\.\d+", v)} == {}


def test_the_maps_packages_run_nothing_when_they_are_installed():
    """Scripts of packages are run by `npm ci` unless it is told not to."""
    make = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.findall(r"npm (?:ci|install).*", make)
    assert all("--ignore-scripts" in line for line in re.findall(r"npm (?:ci|install).*", make))
