"""Regions that clients name: in words or as GeoJSON, never as a file of this machine."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from graticule.earth.regions import Region
from graticule.earth.regions.parse import region_in_words, region_of_geojson, united_region
from graticule.errors import InputError
from graticule.serving.settings import Limits

if TYPE_CHECKING:
    from graticule.decoding.constrain import CellMask
    from graticule.locator import Geolocator

__all__ = ["Masks", "region_of"]

_KEPT: Final = 32
"""Regions that are remembered, with what was worked out of them."""


def region_of(texts: list[str], limits: Limits) -> Region:
    """The union of what some texts mean: a country, box or circle in words, or a GeoJSON object.

    Raises:
        InputError: One can't be understood, or they are too many or too large.
    """
    if len(texts) > limits.regions:
        raise InputError(f"within: {len(texts)} regions, the limit is {limits.regions}.")
    said = dict.fromkeys(text.strip() for text in texts)
    drawn = [_document(text) for text in said if text.startswith("{")]
    regions = [region_in_words(text) for text in said if not text.startswith("{")]
    if drawn:
        regions.append(_drawn(drawn, limits))
    return united_region(regions)


def _document(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"within: is not JSON: {error}") from error


def _drawn(documents: list[Any], limits: Limits) -> Region:
    """All that was drawn, as one: its corners are counted together."""
    together = {"type": "GeometryCollection", "geometries": documents}
    whole = documents[0] if len(documents) == 1 else together
    try:
        return region_of_geojson(whole, name="the region drawn", most_positions=limits.geojson_positions)
    except InputError as error:
        raise InputError(f"within: {error}") from error


class Masks:
    """What each model makes of the regions asked for lately."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._lock = Lock()
        self._kept: OrderedDict[tuple[str, str], CellMask] = OrderedDict()

    def mask(self, geolocator: Geolocator, texts: list[str]) -> CellMask | None:
        """The mask that an answer is confined by; None where no region is named.

        Raises:
            InputError: A region can't be understood.
        """
        if not texts:
            return None
        key = geolocator.name, hashlib.sha256("\0".join(texts).encode()).hexdigest()
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        mask = geolocator.mask(region_of(texts, self._limits))
        assert mask is not None
        with self._lock:
            # Whoever was first: jobs are answered together where they share a mask.
            mask = self._kept.setdefault(key, mask)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return mask
