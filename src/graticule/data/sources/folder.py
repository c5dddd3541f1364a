"""A folder of one's own photos, with places in their EXIF or in a table.

*.csv    one with columns path,latitude,longitude (or lat,lon), if there is one: it decides, and only pictures it
         names are used; further columns named as in `LABELS` are read. What `graticule locate` wrote is none: its
         answers are not where pictures were taken
**/*     pictures; without a table, those with a trustworthy place in their EXIF are used
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar, Final

import pyarrow as pa
import pyarrow.compute as pc

from graticule.data.sources.contract import LABELS, SCHEMA, Problem, Problems, Progress, Scan
from graticule.data.sources.match import match
from graticule.data.sources.pictures import list_pictures
from graticule.data.sources.tables import Columns, find_table, headers, read_rows
from graticule.images.exif import ExifReading, read_exif

__all__ = ["Folder"]

_COLUMNS: Final = Columns(
    ["path"], labels={label: [label] for label in LABELS}, unless=("radius_km", "cell", "model")
)
_THREADS: Final = 8
"""Headers of a disk that answers in milliseconds come several times faster so; where all is in memory already, one
thread would be a fifth faster."""
_AT_ONCE: Final = 512


class Folder:
    """A folder of photos. A picture's id is its path in the folder."""

    name: ClassVar[str] = "folder"
    splits: ClassVar[tuple[str, ...]] = ()

    def scan(
        self,
        path: Path,
        *,
        split: str | None = None,
        progress: Progress = lambda done, total: None,
        truth: Path | None = None,
        dated: bool = False,
    ) -> Scan:
        """Look what is there: see `Source.scan`.

        Args:
            path: the folder.
            split: it has none.
            progress: told how far it is.
            truth: the table, which may lie elsewhere; one that lies in the folder if not given.
            dated: where the table does not say when a picture was taken, its EXIF does.

        Raises:
            TableError: the table can't be used, or there are several.
        """
        pictures = list_pictures(path, containers=False)
        table = truth or find_table(path, _COLUMNS)
        if table is None:
            scan = _from_exif(path, *pictures, progress)
        else:
            rows = read_rows(table, _COLUMNS)
            scan = match(self.name, rows, pictures, wanted=_posix, names=lambda found: found["container"])
            if dated:
                scan = Scan(scan.name, _dated(path, scan.records, progress), scan.problems)
        return Scan(self.name, scan.records, Problems.join(_passed_over(path, table), scan.problems))


def _from_exif(root: Path, pictures: Any, problems: Problems, progress: Progress) -> Scan:
    """The pictures that say themselves where they were taken."""
    used, lat, lon, taken, without = [], [], [], [], []
    paths = pictures["container"].to_pylist()
    for row, (path, reading) in enumerate(zip(paths, _readings(root, paths, progress), strict=True)):
        if reading.latitude is None or reading.longitude is None:
            without.append(Problem(path, reading.problem or "no place in its EXIF"))
            continue
        used.append(row)
        lat.append(reading.latitude)
        lon.append(reading.longitude)
        taken.append(_when(reading))
    found = pictures.take(pa.array(used, pa.int64()))
    columns = {"id": found["container"], "latitude": lat, "longitude": lon, "captured_at": taken}
    columns |= {field: found[field] for field in found.column_names}
    nothing = pa.nulls(len(used), pa.string())
    records = pa.table([columns.get(field, nothing) for field in SCHEMA.names], schema=SCHEMA)
    return Scan(Folder.name, records, Problems.join(problems, Problems.of(*without)))


def _dated(root: Path, records: Any, progress: Progress) -> Any:
    """Records whose `captured_at` is that of their EXIF where the table has none."""
    undated = pc.is_null(records["captured_at"])
    paths = records["container"].filter(undated).to_pylist()
    taken = [_when(reading) for reading in _readings(root, paths, progress)]
    filled = pc.replace_with_mask(
        records["captured_at"].combine_chunks(), undated.combine_chunks(), pa.array(taken, pa.string())
    )
    return records.set_column(SCHEMA.get_field_index("captured_at"), SCHEMA.field("captured_at"), filled)


def _readings(root: Path, paths: list[str], progress: Progress) -> Iterator[ExifReading]:
    """What the EXIF of each file says, in order; some headers at once are waited for."""
    with ThreadPoolExecutor(_THREADS, "graticule-exif") as pool:
        for start in range(0, len(paths), _AT_ONCE):
            some = paths[start : start + _AT_ONCE]
            yield from pool.map(read_exif, [root / path for path in some])
            progress(start + len(some), len(paths))


def _when(reading: ExifReading) -> str | None:
    return None if reading.taken_at is None else reading.taken_at.isoformat()


def _passed_over(root: Path, table: Path | None) -> Problems:
    """Tables that may be taken to count, and do not: answers always, others where no table is read."""
    found = []
    for path, header in headers(root).items():
        if _COLUMNS.of_another_kind(header):
            found.append(Problem(path.name, "holds answers of graticule locate, not places; not read"))
        elif table is None:
            found.append(Problem(path.name, f"a table without the columns {_COLUMNS}; not read"))
    return Problems.of(*found)


def _posix(paths: Any) -> Any:
    """Paths as `list_pictures` writes them: with /, and without ./ before them."""
    return pc.replace_substring_regex(pc.replace_substring(paths, "\\", "/"), r"^(\./+)+", "")
