"""The form that data sets of Flickr photos share: a table with IMG_ID, LAT and LON, and JPEGs named by IMG_ID."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pyarrow.compute as pc

from graticule.data.sources.contract import Progress, Scan
from graticule.data.sources.match import base_names, match
from graticule.data.sources.pictures import list_pictures
from graticule.data.sources.tables import Columns, describe_tables, find_table, read_rows
from graticule.errors import TableError

__all__ = ["FlickrSource"]


class FlickrSource:
    """A table in the folder, and pictures anywhere below it: files, or inside tars and zips."""

    name: ClassVar[str]
    splits: ClassVar[tuple[str, ...]] = ()
    tables: ClassVar[tuple[str, ...]]
    """The published names of its table, best first; any other name will do if there is but one."""
    columns: ClassVar[Columns]

    def scan(
        self, path: Path, *, split: str | None = None, progress: Progress = lambda done, total: None
    ) -> Scan:
        """Look what is there: see `Source.scan`."""
        table = find_table(path, self.columns, published=self.tables)
        if table is None:
            raise TableError(
                f"{path}: {self.name} needs a CSV file there with columns {self.columns}; {describe_tables(path)}."
            )
        rows, pictures = read_rows(table, self.columns), list_pictures(path, progress=progress)
        return match(self.name, rows, pictures, wanted=_file_names, names=base_names)


def _file_names(ids: Any) -> Any:
    """Ids hold the folders of the first download; files are stored with _ for /."""
    return pc.replace_substring(ids, "/", "_")
