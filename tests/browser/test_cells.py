"""The page has its own S2 cells, in TypeScript: `npm test` holds them to web/test/cells.json, and this holds that file.

`python tests/browser/test_cells.py` writes it anew.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from graticule.earth import s2
from graticule.earth.cell_size import cell_areas_km2
from graticule.earth.outline import cell_from_token, cell_outline

GOLDEN = Path(__file__).parents[2] / "web" / "test" / "cells.json"


def described(cell):
    """What the page must know of a cell; positions are longitude first."""
    level = int(s2.level_of(cell))
    lat, lon = s2.centres(cell)
    corners = cell_outline(cell, points_a_side=1)[:4]
    return {
        "token": s2.hex_token(int(cell)),
        "level": level,
        "centre": [float(lon), float(lat)],
        "area_km2": float(cell_areas_km2(np.array([cell]))[0]),
        "parents": [s2.hex_token(int(s2.parent(cell, coarser))) for coarser in range(level + 1)],
        "outline": [[float(lon), float(lat)] for lat, lon in corners],
    }


def chosen():
    """Cells of all levels anywhere, and those at the poles and across the antimeridian."""
    random = np.random.default_rng(5)
    lat = np.degrees(np.arcsin(random.uniform(-1, 1, 62)))
    lon = random.uniform(-180, 180, 62)
    anywhere = [s2.cell_ids(lat[k], lon[k], level=k % 31) for k in range(62)]
    edges = [(89.9, 10.0), (-89.9, -100.0), (10.0, 179.99), (-16.5, -179.99), (0.0, 45.0), (35.26, 45.0)]
    return anywhere + [s2.cell_ids(*edge, level=level) for edge in edges for level in (1, 4, 9)]


@pytest.mark.parametrize(
    "known", json.loads(GOLDEN.read_text()) if GOLDEN.exists() else [], ids=lambda c: c["token"]
)
def test_what_the_page_is_held_to_is_true(known):
    found = described(cell_from_token(known["token"]))
    assert (found["level"], found["parents"]) == (known["level"], known["parents"])
    assert found["area_km2"] == pytest.approx(known["area_km2"], rel=1e-6)
    assert found["centre"] == pytest.approx(known["centre"], abs=1e-9)
    np.testing.assert_allclose(found["outline"], known["outline"], atol=1e-9)


def test_all_levels_are_held():
    assert {cell["level"] for cell in json.loads(GOLDEN.read_text())} == set(range(31))


if __name__ == "__main__":
    cells = {described(cell)["token"]: described(cell) for cell in chosen()}
    GOLDEN.write_text(json.dumps(list(cells.values()), indent=1) + "\n")
