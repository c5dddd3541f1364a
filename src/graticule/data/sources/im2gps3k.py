"""Im2GPS3k: 2,997 photos to test with (Vo, Jacobs and Hays 2017, https://arxiv.org/abs/1705.04838).

im2gps3k_places365.csv    IMG_ID,AUTHOR,LAT,LON,S3_Label,S16_Label,S365_Label,Prob_indoor,Prob_natural,Prob_urban
*/{IMG_ID}                JPEGs, in a folder of any name
"""

from __future__ import annotations

from typing import ClassVar

from graticule.data.sources.flickr import FlickrSource
from graticule.data.sources.tables import Columns

__all__ = ["Im2Gps3k"]


class Im2Gps3k(FlickrSource):
    """Im2GPS3k as published."""

    name: ClassVar[str] = "im2gps3k"
    tables: ClassVar[tuple[str, ...]] = ("im2gps3k_places365.csv",)
    columns: ClassVar[Columns] = Columns(["IMG_ID"], ["LAT"], ["LON"], {"author": ["AUTHOR"]})
