"""A folder of one's own photos, with places in their EXIF or in a table.

*.csv    one with columns path,latitude,longitude (or lat,lon), if there is one: it decides, and only pictures it
         names are used; further columns named as in `LABELS` are read. What `graticule locate` wrote is none: its
         answers are not where pictures were taken
**/*     pictures; without a table, those with a trustworthy place in their EXIF are used
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Final

import pyarrow as pa
import pyarrow.compute as pc

from graticule.data.sources.contract import LABELS, SCHEMA, Problem, Problems, Scan
from graticule.data.sources.match import match
from graticule.data.sources.pictures import list_pictures
from graticule.data.sources.tables import Columns, find_table, headers, read_rows
from graticule.images.exif import read_exif

__all__ = ["Folder"]

_COLUMNS: Final = Columns(
    ["path"], labels={label: [label] for label in LABELS}, unless=("radius_km", "cell", "model")
)


class Folder:
    """A folder of photos. A picture's id is its path in the folder."""

    name: ClassVar[str] = "folder"
    splits: ClassVar[tuple[str, ...]] = ()

    def scan(self, path: Path, *, split: str | None = None) -> Scan:
        """Look what is there: see `Source.scan`."""
        pictures = list_pictures(path, containers=False)
        table = find_table(path, _COLUMNS)
        if table is None:
            scan = self._from_exif(path, *pictures)
        else:
            rows = read_rows(table, _COLUMNS)
            scan = match(self.name, rows, pictures, wanted=_posix, names=lambda found: found["container"])
        return Scan(self.name, scan.records, Problems.join(_passed_over(path, table), scan.problems))

    def _from_exif(self, root: Path, pictures: Any, problems: Problems) -> Scan:
        """The pictures that say themselves where they were taken."""
        used, lat, lon, taken, without = [], [], [], [], []
        for row, path in enumerate(pictures["container"].to_pylist()):
            reading = read_exif(root / path)
            if reading.latitude is None or reading.longitude is None:
                without.append(Problem(path, reading.problem or "no place in its EXIF"))
                continue
            used.append(row)
            lat.append(reading.latitude)
            lon.append(reading.longitude)
            taken.append(None if reading.taken_at is None else reading.taken_at.isoformat())
        found = pictures.take(pa.array(used, pa.int64()))
        columns = {"id": found["container"], "latitude": lat, "longitude": lon, "captured_at": taken}
        columns |= {field: found[field] for field in found.column_names}
        nothing = pa.nulls(len(used), pa.string())
        records = pa.table([columns.get(field, nothing) for field in SCHEMA.names], schema=SCHEMA)
        return Scan(self.name, records, Problems.join(problems, Problems.of(*without)))


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
