"""The layouts in which data sets of photographs are published, for views of Orbit: names, tables, containers.

What a camera from above has no answer to (a city, a road) stays empty; countries are those of the outlines, and
authors and sequences are made up, four views each, so that what looks for them finds some.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from graticule.data.orbit.views import Split
from graticule.earth.places.countries import by_name
from graticule.store import make_folder

__all__ = ["LAYOUTS", "Part", "Store", "View"]

_BURST: Final = 4
"""Views by one author, or of one sequence."""
_TEST_SHARE: Final = 5
"""One view in so many is of OSV-5M's test split; in the original one in 24 is."""
_ZIPS: Final[Mapping[str, int]] = {"train": 3, "test": 2}
"""In the original 98 and 5."""


@dataclass(frozen=True, slots=True)
class View:
    """A view, as a row of a table sees it."""

    index: int
    latitude: str
    longitude: str
    country: str | None
    """By its name in `graticule.earth.borders`."""

    @property
    def code(self) -> str:
        """The country's, or nothing."""
        return (self.country and by_name()[self.country].code) or ""


@dataclass(frozen=True)
class Part:
    """Views of one stream, and the table of them.

    Attributes:
        split: the stream.
        views: how many, from its first.
        table: path of the CSV file.
        header: its first line.
        stored: number of a view -> its container ("" for none), and its name in there or its path.
        row: a view -> the fields it has a value for.
    """

    split: Split
    views: int
    table: str
    header: str
    stored: Callable[[int], tuple[str, str]]
    row: Callable[[View], Mapping[str, str]]


def _folder(views: int) -> list[Part]:
    def path(index: int) -> str:
        return f"view-{index:06d}.png"

    def row(view: View) -> Mapping[str, str]:
        return {"path": path(view.index), "latitude": view.latitude, "longitude": view.longitude}

    return [Part("test", views, "truth.csv", "path,latitude,longitude", lambda i: ("", path(i)), row)]


def _im2gps(views: int) -> list[Part]:
    def name(index: int) -> str:
        return f"{_digits('photo', index)}_{_hex('secret', index, 10)}_{_author(index)}.jpg"

    def row(view: View) -> Mapping[str, str]:
        # Im2GPS3k and its kin carry what a scene classifier says of each picture.
        scene = {"S3_Label": "1", "S16_Label": "7", "S365_Label": "0"}
        scene |= {"Prob_indoor": "0.0", "Prob_natural": "1.0", "Prob_urban": "0.0"}
        return _flickr(name, view) | scene | {"AUTHOR": _author(view.index)}

    header = "IMG_ID,AUTHOR,LAT,LON,S3_Label,S16_Label,S365_Label,Prob_indoor,Prob_natural,Prob_urban"
    return [Part("test", views, "im2gps3k_places365.csv", header, lambda i: ("", f"images/{name(i)}"), row)]


def _yfcc4k(views: int) -> list[Part]:
    def name(index: int) -> str:
        return f"{_digits('photo', index)}.jpg"

    def row(view: View) -> Mapping[str, str]:
        return _flickr(name, view)

    header = "IMG_ID,LAT,LON"
    return [Part("test", views, "yfcc4k_places365.csv", header, lambda i: ("", f"images/{name(i)}"), row)]


def _mp16(views: int) -> list[Part]:
    def name(index: int) -> str:
        digest = _hex("photo", index, 28)
        return f"{digest[:2]}/{digest[2:4]}/{digest[4:]}.jpg"

    def stored(index: int) -> tuple[str, str]:
        return "mp-16-images.tar", f"mp-16-images/{name(index).replace('/', '_')}"

    def row(view: View) -> Mapping[str, str]:
        country = {"country": view.country or "", "country_code": view.code.lower()}
        return _flickr(name, view) | country

    header = "IMG_ID,LAT,LON,neighbourhood,city,county,state,region,country,country_code,continent"
    return [Part("train", views, "MP16_Pro_places365.csv", header, stored, row)]


