"""A batch: pictures in, one file of results out; killed anywhere and run again, it goes on.

The results are the same to the bit as those of a run that was never stopped, on the same machine.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from itertools import groupby, islice
from pathlib import Path
from typing import Any, Final, Protocol

from graticule.batch.journal import Journal
from graticule.batch.pictures import Listed, digest_of
from graticule.batch.records import Gazetteer, records_of
from graticule.batch.together import Together
from graticule.earth.regions import Region
from graticule.errors import ConfigError, InputError
from graticule.lock import locked
from graticule.metadata.decisions import decisions_path
from graticule.output import write_file
from graticule.output.files import is_stream, sweep_for
from graticule.output.record import Record
from graticule.prediction import Result
from graticule.store import ModelFolder

__all__ = ["Batch", "Locator", "journal_of", "model_digest", "run_batch"]

GROUP: Final = 64
"""Pictures encoded together, and written together."""


class Locator(Protocol):
    """What answers, such as `graticule.locator.Geolocator`."""

    @property
    def name(self) -> str:
        """The model's."""

    def locate(self, *pictures: Any, **options: Any) -> Iterator[Result]:
        """As `Geolocator.locate`."""


@dataclass(frozen=True)
class Batch:
    """What is asked of which pictures."""

    locator: Locator
    pictures: Sequence[Listed]
    options: Mapping[str, Any] = field(default_factory=dict)
    """What `Geolocator.locate` takes beside pictures."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What else answers depend on, as plain JSON values: a run that goes on must have the same."""
    places: Gazetteer | None = None
    model_digest: str | None = None
    together: Together | None = None
    """Which of them are answered in the light of each other."""

    @cached_property
    def borders(self) -> list[int]:
        """Where groups end: of pictures that are computed together, and written together."""
        total = len(self.pictures)
        if self.together is not None:
            return list(self.together.borders(GROUP))
        return [min(end, total) for end in range(GROUP, total + GROUP, GROUP)]

    def groups(
        self,
        start: int = 0,
        stop: int | None = None,
        *,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> Iterator[list[Record]]:
        """The records of the pictures from `start` to before `stop`, by groups that were computed together."""
        for first, results in self.results(start, stop, progress=progress):
            pictures = self.pictures[first : first + len(results)]
            yield records_of(results, pictures, places=self.places, model_digest=self.model_digest)

    def results(
        self,
        start: int = 0,
        stop: int | None = None,
        *,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> Iterator[tuple[int, list[Result]]]:
        """The number of each group's first picture, and the group's results."""
        if self.together is None:
            results = self._located(start, stop, progress)
            while group := list(islice(results, GROUP)):
                yield start, group
                start += len(group)
            return
        for end in self.borders:
            if start < end:
                yield start, self.together.fused(list(self._located(start, end, progress)), start)
                start = end

    def _located(
        self, start: int, stop: int | None, progress: Callable[[int, int], None]
    ) -> Iterator[Result]:
        return self.locator.locate(
            [picture.path for picture in self.pictures[:stop]],
            **self.options,
            start=start,
            batch_size=GROUP,
            progress=lambda done, _: progress(done, len(self.pictures)),
        )

    def told(self) -> dict[str, Any]:
        """What the answers depend on, as plain JSON values."""
        return {
            "format": 1,
            "graticule": _version(),
            "model": self.locator.name,
            "model_digest": self.model_digest,
            **{name: _plain(value) for name, value in (*self.options.items(), *self.settings.items())},
            "pictures": len(self.pictures),
            "list": digest_of(self.pictures),
        }


def run_batch(
    batch: Batch,
    output: Path,
    format: str,
    *,
    retry_refused: bool = False,
    through: Callable[[Iterable[Record]], Iterable[Record]] = lambda records: records,
    then: Callable[[Iterable[Record]], object] = lambda records: None,
    report: Callable[[str], None] = lambda line: None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> int:
    """Answer a batch into a file. What was done by a run that was stopped is not done again.

    Args:
        batch: what is asked.
        output: the file; it appears when all is done. A pipe or device is written to as answers come.
        format: as for `write_file`.
        retry_refused: of a run that was stopped, ask again about the pictures it refused.
        through: is given the records on their way to the output, and lets them through.
        then: is given them once more when the output is there; not of a pipe or device.
        report: told in a line what is gone on with.
        progress: told (done, total).

    Returns:
        How many pictures a run before had not done.

    Raises:
        ConfigError: the run that was stopped had another model, other options or other pictures.
        InputError: the output can't be written, or holds what a person wrote; another run is writing it.
    """
    if is_stream(output):
        write_file(through(_each(batch.groups(progress=progress))), output, format)
        return len(batch.pictures)
    total = len(batch.pictures)
    with (
        _alone(output, format),
        Journal.open(journal_of(output), batch.told(), borders=batch.borders) as journal,
    ):
        left = total - journal.count
        if journal.count:
            report(f"continuing: {journal.count:,} of {total:,} are done")
            progress(journal.count, total)
        if retry_refused and journal.count:
            journal.revise(lambda records: _retried(batch, records))
        if journal.count < total:
            for group in batch.groups(journal.count, progress=progress):
                _check_disk(group, batch.pictures[journal.count :])
                journal.add(group)
        _spare_reviewed(output, format)  # a night has passed
        write_file(through(journal.records()), output, format)
        then(journal.records())
        journal.remove()
    return left


def journal_of(output: Path) -> Path:
    """Where a batch keeps what it has done until the output appears: beside it."""
    target = Path(os.path.realpath(output))
    return target.with_name(f"{target.name}.part")


def model_digest(name_or_folder: str | Path) -> str:
    """What tells a model's files from all others.

    Raises:
        ModelNotFoundError: there is no such model.
        ModelFormatError: it is damaged.
    """
    digests = ModelFolder.find(name_or_folder).digests
    return hashlib.sha256(json.dumps(dict(digests), sort_keys=True).encode()).hexdigest()


def _each(groups: Iterable[list[Record]]) -> Iterator[Record]:
    return (record for group in groups for record in group)


def _retried(batch: Batch, records: Iterator[Record]) -> Iterator[Record]:
    """The same records, but what was refused is asked about again."""
    if batch.together is not None:
        raise ConfigError(
            "pictures taken together were fused with what was refused then: begin anew to retry."
        )
    numbered = enumerate(records)
    for refused, run in groupby(numbered, key=lambda item: "error" in item[1]):
        if not refused:
            yield from (record for _, record in run)
            continue
        numbers = [number for number, _ in run]
        yield from _each(batch.groups(numbers[0], numbers[-1] + 1))


def _check_disk(group: Sequence[Record], pictures: Sequence[Listed]) -> None:
    """Stop a run whose pictures have gone with their disk.

    Args:
        group: the records of some pictures.
        pictures: these, and maybe more.

    Raises:
        InputError: none of them is there any more.
    """
    if not all("error" in record for record in group):
        return
    were_there = [str(picture.path) for picture in pictures[: len(group)] if picture.bytes is not None]
    if len(were_there) > 1 and not any(os.path.exists(path) for path in were_there):  # noqa: PTH110
        raise InputError(
            f"{were_there[0]} and the {len(were_there) - 1} pictures after it are gone. What is done is kept: "
            "see that their disk is there, and run the same again."
        )


@contextmanager
def _alone(output: Path, format: str) -> Iterator[None]:
    """Be the only run that writes to an output, and sweep what killed ones left.

    Raises:
        InputError: it can't be written, or must not be.
    """
    target = Path(os.path.realpath(output))
    if target.is_dir():
        raise InputError(f"{output}: is a folder. Give the name of a file in it.")
    if not target.parent.is_dir():
        raise InputError(f"{output}: can't be written (no such folder). Check its folder.")
    with locked(target.parent, f".{target.name}.lock", of=output):
        sweep_for(target)
        sweep_for(journal_of(target))
        _spare_reviewed(output, format)
        yield


def _spare_reviewed(output: Path, format: str) -> None:
    """Keep what a person said of an output's answers: in it, or beside it, where it would be taken to be of others.

    Raises:
        InputError: there is such.
    """
    decisions = decisions_path(output)
    if format == "jsonl" and decisions.exists():
        raise InputError(
            f"{decisions}: is what a person said of the answers in {output.name}. Name another output, or move both "
            "away."
        )
    if output.exists() and _reviewed(output):
        raise InputError(
            f"{output}: holds what a person said of its answers. Name another output, or move this one away."
        )


def _reviewed(output: Path) -> bool:
    """Whether there is a review among the results in a file."""
    with output.open("rb") as lines:
        return any(b'"review": {' in line or b'"review":{' in line for line in lines)


def _version() -> str | None:
    try:
        return version("graticule")
    except PackageNotFoundError:
        return None


def _plain(value: Any) -> Any:
    """An option as plain JSON values; of a reward model or a file with a region, the content counts too."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {name: _plain(part) for name, part in dataclasses.asdict(value).items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, Path):
        return _with_digest(value / "manifest.json")
    if isinstance(value, str) and value.lower().endswith((".geojson", ".json")):
        return _with_digest(Path(value))
    if isinstance(value, Region):
        # Two outlines of one name hardly have the same area to the last bit.
        return [value.name, value.polygon.GetArea()]
    return value


def _with_digest(path: Path) -> list[str | None]:
    return [str(path), hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None]
