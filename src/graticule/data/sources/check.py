"""What a source holds, summed up: how many usable pictures, where they lie, by country, and what is wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow.compute as pc

from graticule.data.sources.contract import Problem, Problems, Progress, open_source
from graticule.earth.borders import countries_at
from graticule.earth.places.countries import find_country
from graticule.errors import InputError
from graticule.registry import SOURCES

__all__ = ["NO_COUNTRY", "Check", "check_source"]

NO_COUNTRY: Final = "no country"
"""At sea, or too near a coast for the outlines."""


@dataclass(frozen=True)
class Check:
    """A source, or a split of it, summed up.

    Attributes:
        source: its name.
        split: which part, if it has some.
        records: how many pictures can be used.
        stored: where these lie: files, zips, tars -> how many.
        countries: country -> pictures, the most first, by its English name whatever the source calls it. Where the
            source names none, outlines of the Earth do.
        problems: what is missing or malformed, one by one.
        kinds: what is wrong -> how often, the most first.
    """

    source: str
    split: str | None
    records: int
    stored: Mapping[str, int]
    countries: Mapping[str, int]
    problems: Problems
    kinds: Mapping[str, int]


def check_source(
    name: str,
    path: Path,
    split: str | None = None,
    *,
    progress: Progress = lambda done, total: None,
) -> list[Check]:
    """Scan a source; without a split, each it has.

    Args:
        name: one of `graticule.registry.SOURCES`.
        path: its folder.
        split: only this part.
        progress: told how far the looking is.

    Raises:
        ConfigError: there is no such source.
        InputError: its table can't be used, or there is no such folder or split. Where all splits are looked at, one
            that is not there is a problem of its own.
    """
    splits = SOURCES.find(name).splits
    if split is not None or not splits or not path.is_dir():
        return [_check(name, path, split, progress)]
    checks = []
    for part in splits:
        try:
            checks.append(_check(name, path, part, progress))
        except InputError as error:
            missing = Problems.of(Problem(part, str(error)))
            checks.append(Check(name, part, 0, {}, {}, missing, missing.by_kind()))
    return checks


def _check(name: str, path: Path, split: str | None, progress: Progress) -> Check:
    scan = open_source(name, path, split, progress=progress)
    problems = scan.problems
    return Check(
        name,
        split,
        scan.records.num_rows,
        _stored(scan.records),
        _countries(scan.records),
        problems,
        problems.by_kind(),
    )


def _stored(records: Any) -> dict[str, int]:
    """How many plain files, zips and tars hold them."""
    plain = pc.equal(records["member"], "")
    stored = Counter(files=pc.sum(plain).as_py() or 0)
    for container in pc.unique(records["container"].filter(pc.invert(plain))).to_pylist():
        stored["zips" if container.lower().endswith(".zip") else "tars"] += 1
    return {kind: count for kind, count in stored.items() if count}


def _countries(records: Any) -> dict[str, int]:
    counts: Counter[str] = Counter()
    labelled = pc.is_valid(records["country"])
    for count in records["country"].filter(labelled).value_counts().to_pylist():
        country = find_country(count["values"])
        counts[count["values"] if country is None else country.name] += count["counts"]
    others = records.filter(pc.invert(labelled))
    found = countries_at(np.asarray(others["latitude"]), np.asarray(others["longitude"]))
    counts.update(NO_COUNTRY if country is None else country for country in found)
    return dict(counts.most_common())
