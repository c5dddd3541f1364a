"""Regions in words, and GeoJSON in files and in requests."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from functools import cache
from random import Random
from typing import Any, Final

import numpy as np

from fuzz.edits import bytes_edit, json_edit, mixed
from fuzz.target import Target
from fuzz.targets.files import folder
from graticule.earth.regions import Region, parse_region
from graticule.earth.regions.parse import region_in_words, united_region
from graticule.errors import InputError
from graticule.serving.regions import region_of
from graticule.serving.settings import Limits

_FACES: Final = [(2 * face + 1) << 60 for face in range(6)]
_WORDS: Final = (
    "France", "bolivia", "DE", "41.3,-5.2,51.1,9.6", "-20,177,-12,-178", "-90,-180,90,180", "80,0,90,360",
    "0,0,.001,1.",
    "50 km around 48.86,2.35", "10000 KM around -90,0", "0.001 km around 0,180", " +1 km  around 0 , -0 ",
)  # fmt: skip
_SQUARE: Final = [[0, 0], [2, 0], [2, 2], [0, 2], [0, 0]]
_HOLE: Final = [[0.5, 0.5], [1, 0.5], [1, 1], [0.5, 1], [0.5, 0.5]]
_ACROSS: Final = [[179, -1], [-179, -1], [-179, 1], [179, 1], [179, -1]]
_POLAR: Final = [[-180, 80], [-90, 80], [0, 80], [90, 80], [180, 80], [180, 90], [-180, 90], [-180, 80]]


def _polygon(*rings: Any) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": list(rings)}


@cache
def seeds() -> list[bytes]:
    """Words of every kind, and documents of every kind."""
    multi = {"type": "MultiPolygon", "coordinates": [[_SQUARE], [_ACROSS]]}
    feature = {"type": "Feature", "properties": None, "geometry": _polygon(_SQUARE, _HOLE)}
    documents = [
        _polygon(_SQUARE), _polygon(_SQUARE, _HOLE), _polygon(_ACROSS), _polygon(_POLAR), multi, feature,
        {"type": "FeatureCollection", "features": [feature, {**feature, "geometry": multi}]},
        {"type": "GeometryCollection", "geometries": [_polygon(_POLAR[::-1]), multi]},
    ]  # fmt: skip
    return [*(words.encode() for words in _WORDS), *(json.dumps(one).encode() for one in documents)]


def one(data: bytes) -> None:
    """Read it as a file, as a request's field, and as words; hold the region against itself."""
    text = data.decode("utf-8", "replace")
    path = folder("regions") / "region.geojson"
    path.write_bytes(data)
    for read in (
        lambda: parse_region(str(path)),
        lambda: region_of([text], Limits()),
        lambda: region_in_words(text),
    ):
        try:
            region = read()
        except InputError as error:
            assert len(str(error)) < 2_000
        else:
            _check(region)
    if not text.lstrip().startswith("{"):
        try:
            region = region_in_words(text)
        except InputError:
            return
        assert region_in_words(region.name).polygon.GetArea() == region.polygon.GetArea()


def _check(region: Region) -> None:
    """Its area is finite and the sum of its parts; its anchor lies in it; a union is no smaller."""
    area = region.polygon.GetArea()
    assert 0 < area <= 4 * math.pi + 1e-9
    shares = region.shares(_FACES)
    assert ((shares >= 0) & (shares <= 1)).all()
    assert math.isclose(shares.sum() * 4 * math.pi / 6, area, rel_tol=1e-6, abs_tol=1e-9), (shares, area)
    try:
        anchor = region.anchor
    except InputError:
        assert area < 1e-6, "only what is thin has no point in it"
    else:
        assert np.isfinite(anchor).all()
        assert region.contains(anchor)
    both = united_region([region, parse_region("10,10,20,20")]).polygon.GetArea()
    assert both >= area - 1e-9


def edit(data: bytes, chance: Random, seeds: Sequence[bytes]) -> bytes:
    """Change a value of the document, a number most of all."""
    return mixed(json_edit, json_edit, _moved, bytes_edit)(data, chance, seeds)


def _moved(data: bytes, chance: Random, seeds: Sequence[bytes]) -> bytes:
    """Put a corner elsewhere: where sides touch, cross or run along each other, at a pole, on an edge of a cell."""
    try:
        document = json.loads(data)
        shape = document.get("geometry", document)
        ring = chance.choice(shape["coordinates"])
        ring[chance.randrange(len(ring))] = [chance.choice(_PLACES), chance.choice(_PLACES)]
        ring[-1] = ring[0]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return bytes_edit(data, chance, seeds)
    return json.dumps(document).encode()


_PLACES: Final = (
    0,
    1,
    2,
    -1,
    0.5,
    1e-7,
    1 + 1e-12,
    45,
    45.000000001,
    89.9999999,
    90,
    -90,
    135,
    179.9,
    180,
    -180,
    200,
    359,
)

TARGET = Target(
    name="regions",
    door="earth.regions.parse_region, serving.regions.region_of",
    promise="a region of finite area that its cells add up to, with a point in it, or an InputError",
    seeds=seeds,
    one=one,
    edit=edit,
    longest=1 << 13,
)
