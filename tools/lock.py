"""Write constraints.lock and torch-cpu.lock: the versions of constraints.txt with the SHA-256 of their files.

python tools/lock.py   # `make lock`; needs uv, and the package index that it and pip are set up for

The lock holds what `.[dev]` needs here, with the digests of all files of each version, for whatever platform. torch has
a lock of its own besides: its CPU build for Linux is not on PyPI, and pip would prefer the file that is.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
LOCK, CPU_LOCK = ROOT / "constraints.lock", ROOT / "torch-cpu.lock"
HEADER = "# Written by `make lock` from constraints.txt: a version, and the SHA-256 of each of its files.\n"
CPU_HEADER = "# Written by `make lock`: the CPU build of torch for Linux, which is not on PyPI.\n"


def main() -> None:
    """Write both."""
    pins = pinned(ROOT / "constraints.txt")
    wanted = sorted(closure("dev"))
    missing = [name for name in wanted if name not in pins]
    if missing:
        sys.exit(f"constraints.txt: has no version of {', '.join(missing)}; add what `pip freeze` says.")
    LOCK.write_text(HEADER + digests([f"{name}=={pins[name]}" for name in wanted]), encoding="utf-8")
    version, digest = torch_here(pins["torch"])
    if version.endswith("+cpu"):
        CPU_LOCK.write_text(f"{CPU_HEADER}torch=={version} --hash=sha256:{digest}\n", encoding="utf-8")
    else:
        print(f"{CPU_LOCK.name} stays as it is: pip takes torch {version} here, which is no CPU build.")


def pinned(path: Path) -> dict[str, str]:
    """Normalised name -> version, of lines `name==version`."""
    lines = (line.split("#")[0].split() for line in path.read_text(encoding="utf-8").splitlines())
    pairs = (words[0].partition("==") for words in lines if words and "==" in words[0])
    return {canonicalize_name(name): version for name, _, version in pairs}


def declared() -> dict[str, list[Requirement]]:
    """What pyproject.toml asks for, by extra; "" is the core, and "build" what builds the package."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    given = {"": project["project"]["dependencies"], "build": project["build-system"]["requires"]}
    given |= project["project"]["optional-dependencies"]
    return {extra: [Requirement(line) for line in lines] for extra, lines in given.items()}


def closure(extra: str) -> set[str]:
    """The packages that this project needs with an extra, with all that they need, as far as installed here."""
    asked = declared()
    found: set[str] = set()
    tasks = [*asked["build"], *asked[""], *asked[extra]]
    done: set[tuple[str, str]] = set()
    while tasks:
        requirement = tasks.pop()
        name = canonicalize_name(requirement.name)
        for part in {"", *requirement.extras}:
            if (name, part) in done:
                continue
            done.add((name, part))
            tasks += asked[part] if name == "graticule" else _needed(name, part)
        found.add(name)
    return found - {"graticule"}


def _needed(name: str, extra: str) -> Iterator[Requirement]:
    """What an installed package needs here, with an extra or without one."""
    try:
        lines = requires(name) or []
    except PackageNotFoundError:  # of no platform like this one, or not installed yet: nothing is known of it
        return
    for requirement in map(Requirement, lines):
        if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
            yield requirement


def digests(lines: list[str]) -> str:
    """Requirements with the digests of all of their files, as the index gives them; nothing is resolved."""
    command = ["uv", "pip", "compile", "-", "--quiet", "--no-deps", "--generate-hashes"]
    command += ["--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links"]
    return _said([sys.executable, "-m", *command], "\n".join(lines))


def torch_here(version: str) -> tuple[str, str]:
    """The build of torch that pip takes on this machine, and the SHA-256 of its file; nothing is installed."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--dry-run"]
    command += ["--no-deps", "--ignore-installed", "--report", "-", f"torch=={version}"]
    [chosen] = json.loads(_said(command))["install"]
    return chosen["metadata"]["version"], chosen["download_info"]["archive_info"]["hashes"]["sha256"]


def _said(command: list[str], given: str = "") -> str:
    done = subprocess.run(command, input=given, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command[2:5])} failed: see above.")
    return done.stdout


if __name__ == "__main__":
    main()
