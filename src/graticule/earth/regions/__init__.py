"""Regions of the Earth: said in the user's words, one polygon each, and how they cut S2 cells."""

from graticule.earth.regions.parse import parse_region
from graticule.earth.regions.region import Region

__all__ = ["Region", "parse_region"]
