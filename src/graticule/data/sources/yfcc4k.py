"""YFCC4k: 4,536 photos to test with (Vo, Jacobs and Hays 2017, https://arxiv.org/abs/1705.04838).

yfcc4k_places365.csv    IMG_ID,LAT,LON and more; AUTHOR is read if it is there
*/{IMG_ID}              JPEGs, in a folder of any name
"""

from __future__ import annotations

from typing import ClassVar

from graticule.data.sources.flickr import FlickrSource
from graticule.data.sources.tables import Columns

__all__ = ["Yfcc4k"]


class Yfcc4k(FlickrSource):
    """YFCC4k as published."""

    name: ClassVar[str] = "yfcc4k"
    tables: ClassVar[tuple[str, ...]] = ("yfcc4k_places365.csv",)
    columns: ClassVar[Columns] = Columns(["IMG_ID"], ["LAT"], ["LON"], {"author": ["AUTHOR"]})
