"""Files that runs leave and later ones read: results, decisions, journals, tables and tracks."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from random import Random
from typing import Final

from fuzz.edits import bytes_edit, lines_edit, mixed
from fuzz.target import Target
from fuzz.targets.asgi import ask
from fuzz.targets.files import folder
from graticule.batch import journal as batch_journal
from graticule.data.truth import read_truth
from graticule.errors import GraticuleError
from graticule.fusing.track import read_gpx
from graticule.metadata import journal as write_journal
from graticule.metadata.decisions import read_decisions
from graticule.metadata.results import read_results
from graticule.serving.app import create_app
from graticule.serving.review import Batch
from graticule.serving.service import Service
from graticule.serving.settings import Settings

_RESULTS: Final = "\n".join(
    json.dumps(line)
    for line in (
        {"path": "a.jpg", "latitude": 48.8, "longitude": 2.3, "radius_km": 9.5, "circles_km": {"50": 2.0}, "model": "m",
         "candidates": [{"latitude": 48.8, "longitude": 2.3, "probability": 0.5, "cell": "47e67"}],
         "place": {"text": "Paris"}, "file": {"bytes": 9, "modified": 1.5}, "review": {"status": "confirmed"}},
        {"path": "b.jpg", "not_sure": {"probability": 0.2, "within_km": 25.0, "circle":
         {"latitude": 1.0, "longitude": 2.0, "radius_km": 900.0}}, "candidates": []},
        {"path": "c.jpg", "error": {"type": "PictureError", "message": "c.jpg: the file is empty."}},
    )
).encode() + b"\n"  # fmt: skip
_DECISIONS: Final = (
    b'{"index": 0, "path": "a.jpg", "review": {"status": "moved", "latitude": 1.5, "longitude": 2.5, "note": "n"}}\n'
    b'{"index": 2, "path": "c.jpg", "review": {"status": "rejected"}}\n{"index": 0, "path": "a.jpg", "review": null}\n'
)
_WRITTEN: Final = (
    b'{"run": {"format": 1, "results": "r.jsonl"}}\n{"temporary": "a.xmp"}\n{"change": {"target": "a.xmp", '
    b'"before": null, "after": "00", "inserted": [5, 9], "backup": null}}\n'
)
_BATCH: Final = {"format": 1, "model": "m", "pictures": 3, "list": "00"}
_DONE: Final = json.dumps({"batch": _BATCH}).encode() + b"\n" + _RESULTS
_TRUTH: Final = b'path,lat,lon,more\na.jpg,48.8,2.3,x\n"b,c.jpg",-90,180,\n'
_TRACK: Final = (
    b'<?xml version="1.0"?><gpx xmlns="http://www.topografix.com/GPX/1/1"><trk><trkseg>'
    b'<trkpt lat="48.8" lon="2.3"><time>2021-07-14T10:33:05Z</time></trkpt>'
    b'<trkpt lat="48.9" lon="2.4"><time>2021-07-14T10:43:05+02:00</time></trkpt></trkseg></trk></gpx>'
)


def _results(path: Path) -> None:
    for _, answer in read_results(path).answers:
        assert answer.latitude is None or (abs(answer.latitude) <= 90 and abs(answer.longitude or 0) <= 180)


def _decisions(path: Path) -> None:
    for review in read_decisions(path.with_name("results.jsonl")).values():
        assert review[1] is None or review[1].status in ("confirmed", "moved", "rejected")
    read_results(path.with_name("results.jsonl"))


def _reviewed(path: Path) -> None:
    """What `graticule review` shows and exports."""
    batch = Batch(path.with_name("results.jsonl"))
    list(batch.merged())
    answer = ask(create_app(Service({}, Settings()), batch), "GET", "/v1/review")
    assert answer.status == 200
    assert len(json.loads(answer.body, parse_constant=_no_number)["results"]) == len(batch)
    assert 0 <= batch.decided <= len(batch)


def _no_number(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


def _written(path: Path) -> None:
    with write_journal.Journal.open(path, create=False) as journal:
        assert all(isinstance(change.target, str) for change in journal.changes)


def _resumed(path: Path) -> None:
    borders = [2, 3]
    with batch_journal.Journal.open(path, _BATCH, borders=borders) as journal:
        assert journal.count in (0, *borders)
        assert len(list(journal.records())) == journal.count


def _truth(path: Path) -> None:
    for row in read_truth(path):
        assert abs(row.latitude) <= 90
        assert abs(row.longitude) <= 180


def _track(path: Path) -> None:
    track = read_gpx(path)
    assert (track.seconds[1:] > track.seconds[:-1]).all()
    lat, lon, hours = track.at(float(track.seconds[0]) + 1)
    assert abs(lat) <= 90
    assert abs(lon) <= 180
    assert math.isfinite(hours)


_READERS: Final[tuple[tuple[str, bytes, Callable[[Path], None]], ...]] = (
    ("results.jsonl", _RESULTS, _results),
    ("results.review.jsonl", _DECISIONS, _decisions),
    ("results.jsonl", _RESULTS, _reviewed),
    ("results.review.jsonl", _DECISIONS, _reviewed),
    ("results.write-journal.jsonl", _WRITTEN, _written),
    ("results.jsonl.part", _DONE, _resumed),
    ("truth.csv", _TRUTH, _truth),
    ("track.gpx", _TRACK, _track),
)
"""The file, an honest one, and what reads it, in the order that an input's first byte counts them."""


@cache
def seeds() -> list[bytes]:
    """An honest file for each reader."""
    return [bytes([number]) + whole for number, (_, whole, _) in enumerate(_READERS)]


def one(data: bytes) -> None:
    """Write the file, honest others beside it, and read it."""
    name, _, read = _READERS[data[0] % len(_READERS) if data else 0]
    here = folder("results")
    for other, whole, _ in _READERS[:2]:
        (here / other).write_bytes(whole)
    path = here / name
    path.write_bytes(data[1:])
    try:
        read(path)
    except GraticuleError as error:
        assert str(here) in str(error), error


def edit(data: bytes, chance: Random, seeds: Sequence[bytes]) -> bytes:
    """Break a line, mostly as JSON."""
    if not data or chance.randrange(20) == 0:
        return bytes([chance.randrange(len(_READERS))]) + data[1:]
    own = [seed[1:] for seed in seeds]
    return data[:1] + mixed(lines_edit, lines_edit, bytes_edit)(data[1:], chance, own)


TARGET = Target(
    name="results",
    door="metadata.read_results, read_decisions and Journal, serving.review.Batch, batch.Journal, "
    "data.truth.read_truth, fusing.track.read_gpx",
    promise="what the file says, or a GraticuleError that names it",
    seeds=seeds,
    one=one,
    edit=edit,
)
