"""XMP sidecars: a file beside the picture, so that the picture itself is never opened for writing.

Two ways of naming them are in use:

    full    picture.jpg.xmp     darktable, digiKam and Immich; one for each of picture.jpg and picture.png
    stem    picture.xmp         Adobe's programs and Capture One; shared by all files of that stem

A sidecar that another program wrote is kept to the last byte; ours goes into it as one more description.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from graticule.errors import InputError
from graticule.images.batches import SUFFIXES
from graticule.metadata.files import put_in_place, read_plain, temporary, write_beside
from graticule.metadata.journal import Change, Journal
from graticule.metadata.note import GRATICULE
from graticule.metadata.xmp import EMPTY, has_position, insertion

__all__ = ["Naming", "Sidecar", "plan_sidecar", "position_beside"]

Naming = Literal["full", "stem"]

_LONGEST: Final = 1 << 24


@dataclass(frozen=True, slots=True)
class Sidecar:
    """A sidecar that is to be written."""

    picture: Path
    target: Path
    before: bytes | None
    """What the file holds now; None if there is none."""
    after: bytes
    inserted: tuple[int, int] | None

    def write(self, journal: Journal) -> None:
        """Write it, noted in the journal first.

        Raises:
            InputError: it changed since it was planned.
            OSError: it can't be written.
        """
        journal.change(
            Change(
                target=str(self.target),
                before=None if self.before is None else _sha256(self.before),
                after=_sha256(self.after),
                inserted=self.inserted,
            )
        )
        new = self.before is None
        try:
            beside = write_beside(self.target, self.after, self.picture if new else self.target, private=new)
            if read_plain(self.target, _LONGEST) != self.before:
                raise InputError(f"{self.target}: another program changed it just now; it is not touched.")
            put_in_place(beside, self.target)
        finally:
            temporary(self.target).unlink(missing_ok=True)


def position_beside(picture: Path) -> str | None:
    """The words for a position that a sidecar of the picture has, under either name; None if none has one.

    Raises:
        InputError: a sidecar is no plain file.
        OSError: it can't be read.
    """
    for path in (*_spellings(picture, "full"), *_spellings(picture, "stem")):
        found = read_plain(path, _LONGEST)
        if found is not None and has_position(found):
            by_us = GRATICULE.encode() in found
            return "its sidecar has Graticule's estimate already" if by_us else "its sidecar has GPS"
    return None


def plan_sidecar(picture: Path, properties: Mapping[str, str], naming: Naming) -> Sidecar:
    """What the sidecar of a picture shall be.

    Args:
        picture: The picture; it is there.
        properties: By prefixed name.
        naming: How the sidecar is called.

    Raises:
        InputError: it would be another picture's too, or there is one that can't take more.
        OSError: the one that is there can't be read.
    """
    target = _sidecar_path(picture, naming)
    if naming == "stem":
        _refuse_shared(picture, target)
    before = read_plain(target, _LONGEST)
    packet = EMPTY if before is None else before
    found = insertion(packet, properties, str(target))
    inserted = None if before is None else (found.at, len(found.text))
    return Sidecar(picture, target, before, found.into(packet), inserted)


def _sidecar_path(picture: Path, naming: Naming) -> Path:
    path, shouted = _spellings(picture, naming)
    return shouted if shouted.exists() and not path.exists() else path


def _spellings(picture: Path, naming: Naming) -> tuple[Path, Path]:
    """What a sidecar may be called: as usual, and in capitals, as some programs, and those for Windows, write it."""
    path = picture.with_name(picture.name + ".xmp") if naming == "full" else picture.with_suffix(".xmp")
    return path, path.with_suffix(".XMP")


def _refuse_shared(picture: Path, target: Path) -> None:
    """A position in picture.xmp would be that of picture.png as well as of picture.jpg."""
    for suffix in sorted(SUFFIXES | {suffix.upper() for suffix in SUFFIXES}):
        other = picture.with_suffix(suffix)
        if other.name != picture.name and other.exists() and not other.samefile(picture):
            raise InputError(
                f"{picture}: {target.name} would be the sidecar of {other.name} too. Leave out --sidecars stem."
            )


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
