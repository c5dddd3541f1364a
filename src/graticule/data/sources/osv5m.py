"""OpenStreetView-5M: 5.1 million street views (Astruc et al. 2024, https://arxiv.org/abs/2404.18873).

    train.csv, test.csv          id,latitude,longitude,country,region,sub-region,city,sequence,captured_at and more
    images/train/00.zip ... 97.zip   {id}.jpg, in a folder inside or not
    images/test/00.zip ... 04.zip    the same

Zips are read in place; a folder they were unpacked to does as well.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Final

import pyarrow.compute as pc

from graticule.data.sources.contract import Progress, Scan
from graticule.data.sources.match import base_names, match
from graticule.data.sources.pictures import list_pictures
from graticule.data.sources.tables import Columns, read_rows
from graticule.errors import InputError, TableError

__all__ = ["Osv5m"]

_COLUMNS: Final = Columns(
    ["id"],
    ["latitude"],
    ["longitude"],
    {
        "country": ["country"],
        "region": ["region"],
        "sub_region": ["sub-region"],
        "city": ["city"],
        "author": ["creator_username"],
        "sequence": ["sequence"],
        "captured_at": ["captured_at"],
    },
)


class Osv5m:
    """OSV-5M as published."""

    name: ClassVar[str] = "osv5m"
    splits: ClassVar[tuple[str, ...]] = ("train", "test")

    def scan(
        self, path: Path, *, split: str | None = None, progress: Progress = lambda done, total: None
    ) -> Scan:
        """Look what is there: see `Source.scan`."""
        table, images = path / f"{split}.csv", f"images/{split}"
        if not table.is_file():
            raise TableError(f"{table}: no such file; name the folder that holds it and {images}/.")
        if not (path / images).is_dir():
            raise InputError(f"{path / images}: no such folder; put the zips of {split} there, as published.")
        rows = read_rows(table, _COLUMNS)
        pictures = list_pictures(path, below=images, progress=progress)
        return match(self.name, rows, pictures, wanted=_file_names, names=base_names)


def _file_names(ids: Any) -> Any:
    return pc.binary_join_element_wise(ids, ".jpg", "")
