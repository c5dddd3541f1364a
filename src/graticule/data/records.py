"""Reading one picture of a source, wherever its bytes lie: a file, a zip or a tar, in place.

A container is opened anew for each picture: that costs microseconds, and no handle is shared by threads or forks.
"""

from __future__ import annotations

import errno
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path, PureWindowsPath
from typing import Any, BinaryIO, Final

from graticule.data.parts import open_joined
from graticule.errors import InputError, PictureError
from graticule.images.open import MAX_BYTES

__all__ = ["leads_outside", "read_picture"]

# A zip's entry: signature, version, flags, method, time, date, CRC-32, packed and plain size, lengths of name and
# extra field (APPNOTE.TXT 4.3.7).
_ENTRY: Final = struct.Struct("<4s5H3L2H")
_SIGNATURE: Final = b"PK\x03\x04"
_UTF8: Final = 0x800
_SIZES_FOLLOW: Final = 0x8
_STORED, _DEFLATED = 0, 8
# What follows the packed bytes where sizes do: maybe a signature, then the CRC-32 (4.3.9).
_FOLLOWING: Final = struct.Struct("<2L")
_FOLLOWS: Final = 0x08074B50

_PASSING: Final = frozenset(
    {
        errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENXIO, errno.ENODEV
    }
)  # fmt: skip
"""Errors of a disk, a network or a machine, not of a picture."""
_AGAIN: Final = "That is no fault of the picture: mend the cause and run the same again."


def read_picture(root: Path, row: Mapping[str, Any]) -> bytes:
    """The bytes of one record's picture.

    Args:
        root: the source's folder.
        row: of `Scan.records`; `container`, `member`, `offset` and `size` are used.

    Raises:
        PictureError: it is missing, damaged, too large, or outside the folder.
        InputError: the disk or the machine fails, so that nothing can be said of the picture.
    """
    container, member = row["container"], row["member"]
    name = str(root / container / member) if member else str(root / container)
    if leads_outside(container):
        raise PictureError(f"{name}: leads out of the source's folder. Scan the source again.")
    try:
        if not member:
            return _plain(root / container, name)
        with open_joined(root / container) as file:
            file.seek(row["offset"])
            if container.lower().endswith(".zip"):
                return _zipped(file, row["size"], member, name)
            return _exactly(file, row["size"], name)
    except MemoryError as error:
        raise InputError(f"{name}: can't be read now (no memory left). {_AGAIN}") from error
    except (OSError, ValueError) as error:  # ValueError: a name with a null byte, an offset below zero
        if isinstance(error, OSError) and error.errno in _PASSING:
            raise InputError(f"{name}: can't be read now ({error.strerror}). {_AGAIN}") from error
        raise PictureError(f"{name}: can't be read ({error}). Scan the source again.") from error


def leads_outside(path: str) -> bool:
    """Whether a relative path with / may lead out of the folder it starts from."""
    # Windows' rules know both slashes and drives: what they hold harmless is harmless everywhere.
    taken = PureWindowsPath(path)
    return bool(taken.anchor) or ".." in taken.parts or not taken.parts


def _plain(path: Path, name: str) -> bytes:
    size = path.stat().st_size
    _refuse_large(size, name)
    return path.read_bytes()


def _zipped(file: BinaryIO, size: int, member: str, name: str) -> bytes:
    """Unpack the entry a zip's file stands at; `size` is that of its packed bytes."""
    fields = _ENTRY.unpack(_exactly(file, _ENTRY.size, name))
    signature, _, flags, method, _, _, crc, _, _, name_length, extra_length = fields
    called = _exactly(file, name_length, name).decode("utf-8" if flags & _UTF8 else "cp437", "replace")
    if signature != _SIGNATURE or called != member:
        raise PictureError(f"{name}: is not where the records say. Scan the source again.")
    file.seek(extra_length, 1)
    packed = _exactly(file, size, name)
    data = _inflated(packed, name) if method == _DEFLATED else packed
    sums = _sums_after(file) if flags & _SIZES_FOLLOW else {crc}
    if method not in (_STORED, _DEFLATED) or zlib.crc32(data) not in sums:
        raise PictureError(f"{name}: damaged inside its zip. Copy the zip again from where it came.")
    return data


def _sums_after(file: BinaryIO) -> set[int]:
    """What the checksum may be where it follows the packed bytes: some writers leave out the signature before it."""
    data = file.read(_FOLLOWING.size)
    if len(data) < _FOLLOWING.size:
        return set()
    first, second = _FOLLOWING.unpack(data)
    return {first, second} if first == _FOLLOWS else {first}


def _inflated(packed: bytes, name: str) -> bytes:
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        data = inflate.decompress(packed, MAX_BYTES + 1)
    except zlib.error as error:
        raise PictureError(f"{name}: damaged inside its zip ({error}). Copy the zip again.") from error
    _refuse_large(len(data), name)
    if not inflate.eof:
        raise PictureError(f"{name}: damaged inside its zip (it ends too soon). Copy the zip again.")
    return data


def _exactly(file: BinaryIO, size: int, name: str) -> bytes:
    _refuse_large(size, name)
    data = file.read(max(size, 0))
    if len(data) != size:
        raise PictureError(f"{name}: its container is cut short. Copy that again from where it came.")
    return data


def _refuse_large(size: int, name: str) -> None:
    if size > MAX_BYTES:
        raise PictureError(f"{name}: {size / 2**30:.1f} GiB, the limit is 1 GiB. Save a smaller copy.")
