"""One target under atheris, for some time, in a process of its own.

    python -m fuzz.worker TARGET FOLDER [flags of libFuzzer]

Every exception that the target lets through is kept in FOLDER/finds, made as small as it gets, once for each place it
comes from; the process goes on. What ends the process itself, such as a signal in a native library, is the business of
whoever started it: the input is then in FOLDER, where libFuzzer writes it.
"""

from __future__ import annotations

import hashlib
import sys
import traceback
from pathlib import Path
from random import Random
from typing import Final

from fuzz.target import Target, load, tried

__all__: list[str] = []

_SHRINKING: Final = 400
"""Inputs tried to make a find smaller."""


def main() -> None:
    """Fuzz until libFuzzer says that the time is up."""
    import atheris

    name, folder = sys.argv[1], Path(sys.argv[2])
    # What the seeds have the product import is measured, whenever it is imported.
    with atheris.instrument_imports(include=["graticule"]):
        target = load(name)
        seeds = list(target.seeds())
        _write_seeds(seeds, folder / "seeds")
        for seed in seeds:
            _kept(target, seed, folder / "finds")

    def one(data: bytes) -> None:
        _kept(target, data, folder / "finds")

    def edit(data: bytes, longest: int, seed: int) -> bytes:
        """By the format, or as libFuzzer does it, which learns from what it sees; now and then begun anew."""
        chance = Random(seed)
        if chance.randrange(4) == 0:
            data = chance.choice(seeds)
        if chance.randrange(3) == 0:
            return bytes(atheris.Mutate(data, longest))
        return target.edit(data, chance, seeds)[:longest]

    # Without a length of its own for the beginning, from which libFuzzer would grow, and cut everything till then.
    flags = [f"-max_len={target.longest}", "-len_control=0", *sys.argv[3:]]
    flags += [str(folder / "corpus"), str(folder / "seeds")]
    atheris.Setup([sys.argv[0], *flags], one, custom_mutator=edit)
    atheris.Fuzz()


def _write_seeds(seeds: list[bytes], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        (folder / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)


def _kept(target: Target, data: bytes, finds: Path) -> None:
    """Try an input; keep it if it is a find that is not known yet."""
    broken = _broken(target, data)
    if broken is None:
        return
    place, story = broken
    path = finds / hashlib.sha256(place.encode()).hexdigest()[:16]
    if path.exists():
        return
    finds.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_small(target, data, place))
    path.with_suffix(".txt").write_text(story)
    print(f"FOUND {path}: {place}", file=sys.stderr, flush=True)


def _broken(target: Target, data: bytes) -> tuple[str, str] | None:
    """Where an input breaks a promise, and the whole traceback; None if it does not."""
    try:
        tried(target, data)
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        ours = [
            frame for frame in frames if "/graticule/" in frame.filename or "/fuzz/targets/" in frame.filename
        ]
        last = (ours or frames)[-1]
        place = f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno}"
        return place, traceback.format_exc()
    return None


def _small(target: Target, data: bytes, place: str) -> bytes:
    """An input with as much cut away as leaves the find the same."""
    step, left = max(1, len(data) // 2), _SHRINKING
    while step:
        at = 0
        while at < len(data) and left:
            shorter = data[:at] + data[at + step :]
            left -= 1
            broken = _broken(target, shorter)
            if broken is not None and broken[0] == place:
                data = shorter
            else:
                at += step
        step //= 2
    return data


if __name__ == "__main__":
    main()
