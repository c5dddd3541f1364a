"""Fuzz each target for some time, one after another, each in a process of its own.

    python -m fuzz.run --time-s 60
    python -m fuzz.run --time-s 600 --targets exif regions --output benchmarks/results/fuzz.json

Inputs that reached new code are kept in runs/fuzz/TARGET/corpus and started from the next time; what breaks a promise
is in runs/fuzz/TARGET/finds, as small as it gets, with its traceback. A process that a signal ends, as a crash of a
native library does, is a find too, and another one takes its place for the time that is left. Status 1 tells of finds.

The figures that are written count what this run tried. `found.json` beside this file lists what was found so far, and
the test that keeps it from coming back.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from fuzz.target import NAMES, load

__all__: list[str] = []

ROOT: Final = Path(__file__).parents[1]
FOLDER: Final = ROOT / "runs" / "fuzz"
FOUND: Final = Path(__file__).with_name("found.json")
_HANGS_S: Final = 1200
"""On the clock, after which one input is a hang; slow ones are told by processor time in `fuzz.target`."""
_MEMORY_MIB: Final = 6000


def main() -> None:
    """Run, print, and write the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--time-s", type=float, default=60, help="for each target (60)")
    parser.add_argument("--targets", nargs="+", choices=NAMES, default=NAMES, metavar="TARGET")
    parser.add_argument("--seed", type=int, default=1, help="of libFuzzer (1)")
    parser.add_argument("--output", type=Path, help="figures as JSON")
    options = parser.parse_args()
    if find_spec("atheris") is None:
        raise SystemExit(
            "atheris is not installed: pip install -c constraints.txt 'graticule[fuzz]' brings it where it has wheels "
            "(Linux). The short run needs none: python -m pytest tests/fuzz"
        )
    end = datetime.now() + timedelta(seconds=options.time_s * len(options.targets))
    print(
        f"{len(options.targets)} targets, {options.time_s:g} s each, until about {end:%H:%M:%S}", flush=True
    )
    figures = {name: fuzzed(name, options.time_s, options.seed) for name in options.targets}
    if options.output:
        before = json.loads(options.output.read_text())["targets"] if options.output.exists() else {}
        # Of targets that were left out, what is known already stays.
        targets = {name: found for name in NAMES if (found := figures.get(name, before.get(name)))}
        told = {**_told(options), "targets": targets, "found": json.loads(FOUND.read_text())}
        options.output.write_text(json.dumps(told, indent=2) + "\n")
    raise SystemExit(1 if any(one["finds"] for one in figures.values()) else 0)


def fuzzed(name: str, time_s: float, seed: int) -> dict[str, Any]:
    """The figures of one target."""
    target, folder = load(name), FOLDER / name
    shutil.rmtree(folder / "finds", ignore_errors=True)
    (folder / "corpus").mkdir(parents=True, exist_ok=True)
    inputs, edges, endings = 0, 0, set()
    begun = time.monotonic()
    while (left := time_s - (time.monotonic() - begun)) >= 1:
        print(f"{name}: {left:.0f} s, until {datetime.now() + timedelta(seconds=left):%H:%M:%S}", flush=True)
        status, log = _process(name, folder, left, seed)
        seed += 1  # the next process shall not go the same way to the same end
        told, seen = _counted(log)
        inputs, edges = inputs + told, max(edges, seen)
        if status:
            endings.add(_ending(status, log))
            print(
                f"{name}: the process ended by {_ending(status, log)}; its input is in {folder}", flush=True
            )
        if not told:  # it does not even start: there is nothing to go on with
            break
    finds = sorted(path.read_text().splitlines()[-1][:200] for path in (folder / "finds").glob("*.txt"))
    seconds = time.monotonic() - begun
    print(f"{name}: {inputs:,} inputs, {edges:,} edges, {len(finds) + len(endings)} finds", flush=True)
    return {
        "door": target.door,
        "promise": target.promise,
        "seeds": len(target.seeds()),
        "seconds": round(seconds),
        "inputs": inputs,
        "edges": edges,
        "finds": finds + sorted(endings),
    }


def _process(name: str, folder: Path, time_s: float, seed: int) -> tuple[int, Path]:
    """Run the worker; its exit status, and the file that holds what it said."""
    log = folder / "log.txt"
    flags = [
        f"-max_total_time={max(1, int(time_s))}",
        f"-seed={seed}",
        f"-timeout={_HANGS_S}",
        f"-rss_limit_mb={_MEMORY_MIB}",
        f"-artifact_prefix={folder}/",
        "-print_final_stats=1",
    ]
    # Its temporary files go with it, even if it is killed.
    with tempfile.TemporaryDirectory(prefix="graticule-fuzz-") as scratch, log.open("wb") as stream:
        # One thread: networks so small would only wait for each other's.
        done = subprocess.run(
            _worker(name, folder, flags),
            cwd=ROOT,
            env={**os.environ, "TMPDIR": scratch, "OMP_NUM_THREADS": "1"},
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
    return done.returncode, log


def _worker(name: str, folder: Path, flags: list[str]) -> list[str]:
    return [sys.executable, "-m", "fuzz.worker", name, str(folder), *flags]


def _counted(log: Path) -> tuple[int, int]:
    """How many inputs a worker tried, and how many edges of the product's code it has seen, as libFuzzer says."""
    inputs = edges = 0
    with log.open(errors="replace") as lines:
        for line in lines:
            if match := re.match(r"#(\d+)\s.*\bcov: (\d+)", line):
                inputs, edges = int(match[1]), int(match[2])
            elif match := re.match(r"stat::number_of_executed_units:\s*(\d+)", line):
                inputs = int(match[1])
    return inputs, edges


def _ending(status: int, log: Path) -> str:
    """Why a process ended."""
    if status < 0:
        return signal.Signals(-status).name
    told = re.findall(r"ERROR: libFuzzer: (.*)", log.read_text(errors="replace"))
    return f"status {status}" + (f", {told[-1]}" if told else "")


def _told(options: argparse.Namespace) -> dict[str, Any]:
    versions = {name: _version(name) for name in ("atheris", "pillow", "s2geometry", "torch", "fastapi")}
    return {
        "command": f"python -m fuzz.run --time-s {options.time_s:g} --seed {options.seed}",
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "versions": versions,
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"


if __name__ == "__main__":
    main()
