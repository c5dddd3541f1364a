"""The map of an answer: drawn at the size promised, anywhere on Earth, without pyplot."""

import io
import sys

import numpy as np
import pytest
from PIL import Image

from graticule import maps
from graticule.earth import s2
from graticule.errors import MissingExtraError
from graticule.figures.answers import map_figure
from graticule.prediction import Candidate, Prediction


def answer(latitude, longitude, *, level=6, radius_km=300.0):
    cells = s2.cell_ids([latitude, latitude], [longitude, max(-180, longitude - 2)], level=level)
    candidates = tuple(
        Candidate(float(lat), float(lon), share, s2.hex_token(int(cell)))
        for lat, lon, share, cell in zip(*s2.centres(cells), (0.5, 0.2), cells, strict=True)
    )
    return Prediction("photos/$a$ <b>.png", latitude, longitude, radius_km, candidates, "orbit")


def drawn(*arguments, **options):
    out = io.BytesIO()
    map_figure(Image.new("RGB", (64, 48), "green"), *arguments, **options).savefig(out)
    return np.asarray(Image.open(out).convert("RGB"))


@pytest.mark.parametrize(
    ("place", "truth"),
    [
        ((43.1, 5.2), (44.0, 3.0)),
        ((-17.5, 179.9), (-16.0, -179.0)),
        ((89.9, 0.0), None),
        ((-60.0, -180.0), (60, 0)),
    ],
)
def test_a_map_of_any_place(place, truth):
    pixels = drawn(answer(*place), truth=truth, purpose="views from above")
    assert pixels.shape == (800, 1600, 3)
    orange = (pixels[..., 0] > 200) & (pixels[..., 2] < 60)
    assert orange.sum() > 500
    blue = (np.abs(pixels.astype(int) - (0x56, 0xB4, 0xE9)).max(-1) < 20).sum()
    assert (blue > 100) == (truth is not None)


def test_answers_at_the_edge_of_sense():
    drawn(Prediction("a.png", 0, 0, 0.0, (), "orbit"))
    drawn(answer(10, 20, level=0, radius_km=20_015.1), truth=(-10, -160))
    drawn(answer(10, 20, level=30, radius_km=0.001), truth=(10, 20))


def test_light_lies_where_the_density_is():
    away = np.array([[-25.0, 135.0]]), np.array([1.0])
    plain, lit = drawn(answer(43, 5)), drawn(answer(43, 5), density=away)
    changed = np.argwhere(np.abs(lit.astype(int) - plain).max(-1)[136:606, 384:1560] > 60)
    x, y = (135 + 180) / 360 * 1176, (84 + 25) / 144 * 470
    assert len(changed)
    assert np.hypot(changed[:, 1] - x, changed[:, 0] - y).min() < 6


def test_light_crosses_the_antimeridian():
    light = np.zeros((50, 100))
    light[25, 0] = 1
    blurred = maps._blurred(light, 3.0, True)
    assert blurred[25, 99] == pytest.approx(blurred[25, 1])
    assert blurred.sum() == pytest.approx(1, rel=1e-3)


def test_the_shortest_way_goes_over_the_pole():
    way = maps.great_circle((80, 0), (80, 180))
    assert way[:, 0].max() > 89.5
    assert len(maps.great_circle((1, 2), (1, 2))) == 2


def test_pyplot_stays_out_of_it():
    drawn(answer(0, 0))
    assert "matplotlib.pyplot" not in sys.modules


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"graticule\[figures\]"):
        drawn(answer(0, 0))
