"""exiftool as a process that makes a copy of a picture with other metadata.

It reads the picture from its standard input and writes the copy to its standard output. So it never opens a picture for
writing, and never sees a file's name: no name can be taken for an option, and none is too odd.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, Final

from graticule.errors import ConfigError, PictureError

__all__ = ["copy_with", "find_exiftool"]

_TIMEOUT_S: Final = 300
_TAKEN: Final = ("GPSLatitude", "GPSLongitude", "GPSHPositioningError", "GPSProcessingMethod")
"""With any of these in any of its metadata, exiftool is told to leave a picture alone."""


def find_exiftool() -> str:
    """The exiftool on the PATH.

    Raises:
        ConfigError: there is none.
    """
    found = shutil.which("exiftool")
    if found is None:
        raise ConfigError(
            "exiftool is not on the PATH, and writing into pictures needs it: install it (exiftool.org; "
            "libimage-exiftool-perl in Debian), or leave out --in-place for sidecars."
        )
    return found


def copy_with(
    exiftool: str, picture: BinaryIO, copy: BinaryIO, *, name: str, tags: Mapping[str, str], packet: Path
) -> None:
    """Copy a picture with further EXIF tags, and with an XMP packet in place of the one it has.

    Args:
        exiftool: The program, as `find_exiftool` gives it.
        picture: A file, open for reading.
        copy: A file, open for writing.
        name: What messages call the picture.
        tags: EXIF tags by exiftool's names.
        packet: A file that holds the XMP; of a name that no one chose, as exiftool reads more into some.

    Raises:
        PictureError: exiftool finds GPS in it, or can't write it.
    """
    command = [exiftool, "-config", "", "-n"]  # without the user's own settings; numbers, not words
    command += ["-if", " and ".join(f"not defined ${tag}" for tag in _TAKEN)]
    command += [f"-EXIF:{tag}={value}" for tag, value in tags.items()]
    command += [f"-XMP<={packet}", "-o", "-", "-"]
    try:
        done = subprocess.run(
            command, stdin=picture, stdout=copy, stderr=subprocess.PIPE, timeout=_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise PictureError(f"{name}: exiftool took more than {_TIMEOUT_S} s, and was stopped.") from error
    said = " ".join(done.stderr.decode(errors="replace").split())
    if "failed condition" in said:
        raise PictureError(f"{name}: exiftool finds GPS in its metadata; it is not touched.")
    if done.returncode != 0:
        raise PictureError(f"{name}: exiftool can't write it ({said[:200] or f'status {done.returncode}'}).")
