"""Outlines of cells."""

import numpy as np
import pytest
from s2geometry import S2Cell, S2CellId, S2LatLng

from graticule.earth import s2
from graticule.earth.outline import cell_from_token, cell_outline
from graticule.errors import CoordinateError

PLACES = [
    (48.86, 2.29),
    (-33.86, 151.2),
    (0, 180),
    (0, -180),
    (89.99, 10),
    (-90, 0),
    (35.3, 45),
    (16.5, -179.99),
]


@pytest.mark.parametrize("level", [0, 1, 6, 12, 30])
@pytest.mark.parametrize(("lat", "lon"), PLACES)
def test_corners_are_those_of_s2(lat, lon, level):
    reference = S2CellId(S2LatLng.FromDegrees(lat, lon)).parent(level)
    cell = cell_from_token(reference.ToToken())
    assert int(cell) == reference.id()
    outline = cell_outline(cell, points_a_side=4)
    assert outline.shape == (17, 2)
    for corner, (corner_lat, corner_lon) in enumerate(outline[:16:4]):
        expected = S2LatLng(S2Cell(reference).GetVertex(corner))
        assert corner_lat == pytest.approx(expected.lat().degrees(), abs=1e-9)
        if abs(corner_lat) < 89.9999:
            assert np.cos(np.radians(corner_lon - expected.lng().degrees())) == pytest.approx(1, abs=1e-12)


def test_next_to_the_antimeridian_the_outline_does_not_jump():
    for lon in (179.9, -179.9):
        outline = cell_outline(s2.cell_ids(10.0, lon, level=5)[()])
        assert np.abs(np.diff(outline[:, 1])).max() < 5


@pytest.mark.parametrize("token", ["", "x", "0", "0" * 16, "f" * 17, "e1", "-1", "89c25 ", "32" * 8])
def test_what_is_no_token_is_refused(token):
    with pytest.raises(CoordinateError, match="no S2 cell token"):
        cell_from_token(token)