def _osv5m(views: int) -> list[Part]:
    test = -(-views // _TEST_SHARE)
    return [_osv5m_part("train", views - test), _osv5m_part("test", test)]


def _osv5m_part(split: Split, views: int) -> Part:
    def name(index: int) -> str:
        return _digits(split, index)

    def stored(index: int) -> tuple[str, str]:
        number = index % _ZIPS[split]
        return f"images/{split}/{number:02d}.zip", f"{number:02d}/{name(index)}.jpg"

    def row(view: View) -> Mapping[str, str]:
        burst = view.index // _BURST
        return {
            "id": name(view.index),
            "latitude": view.latitude,
            "longitude": view.longitude,
            "country": view.code,
            "unique_country": view.code,
            "sequence": _hex(f"{split} sequence", burst, 22),
            "captured_at": str(1_500_000_000_000 + 60_000 * view.index),
            "creator_username": f"driver{burst}",
            "creator_id": _digits("driver", burst),
        }

    header = (
        "id,latitude,longitude,thumb_original_url,country,sequence,captured_at,lon_bin,lat_bin,cell,region,sub-region,"
        "city,land_cover,road_index,drive_side,climate,soil,dist_sea,quadtree_10_5000,quadtree_10_25000,"
        "quadtree_10_1000,quadtree_10_50000,quadtree_10_12500,quadtree_10_500,quadtree_10_2500,unique_region,"
        "unique_sub-region,unique_city,unique_country,creator_username,creator_id"
    )
    return Part(split, views, f"{split}.csv", header, stored, row)


LAYOUTS: Final[Mapping[str, Callable[[int], list[Part]]]] = {
    "folder": _folder,
    "im2gps": _im2gps,
    "yfcc4k": _yfcc4k,
    "mp16": _mp16,
    "osv5m": _osv5m,
}
"""Name -> the parts that so many views are laid out in."""


def _flickr(name: Callable[[int], str], view: View) -> dict[str, str]:
    return {"IMG_ID": name(view.index), "LAT": view.latitude, "LON": view.longitude}


def _author(index: int) -> str:
    return f"{10_000_000 + index // _BURST}@N00"


def _hex(purpose: str, index: int, digits: int) -> str:
    """Digits that look drawn and never change."""
    return hashlib.sha256(f"{purpose} {index}".encode()).hexdigest()[:digits]


def _digits(purpose: str, index: int) -> str:
    """The same as 15 decimal digits; the last nine count, so that no two are alike."""
    return str(100_000 + int(_hex(purpose, 0, 8), 16) % 900_000) + f"{index:09d}"


class Store:
    """Puts pictures into files, zips and tars below a folder. Containers appear when all is stored, and whole."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: dict[str, zipfile.ZipFile | tarfile.TarFile] = {}

    def __enter__(self) -> Self:
        return self

    def add(self, container: str, name: str, data: bytes) -> None:
        """Store one picture: in a container, or as a file if that is "".

        The same pictures give the same bytes: containers note no time.
        """
        if not container:
            make_folder((self._folder / name).parent)
            (self._folder / name).write_bytes(data)
            return
        if container not in self._open:
            make_folder((self._folder / container).parent)
            opener = zipfile.ZipFile if container.endswith(".zip") else tarfile.open
            self._open[container] = opener(self._partial(container), "w")
        file = self._open[container]
        if isinstance(file, zipfile.ZipFile):
            file.writestr(zipfile.ZipInfo(name), data)
        else:
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            file.addfile(entry, io.BytesIO(data))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for container, file in self._open.items():
            file.close()
            if kind is None:
                self._partial(container).replace(self._folder / container)
            else:
                self._partial(container).unlink()

    def _partial(self, container: str) -> Path:
        path = self._folder / container
        return path.with_name(f".{path.name}.tmp")
