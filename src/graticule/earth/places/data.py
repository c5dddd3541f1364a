"""The data of places, from a file inside the package that `tools/vendor_places.py` makes.

Each array is read when it is first asked for; names lie there once for each language.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from typing import Any, Final

import numpy as np
import shapely
from numpy.typing import NDArray

from graticule.errors import InputError

__all__ = ["LANGUAGES", "find_language", "names", "polygons", "table", "unpacked"]

LANGUAGES: Final = (
    *("ar", "bn", "de", "el", "en", "es", "fa", "fr", "he", "hi", "hu", "id", "it"),
    *("ja", "ko", "nl", "pl", "pt", "ru", "sv", "tr", "uk", "ur", "vi", "zh", "zht"),
)
"""Those that names can be had in, by ISO 639-1; `zht` is Chinese in traditional characters."""
_ALSO: Final = {"zh-hant": "zht", "zh-tw": "zht", "zh-hk": "zht", "iw": "he", "in": "id"}


def find_language(language: str) -> str:
    """The one of `LANGUAGES` that is meant: `pt` by `pt-BR`, `zht` by `zh-Hant`, in any case.

    Raises:
        InputError: There are no names in that language.
    """
    asked = language.strip().lower().replace("_", "-")
    for known in (_ALSO.get(asked), asked, asked.partition("-")[0]):
        if known in LANGUAGES:
            return known
    raise InputError(
        f"language {language!r}: there are no names of places in it. Choose {', '.join(LANGUAGES)}."
    )


@lru_cache(maxsize=1)
def polygons() -> tuple[NDArray[np.object_], NDArray[np.int64]]:
    """The parts of all divisions as shapely polygons in degrees, longitude first (P,), and their divisions (P,)."""
    return unpacked({name: table(name) for name in ("steps", "step_deg", "rings", "polygons", "divisions")})


def unpacked(file: Mapping[str, NDArray[Any]]) -> tuple[NDArray[np.object_], NDArray[np.int64]]:
    """`polygons`, from the arrays of the file."""
    # Stored are the first bytes of all numbers, then the second: the sign in the last bit, each the step from the last.
    folded = np.ascontiguousarray(file["steps"].T).view(np.uint32).reshape(-1, 2).astype(np.int64)
    points = np.cumsum(folded >> 1 ^ -(folded & 1), axis=0) * file["step_deg"]
    offsets = file["rings"], file["polygons"]
    shapes = shapely.from_ragged_array(shapely.GeometryType.POLYGON, points, offsets)
    return shapes, file["divisions"].astype(np.int64)


@lru_cache(maxsize=64)
def names(kind: str, language: str = "") -> tuple[str, ...]:
    """The lines of a list.

    Args:
        kind: `owners` and `divisions`, by division; `town_names` and `town_countries`; `countries`, a code and a name
            a line.
        language: one of `LANGUAGES`, for divisions and countries.
    """
    key = f"{kind}_{language}" if language else kind
    return tuple(table(key).tobytes().decode().split("\n"))


def table(name: str) -> NDArray[Any]:
    """One array of the file."""
    with (
        resources.files("graticule.earth").joinpath("data/places.npz").open("rb") as stream,
        np.load(stream, allow_pickle=False) as file,
    ):
        found: NDArray[Any] = file[name]
        return found
