"""MP-16, 4.7 million photos, and MP16-Pro, 4.1 million of them with the names of their places.

Larson et al. 2017, "The Benchmarking Initiative for Multimedia Evaluation: MediaEval 2016", and Jia et al. 2024,
https://arxiv.org/abs/2405.14702.

    MP16_Pro_places365.csv    IMG_ID,LAT,LON and, in Pro, neighbourhood,city,county,state,region,country,country_code,
                              continent; in the folder, or in metadata/
    mp-16-images00 ...        JPEGs, {IMG_ID} with _ for /, in a tar that is cut into parts; one tar, several, or a
                              folder do as well
"""

from __future__ import annotations

from typing import ClassVar

from graticule.data.sources.flickr import FlickrSource
from graticule.data.sources.tables import Columns

__all__ = ["Mp16"]


class Mp16(FlickrSource):
    """MP-16 or MP16-Pro as published."""

    name: ClassVar[str] = "mp16"
    tables: ClassVar[tuple[str, ...]] = ("MP16_Pro_places365.csv", "MP16_Pro_filtered.csv")
    columns: ClassVar[Columns] = Columns(
        ["IMG_ID"],
        ["LAT"],
        ["LON"],
        {
            "country": ["country", "country_code"],
            # What Pro's column `region` holds is larger than a state, or smaller than a county, or nothing.
            "region": ["state", "region"],
            "sub_region": ["county"],
            "city": ["city"],
            "continent": ["continent"],
            "author": ["AUTHOR"],
        },
    )
