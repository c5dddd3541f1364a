"""A position into the picture itself: a checked copy takes its place, and the original stays beside it.

The original's file is never written to. It gets a second name, `picture.jpg_original`, as exiftool has it; then the
copy takes the first. At every moment there is a whole picture under the picture's name.
"""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from graticule.errors import InputError, PictureError
from graticule.images.exif import read_exif
from graticule.images.open import open_picture
from graticule.metadata.decide import Placement
from graticule.metadata.exiftool import copy_with
from graticule.metadata.existing import Existing, read_existing
from graticule.metadata.files import (
    digest,
    open_new,
    put_in_place,
    sync_folder,
    take_after,
    temporary,
    unnamed_temporary,
)
from graticule.metadata.journal import Change, Journal
from graticule.metadata.note import exif_tags
from graticule.metadata.xmp import EMPTY, insertion

__all__ = ["Embedding", "plan_embedding"]

_FORMATS: Final = ("JPEG", "PNG", "TIFF", "WEBP")
"""What exiftool can write both EXIF and XMP into, of the formats that Graticule reads."""
_WRAPPER: Final = re.compile(rb"<\?xpacket [^>]*\?>")
_SAME_DEGREES: Final = 1e-6
_LEAVE_OUT: Final = "Leave out --in-place for a sidecar."


@dataclass(frozen=True, slots=True)
class Embedding:
    """A picture that is to be written to."""

    target: Path
    placement: Placement
    packet: bytes
    """The XMP it shall have: what it has now, and more."""
    exiftool: str

    def write(self, journal: Journal) -> None:
        """Write it, noted in the journal first.

        Raises:
            InputError: it can't be written to, or what came out is not the picture.
            OSError: the copy or the backup can't be written.
        """
        beside = temporary(self.target)
        journal.temporary(beside)
        try:
            status = self.target.stat()
            before = digest(self.target)
            backup = self._free_backup(journal, before)
            self._copy(beside, journal)
            self._check(beside)
            change = Change(
                target=str(self.target), before=before, after=digest(beside) or "", backup=str(backup)
            )
            journal.change(change)
            _second_name(self.target, backup)
            if _moved_on(status, self.target.stat()):
                raise InputError(f"{self.target}: another program changed it just now; it is not touched.")
            put_in_place(beside, self.target)
        finally:
            beside.unlink(missing_ok=True)

    def _free_backup(self, journal: Journal, before: str | None) -> Path:
        """Where the original goes. What lies there from before Graticule is somebody's only original, maybe."""
        backup = self.target.with_name(f"{self.target.name}_original")
        there = digest(backup)
        if there is not None and not (
            there == before and before is not None and journal.made_backup(backup, before)
        ):
            raise InputError(
                f"{self.target}: {backup.name} is there already, and is not overwritten. Move it away, or leave out "
                "--in-place."
            )
        return backup

    def _copy(self, beside: Path, journal: Journal) -> None:
        packet = unnamed_temporary()
        journal.temporary(packet)
        try:
            with open_new(packet) as file:
                file.write(self.packet)
            with self.target.open("rb") as picture, open_new(beside) as copy:
                copy_with(
                    self.exiftool,
                    picture,
                    copy,
                    name=str(self.target),
                    tags=exif_tags(self.placement),
                    packet=packet,
                )
                take_after(beside, self.target)
                os.fsync(copy.fileno())
        finally:
            packet.unlink(missing_ok=True)

    def _check(self, copy: Path) -> None:
        """Read the copy back, by other code than wrote it: its position, its XMP, and every pixel."""
        exif, packets = read_exif(copy), read_existing(copy).packets
        placed = (
            exif.latitude is not None
            and exif.longitude is not None
            and abs(exif.latitude - self.placement.latitude) < _SAME_DEGREES
            and abs(exif.longitude - self.placement.longitude) < _SAME_DEGREES
        )
        if not placed or [_told(packet) for packet in packets] != [_told(self.packet)]:
            raise PictureError(
                f"{self.target}: what exiftool wrote does not read back; it is not touched. {_LEAVE_OUT}"
            )
        if not np.array_equal(np.asarray(open_picture(self.target)), np.asarray(open_picture(copy))):
            raise PictureError(
                f"{self.target}: the copy has other pixels; the picture is not touched. {_LEAVE_OUT}"
            )


def plan_embedding(
    picture: Path, existing: Existing, placement: Placement, properties: dict[str, str], exiftool: str
) -> Embedding:
    """What a picture shall be.

    Args:
        picture: The picture; it is there.
        existing: What it says of itself; no position.
        placement: Where it is placed.
        properties: The XMP properties of that.
        exiftool: The program.

    Raises:
        InputError: it is of a kind that is not written to.
    """
    if picture.is_symlink():
        raise InputError(
            f"{picture}: a link to a picture elsewhere; it is not touched. Name the picture itself."
        )
    if existing.format not in _FORMATS:
        raise InputError(f"{picture}: a position can't be written into a {existing.format}. {_LEAVE_OUT}")
    if existing.doubtful:
        raise InputError(
            f"{picture}: its EXIF has GPS that can't be true, and what a camera wrote is not written over. {_LEAVE_OUT}"
        )
    if existing.extended or len(existing.packets) > 1:
        raise InputError(f"{picture}: its XMP is in several parts, which are not touched. {_LEAVE_OUT}")
    packet = existing.packets[0] if existing.packets else EMPTY
    found = insertion(packet, properties, str(picture))
    return Embedding(picture, placement, found.into(packet), exiftool)


def _told(packet: bytes) -> bytes:
    """A packet without the lines around it, which exiftool adds where they lack, and changes in a PNG."""
    return _WRAPPER.sub(b"", packet).strip()


def _second_name(picture: Path, backup: Path) -> None:
    """Give the original its second name; where a file can have but one, a copy is the backup."""
    if backup.exists():
        return  # of a run that was killed
    try:
        backup.hardlink_to(picture)
        sync_folder(backup.parent)
    except OSError:
        beside = temporary(backup)
        try:
            shutil.copy2(picture, beside)
            with beside.open("rb+") as file:
                os.fsync(file.fileno())
            put_in_place(beside, backup)
        finally:
            beside.unlink(missing_ok=True)


def _moved_on(before: os.stat_result, now: os.stat_result) -> bool:
    return (before.st_ino, before.st_size, before.st_mtime_ns) != (now.st_ino, now.st_size, now.st_mtime_ns)
