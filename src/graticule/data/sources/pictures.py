"""Which pictures a folder holds: plain files, and what lies in its zips and tars, without unpacking any.

A tar may come in parts. Only directories of containers are read. A container that is damaged is reported, and the
others go on.
"""

from __future__ import annotations

import os
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from graticule.data.parts import is_first_part, open_joined
from graticule.data.sources.contract import SCHEMA, Problem, Problems
from graticule.images.batches import SUFFIXES

__all__ = ["list_pictures"]

_FIELDS: Final = ("container", "member", "offset", "size")
_CHUNK: Final = 100_000
_PACKED_TARS: Final = (".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst")
_READ_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_CANT_BE_OPENED: Final = (
    OSError,
    ValueError,  # names that are not what their flag says
    EOFError,
    OverflowError,
    NotImplementedError,
    struct.error,
    zipfile.BadZipFile,
    tarfile.TarError,
)
_TAR_BLOCK: Final = 512
_TAR_MAGIC: Final = slice(257, 262)


def list_pictures(
    root: Path,
    *,
    below: str = "",
    containers: bool = True,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Any, Problems]:
    """Everything with a picture's ending: plain files sorted by path, then the members of each container in its order.

    Names that begin with a dot are passed over, links to folders are not followed.

    Args:
        root: the folder that names are relative to.
        below: look only in this folder of it.
        containers: look into zips and tars too.
        progress: told (done, total) zips and tars.

    Returns:
        A pyarrow table of `container`, `member`, `offset` and `size`, as in `SCHEMA`, and what can't be used.
    """
    found, problems = _Columns(), list[Problem]()
    archives: list[str] = []
    for path in _files(root, below, problems):
        if path.lower().endswith((".zip", ".tar", *_PACKED_TARS)) or _is_tars_first_part(root, path):
            archives.append(path)
        elif _is_picture(path):
            found.add(path, "", -1, -1, problems)
    plain = found.table().sort_by("container")
    found = _Columns()
    for number, path in enumerate(sorted(archives) if containers else (), start=1):
        _list_container(root, path, found, problems)
        progress(number, len(archives))
    return pa.concat_tables([plain, found.table()]), Problems.of(*problems)


class _Columns:
    """Pictures as they are found, kept as columns."""

    def __init__(self) -> None:
        self._rows: list[tuple[str, str, int, int]] = []
        self._batches: list[Any] = []

    def add(self, container: str, member: str, offset: int, size: int, problems: list[Problem]) -> None:
        """One picture; a name that is no text can't stand in any table."""
        try:
            container.encode()
            member.encode()
        except UnicodeEncodeError:
            where = f"{container}/{member}" if member else container
            shown = where.encode(errors="backslashreplace").decode()
            problems.append(Problem(shown, "the picture's name is not UTF-8; rename it"))
            return
        self._rows.append((container, member, offset, size))
        if len(self._rows) >= _CHUNK:
            self._flush()

    def table(self) -> Any:
        """All of them."""
        self._flush()
        return pa.Table.from_batches(self._batches, _SCHEMA)

    def _flush(self) -> None:
        columns = zip(*self._rows, strict=True) if self._rows else ([] for _ in _FIELDS)
        arrays = [pa.array(column, kind) for column, kind in zip(columns, _SCHEMA.types, strict=True)]
        self._batches.append(pa.RecordBatch.from_arrays(arrays, schema=_SCHEMA))
        self._rows = []


_SCHEMA: Final = pa.schema([SCHEMA.field(name) for name in _FIELDS])


def _files(root: Path, folder: str, problems: list[Problem]) -> Iterator[str]:
    """Relative paths, with /, of the files below a folder."""
    folders = [folder]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(root / folder) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    path = f"{folder}/{entry.name}" if folder else entry.name
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(path)
                    elif entry.is_file():
                        yield path
        except OSError as error:
            problems.append(Problem(folder or ".", f"the folder can't be read ({error.strerror})"))


def _is_picture(path: str) -> bool:
    name = path.rpartition("/")[2]
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in SUFFIXES  # noqa: PTH122


def _is_tars_first_part(root: Path, path: str) -> bool:
    if not is_first_part(path.rpartition("/")[2]):
        return False
    try:
        with (root / path).open("rb") as file:
            return file.read(_TAR_BLOCK)[_TAR_MAGIC] == b"ustar"
    except OSError:
        return False


def _list_container(root: Path, path: str, found: _Columns, problems: list[Problem]) -> None:
    if path.lower().endswith(_PACKED_TARS):
        problems.append(Problem(path, "a packed tar can't be read in place; unpack it to a plain .tar"))
        return
    listing = _list_zip if path.lower().endswith(".zip") else _list_tar
    try:
        listing(root, path, found, problems)
    except _CANT_BE_OPENED as error:
        kind = "zip" if listing is _list_zip else "tar"
        problems.append(
            Problem(
                f"{path} ({error})", f"the {kind} is damaged or cut short; copy it again from where it came"
            )
        )


def _list_zip(root: Path, path: str, found: _Columns, problems: list[Problem]) -> None:
    with zipfile.ZipFile(root / path) as file:
        for entry in file.infolist():
            if not _is_picture(entry.filename):
                continue
            if entry.flag_bits & 1 or entry.compress_type not in _READ_METHODS:
                problems.append(
                    Problem(f"{path}/{entry.filename}", "encrypted, or packed neither as stored nor deflated")
                )
            else:
                found.add(path, entry.filename, entry.header_offset, entry.compress_size, problems)


def _list_tar(root: Path, path: str, found: _Columns, problems: list[Problem]) -> None:
    with open_joined(root / path) as raw, tarfile.open(fileobj=raw, mode="r:") as file:
        length = raw.seek(0, os.SEEK_END)
        raw.seek(0)
        while (entry := file.next()) is not None:
            # The module keeps every member it has met: of millions, that is gigabytes.
            file.members = []  # type: ignore[attr-defined]
            if not _is_picture(entry.name) or not entry.isreg() or entry.issparse():
                continue
            if entry.offset_data + entry.size > length:
                raise tarfile.ReadError("unexpected end of data")
            found.add(path, entry.name, entry.offset_data, entry.size, problems)
        # At a header it can't read the module stops as at the end: two blocks of zeros, of which one will do.
        raw.seek(file.offset)
        if raw.read(_TAR_BLOCK).strip(b"\0") or file.offset >= length:
            raise tarfile.ReadError(f"no header at byte {file.offset}")
